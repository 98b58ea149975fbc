"""How a classifier is measured: one hold-out and cross-validation, stratified unless asked otherwise.

A search inside `fit` sees training rows alone. A calibration is fitted on scores of sequences that
their classifier did not see, and never on the rows that are scored; in cross-validation it is that of
the other folds, whose classifiers did see the scored rows.

Splits are scikit-learn's with `random_state` = seed, so that anyone can make the same ones.

Axis letters: N sequences, F features, S scores, C classes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.component import Component
from sortilin.errors import MissingDependencyError
from sortilin.evaluation import bounded, calibration, metrics
from sortilin.evaluation.calibration import Calibration
from sortilin.experiment import kept, splits
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.kept import Aside
from sortilin.experiment.splits import Parting
from sortilin.interfaces import NOBODY, Classifier, DoubleArray, Inputs, IntArray, Watch
from sortilin.results import Evaluation

REQUIRED_PACKAGES = {"scikit-learn": "sklearn", "lightgbm": "lightgbm", "onnx": "onnx", "PyYAML": "yaml"}
"""Name to install → name to import, of what the extra `train` brings."""


Split = tuple[IntArray, IntArray]
"""Row numbers: for training, and held out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Features, labels, and the seed that splits them.

    Attributes:
        x: (N, F) features or (N,) sequences, as the classifier takes them.
        y: (N,) class indices.
        classes: C class names.
        n_folds: Folds of every cross-validation.
        seed: Seed of splits and fits.
        calibration: How scores become probabilities; one of `evaluation.calibration.METHODS`.
        parting: What rows are split by, at every level.
    """

    x: Inputs
    y: IntArray
    classes: tuple[str, ...]
    n_folds: int
    seed: int
    calibration: str = calibration.METHOD
    parting: Parting = splits.DEFAULT

    @property
    def groups(self) -> IntArray | None:
        """(N,) clusters that no split may cut; None where rows are split one by one."""
        return self.parting.groups

    def rows(self, keep: IntArray) -> Problem:
        """The same problem on some of the sequences."""
        return replace(self, x=self.x[keep], y=self.y[keep], parting=self.parting.rows(keep))


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold of a cross-validation.

    Attributes:
        held_out: (M,) its row numbers.
        scores: (M, S) of the fit that did not see them.
        calibration: On what that fit set aside itself; None if it set nothing aside.
        chosen: What that fit chose by itself.
        was_kept: Whether an earlier start of the same run had measured it.
    """

    held_out: IntArray
    scores: DoubleArray
    calibration: Calibration | None
    chosen: Mapping[str, Any]
    was_kept: bool = False


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Held-out scores of all sequences and what they are worth.

    Attributes:
        scores: (N, S) of the fold in which each sequence was held out.
        probabilities: (N, C) of those scores, calibrated without the fold.
        fold: (N,) that fold.
        folds: Evaluation of each fold.
        pooled: Evaluation of all held-out predictions together.
        chosen: What each fold's fit chose by itself.
        n_kept: Folds that an earlier start of the same run had measured.
    """

    scores: DoubleArray
    probabilities: DoubleArray
    fold: IntArray
    folds: tuple[Evaluation, ...]
    pooled: Evaluation
    chosen: tuple[dict[str, Any], ...]
    n_kept: int = 0

    def mean(self, metric: str) -> float:
        """Mean of a metric over folds."""
        return fmean(fold.metrics[metric] for fold in self.folds)

    def spread(self, metric: str) -> float:
        """Sample standard deviation of a metric over folds."""
        return stdev(fold.metrics[metric] for fold in self.folds)


def fitted(spec: Component, problem: Problem, watch: Watch = NOBODY) -> Classifier:
    """A new classifier, fitted on all rows of a problem."""
    classifier: Classifier = spec.build("classifier")
    if problem.groups is not None:
        watch = replace(watch, groups=problem.groups)
    classifier.fit(problem.x, problem.y, n_classes=len(problem.classes), seed=problem.seed, watch=watch)
    return classifier


def fixed(spec: Component, classifier: Classifier) -> Component:
    """The same component with what a fit chose, so that fitting again searches nothing."""
    return Component(name=spec.name, options=classifier.chosen_config().model_dump())


def folds_of(problem: Problem) -> Iterator[Split]:
    """Training and held-out row numbers of each fold, by what the problem's rows are split by."""
    yield from splits.folds(problem.y, problem.parting, problem.n_folds, problem.seed)


def stratified_folds(problem: Problem) -> Iterator[Split]:
    """The same by class alone, whatever they are split by."""
    folds = _model_selection().StratifiedKFold(problem.n_folds, shuffle=True, random_state=problem.seed)
    yield from folds.split(problem.x, problem.y)


def grouped_folds(y: IntArray, groups: IntArray, n_folds: int, seed: int) -> Iterator[Split]:
    """The same for (N,) classes where no group, of (N,) numbers, is in two folds; a fold may lack a class."""
    folds = _model_selection().StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from folds.split(y, y, groups)


def fit_fold(
    spec: Component, problem: Problem, train: IntArray, held_out: IntArray, watch: Watch = NOBODY
) -> Fold:
    """Fit on some rows, score the others; with a workspace, what was found is kept there and found again."""
    if watch.workspace is None:
        scores, aside, chosen = _fit_fold(spec, problem, train, held_out, watch)
        return Fold(held_out, scores, own_calibration(aside, problem), chosen)
    in_order = np.concatenate([train, held_out])
    key = kept.identity(
        spec,
        problem.x[in_order],
        problem.y[train],
        n_classes=len(problem.classes),
        seed=problem.seed,
        groups=None if problem.groups is None else problem.groups[train],
    )
    found = kept.load(watch.workspace, key)
    if found is None:
        scores, aside, chosen = _fit_fold(spec, problem, train, held_out, watch)
        kept.save(watch.workspace, scores, aside, chosen, key)
    else:
        scores, aside, chosen = found
    return Fold(held_out, scores, own_calibration(aside, problem), chosen, was_kept=found is not None)


def _fit_fold(
    spec: Component, problem: Problem, train: IntArray, held_out: IntArray, watch: Watch
) -> tuple[DoubleArray, Aside | None, dict[str, Any]]:
    """Scores of the rows held out, what the fit set aside, and what it chose."""
    classifier = fitted(spec, problem.rows(train), watch)
    scores = classifier.scores(problem.x[held_out])
    return scores, classifier.set_aside(), dict(classifier.chosen)


def own_calibration(aside: Aside | None, problem: Problem) -> Calibration | None:
    """The calibration on scores and classes that a fit set aside; None if it learned from all its rows."""
    if aside is None:
        return None
    scores, y = aside
    return calibration.fit(scores, y, n_classes=len(problem.classes), method=problem.calibration)


def out_of_fold(
    spec: Component, problem: Problem, watch: Watch = NOBODY, *, folds: Iterable[Split] | None = None
) -> list[Fold]:
    """Each sequence's scores from the fit that did not see it; on the problem's folds, or on those given."""
    made = folds_of(problem) if folds is None else folds
    return [
        fit_fold(spec, problem, train, held_out, watch.inner(f"fold {number}"))
        for number, (train, held_out) in enumerate(made, start=1)
    ]


def cross_validate(
    spec: Component, problem: Problem, watch: Watch = NOBODY, *, folds: Iterable[Split] | None = None
) -> CrossValidation:
    """Cross-validation, each fold calibrated without its rows; on the problem's folds, or on those given."""
    return assemble(out_of_fold(spec, problem, watch, folds=folds), problem)


def assemble(parts: Sequence[Fold], problem: Problem) -> CrossValidation:
    """Evaluate held-out scores; a fold without a calibration of its own gets that of the other folds."""
    n_classes = len(problem.classes)
    scores = np.empty((len(problem.y), parts[0].scores.shape[1]))
    fold = np.empty(len(problem.y), dtype=np.int64)
    for number, part in enumerate(parts):
        scores[part.held_out], fold[part.held_out] = part.scores, number
    table = np.empty((len(problem.y), n_classes))
    for number, part in enumerate(parts):
        here = fold == number
        others = part.calibration or calibration.fit(
            scores[~here], problem.y[~here], n_classes=n_classes, method=problem.calibration
        )
        table[here] = others(scores[here])
    folds = tuple(
        metrics.evaluate(problem.y[fold == number], table[fold == number], problem.classes)
        for number in range(len(parts))
    )
    pooled = metrics.evaluate(problem.y, table, problem.classes)
    chosen = tuple(dict(part.chosen) for part in parts)
    n_kept = sum(part.was_kept for part in parts)
    return CrossValidation(scores, table, fold, folds, pooled, chosen, n_kept)


def hold_out_rows(problem: Problem, share: float) -> Split:
    """Row numbers of one split: for training, and held out."""
    return splits.hold_out(problem.y, problem.parting, share, problem.seed)


def hold_out(
    spec: Component, problem: Problem, share: float, watch: Watch = NOBODY
) -> tuple[Evaluation, dict[str, Any]]:
    """One split: fit and calibrate on one part, score the other once."""
    train, test = hold_out_rows(problem, share)
    classifier, calibrate = calibrated(spec, problem.rows(train), watch)
    table = calibrate(classifier.scores(problem.x[test]))
    scored = bounded.evaluate(problem.y[test], table, problem.classes, seed=problem.seed)
    return scored, dict(classifier.chosen)


def calibrated(spec: Component, problem: Problem, watch: Watch = NOBODY) -> tuple[Classifier, Calibration]:
    """A classifier fitted on all rows, and a calibration on scores of rows that a fit did not learn from.

    Those are what the fit set aside itself, or else its cross-validation on the same rows.
    """
    classifier = fitted(spec, problem, watch)
    return classifier, calibration_of(spec, classifier, problem, watch=watch)


def calibration_of(
    spec: Component,
    classifier: Classifier,
    problem: Problem,
    measured: CrossValidation | None = None,
    *,
    watch: Watch = NOBODY,
) -> Calibration:
    """The calibration of a classifier that was fitted on all rows of a problem.

    Args:
        spec: What it was fitted as.
        classifier: The same, fitted.
        problem: The rows.
        measured: A cross-validation on the same rows, which serves unless a search chose options: then the
            folds' are not those of the classifier.
        watch: Of a cross-validation that has to be made.
    """
    own = own_calibration(classifier.set_aside(), problem)
    if own is not None:
        return own
    if measured is not None and classifier.chosen_config() == spec.build("classifier").config:
        return _calibration(measured.scores, problem)
    parts = out_of_fold(fixed(spec, classifier), problem, watch.inner("calibration"))
    rows = np.concatenate([part.held_out for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    in_order = np.argsort(rows)
    return _calibration(scores[in_order], problem)


def _calibration(scores: DoubleArray, problem: Problem) -> Calibration:
    """On held-out scores of all of a problem's rows."""
    return calibration.fit(scores, problem.y, n_classes=len(problem.classes), method=problem.calibration)


def require_training() -> None:
    """Refuse to start where a package that training needs is missing.

    Raises:
        MissingDependencyError: The first one that is.
    """
    for package, module in REQUIRED_PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("training", package, "train")


def _model_selection() -> Any:
    from sklearn import model_selection

    return model_selection


def parts(labelled: LabelledSet, table: DoubleArray, is_known: NDArray[np.bool_]) -> dict[str, Evaluation]:
    """Scores of a whole set, and of what is left of it without training sequences if there are any.

    All with intervals.

    Args:
        labelled: N sequences with labels.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
    """
    whole = bounded.evaluate(labelled.y, table, labelled.classes)
    if is_known.all():
        return {"whole, every one a training sequence": whole}
    if not is_known.any():
        return {"whole": whole}
    rest = bounded.evaluate(labelled.y[~is_known], table[~is_known], labelled.classes)
    return {"whole": whole, f"without {int(is_known.sum())} training sequences": rest}
