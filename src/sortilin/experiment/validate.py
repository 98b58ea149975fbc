"""How a classifier is measured: one stratified hold-out and stratified cross-validation.

A search inside `fit` sees training rows alone. A calibration is fitted on scores of sequences that
their classifier did not see, and never on the rows that are scored; in cross-validation it is that of
the other folds, whose classifiers did see the scored rows.

Splits are scikit-learn's with `random_state` = seed, so that anyone can make the same ones.

Axis letters: N sequences, F features, S scores, C classes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import MissingDependencyError
from sortilin.evaluation import calibration, metrics
from sortilin.evaluation.calibration import Calibration
from sortilin.experiment.config import Component
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import Classifier, DoubleArray, FloatArray, IntArray
from sortilin.results import Evaluation

REQUIRED_PACKAGES = {"scikit-learn": "sklearn", "lightgbm": "lightgbm", "onnx": "onnx", "PyYAML": "yaml"}
"""Name to install → name to import, of what the extra `train` brings."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Features, labels, and the seed that splits them.

    Attributes:
        x: (N, F).
        y: (N,) class indices.
        classes: C class names.
        n_folds: Folds of every cross-validation.
        seed: Seed of splits and fits.
    """

    x: FloatArray
    y: IntArray
    classes: tuple[str, ...]
    n_folds: int
    seed: int

    def rows(self, keep: IntArray) -> Problem:
        """The same problem on some of the sequences."""
        return Problem(self.x[keep], self.y[keep], self.classes, self.n_folds, self.seed)


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Held-out scores of all sequences and what they are worth.

    Attributes:
        scores: (N, S) of the fold in which each sequence was held out.
        fold: (N,) that fold.
        folds: Evaluation of each fold.
        pooled: Evaluation of all held-out predictions together.
        chosen: What each fold's fit chose by itself.
    """

    scores: DoubleArray
    fold: IntArray
    folds: tuple[Evaluation, ...]
    pooled: Evaluation
    chosen: tuple[dict[str, Any], ...]

    def mean(self, metric: str) -> float:
        """Mean of a metric over folds."""
        return fmean(fold.metrics[metric] for fold in self.folds)

    def spread(self, metric: str) -> float:
        """Sample standard deviation of a metric over folds."""
        return stdev(fold.metrics[metric] for fold in self.folds)


def fitted(spec: Component, problem: Problem) -> Classifier:
    """A new classifier, fitted on all rows of a problem."""
    classifier: Classifier = spec.build("classifier")
    classifier.fit(problem.x, problem.y, n_classes=len(problem.classes), seed=problem.seed)
    return classifier


def fixed(spec: Component, classifier: Classifier) -> Component:
    """The same component with what a fit chose, so that fitting again searches nothing."""
    return Component(name=spec.name, options=classifier.chosen_config().model_dump())


def stratified_folds(problem: Problem) -> Iterator[tuple[IntArray, IntArray]]:
    """Training and held-out row numbers of each fold."""
    folds = _model_selection().StratifiedKFold(problem.n_folds, shuffle=True, random_state=problem.seed)
    yield from folds.split(problem.x, problem.y)


def out_of_fold(spec: Component, problem: Problem) -> tuple[DoubleArray, IntArray, list[dict[str, Any]]]:
    """Each sequence's scores from the fit that did not see it; its fold; what the fits chose."""
    parts: list[tuple[IntArray, DoubleArray]] = []
    chosen = []
    for train, held_out in stratified_folds(problem):
        classifier = fitted(spec, problem.rows(train))
        parts.append((held_out, classifier.scores(problem.x[held_out])))
        chosen.append(dict(classifier.chosen))
    scores = np.empty((len(problem.y), parts[0][1].shape[1]))
    fold = np.empty(len(problem.y), dtype=np.int64)
    for number, (held_out, part) in enumerate(parts):
        scores[held_out], fold[held_out] = part, number
    return scores, fold, chosen


def cross_validate(spec: Component, problem: Problem) -> CrossValidation:
    """Stratified cross-validation; each fold is calibrated on the held-out scores of the others."""
    scores, fold, chosen = out_of_fold(spec, problem)
    n_classes = len(problem.classes)
    table = np.empty((len(problem.y), n_classes))
    for number in range(problem.n_folds):
        here = fold == number
        calibrate = calibration.fit(scores[~here], problem.y[~here], n_classes=n_classes)
        table[here] = calibrate(scores[here])
    folds = tuple(
        metrics.evaluate(problem.y[fold == number], table[fold == number], problem.classes)
        for number in range(problem.n_folds)
    )
    pooled = metrics.evaluate(problem.y, table, problem.classes)
    return CrossValidation(scores, fold, folds, pooled, tuple(chosen))


def hold_out(spec: Component, problem: Problem, share: float) -> tuple[Evaluation, dict[str, Any]]:
    """One stratified split: fit and calibrate on one part, score the other once."""
    train, test = _model_selection().train_test_split(
        np.arange(len(problem.y)),
        test_size=share,
        stratify=problem.y,
        random_state=problem.seed,
    )
    classifier, calibrate = calibrated(spec, problem.rows(train))
    table = calibrate(classifier.scores(problem.x[test]))
    return metrics.evaluate(problem.y[test], table, problem.classes), dict(classifier.chosen)


def calibrated(spec: Component, problem: Problem) -> tuple[Classifier, Calibration]:
    """A classifier fitted on all rows, and a calibration from its cross-validation on them."""
    classifier = fitted(spec, problem)
    scores, _, _ = out_of_fold(fixed(spec, classifier), problem)
    return classifier, calibration.fit(scores, problem.y, n_classes=len(problem.classes))


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

    Args:
        labelled: N sequences with labels.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
    """
    whole = metrics.evaluate(labelled.y, table, labelled.classes)
    if is_known.all():
        return {"whole, every one a training sequence": whole}
    if not is_known.any():
        return {"whole": whole}
    rest = metrics.evaluate(labelled.y[~is_known], table[~is_known], labelled.classes)
    return {"whole": whole, f"without {int(is_known.sum())} training sequences": rest}
