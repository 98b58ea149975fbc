"""How a classifier of several classes a sequence is measured.

Calibration and thresholds are fitted on held-out scores, and never on those of the fold that is scored: in
a cross-validation on those of the other folds, whose classifiers did see the scored rows; in a hold-out on
those of a cross-validation inside its training part.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.evaluation import multilabel, per_class
from sortilin.evaluation.per_class import PerClass
from sortilin.experiment import validate
from sortilin.experiment.validate import Fold, Problem, Split
from sortilin.interfaces import NOBODY, Classifier, DoubleArray, IntArray, Watch
from sortilin.multilabel import folds
from sortilin.multilabel.data import MultiLabelledSet
from sortilin.multilabel.outcome import Measured, Scored

ONE_A_CLASS = "one_vs_rest"
EXCLUSIVE = 2
"""Of so many classes a network gives one score, positive for the second."""


def spec_of(classifier: Component, n_classes: int) -> Component:
    """What is fitted: the classifier itself where it takes several classes, else one of it for each class.

    A network has one output a class; but of two classes it has one score, and of several members the mean is
    that of exclusive classes: those stand one a class as well.

    Raises:
        ConfigError: It takes one class a sequence, and cannot be one a class.
    """
    if getattr(registry.get("classifier", classifier.name), "several", False):
        own = classifier.build("classifier").config
        is_single = getattr(own, "members", 1) == 1 and not getattr(own, "dropout_samples", 0)
        if classifier.name == ONE_A_CLASS or (n_classes > EXCLUSIVE and is_single):
            return classifier
    spec = Component(name=ONE_A_CLASS, options={"classifier": classifier.model_dump(mode="json")})
    try:
        spec.build("classifier")
    except ConfigError as fault:
        raise ConfigError(
            f"classifier '{classifier.name}' is not for several classes a sequence: {fault}"
        ) from None
    return spec


def splits(problem: Problem, groups: IntArray | None = None) -> list[Split]:
    """Folds of a problem whose y is (N, C); no group is in two, of those given or else of the problem's own.

    Raises:
        LabelError: The classes cannot be dealt out to the folds.
    """
    whole = problem.groups if groups is None else groups
    return folds.folds(problem.y, problem.n_folds, problem.seed, problem.classes, whole)


def cross_validate(
    spec: Component, problem: Problem, watch: Watch = NOBODY, *, groups: IntArray | None = None
) -> Measured:
    """Cross-validation; no group is in two folds where groups are given."""
    found = validate.out_of_fold(spec, problem, watch, folds=splits(problem, groups))
    return assemble(found, problem)


def assemble(parts: Sequence[Fold], problem: Problem) -> Measured:
    """Evaluate held-out scores, each fold by calibration and thresholds of the others."""
    truth, classes = problem.y, problem.classes
    scores, fold = np.empty(truth.shape), np.empty(len(truth), dtype=np.int64)
    for number, part in enumerate(parts):
        scores[part.held_out], fold[part.held_out] = part.scores, number
    table, called, deciders = np.empty(truth.shape), np.empty(truth.shape, dtype=bool), []
    for number in range(len(parts)):
        here = fold == number
        decider = per_class.fit(scores[~here], truth[~here], classes)
        table[here] = decider(scores[here])
        called[here] = decider.called(table[here])
        deciders.append(decider)
    each = [
        multilabel.evaluate(truth[here], table[here], called[here], classes)
        for here in (fold == number for number in range(len(parts)))
    ]
    return Measured(
        scores=scores,
        probabilities=table,
        called=called,
        fold=fold,
        deciders=tuple(deciders),
        folds=tuple(each),
        pooled=multilabel.evaluate(truth, table, called, classes),
        intervals=multilabel.intervals(truth, table, called, classes, seed=problem.seed),
        chosen=tuple(dict(part.chosen) for part in parts),
    )


def decider_of(
    spec: Component,
    classifier: Classifier,
    problem: Problem,
    measured: Measured | None = None,
    *,
    watch: Watch = NOBODY,
) -> PerClass:
    """Calibration and thresholds of a classifier that was fitted on all rows of a problem.

    Args:
        spec: What it was fitted as.
        classifier: The same, fitted.
        problem: The rows.
        measured: A cross-validation on the same rows, which serves unless a search chose options.
        watch: Of a cross-validation that has to be made.
    """
    if measured is not None and classifier.chosen_config() == spec.build("classifier").config:
        return per_class.fit(measured.scores, problem.y, problem.classes)
    fixed = validate.fixed(spec, classifier)
    scores = np.empty(problem.y.shape)
    inner = watch.inner("calibration")
    for part in validate.out_of_fold(fixed, problem, inner, folds=splits(problem)):
        scores[part.held_out] = part.scores
    return per_class.fit(scores, problem.y, problem.classes)


def hold_out(spec: Component, problem: Problem, share: float, watch: Watch = NOBODY) -> Scored:
    """One split: fit, calibrate and choose thresholds on one part, score the other once."""
    train, test = folds.hold_out(problem.y, share, problem.seed, problem.classes, problem.groups)
    learned = problem.rows(train)
    classifier = validate.fitted(spec, learned, watch)
    decider = decider_of(spec, classifier, learned, watch=watch)
    scores = classifier.scores(problem.x[test])
    return scored("hold-out", "whole", problem.y[test], scores, decider, problem.classes, seed=problem.seed)


def scored(
    name: str,
    part: str,
    truth: IntArray,
    scores: DoubleArray,
    decider: PerClass,
    classes: Sequence[str],
    *,
    seed: int,
) -> Scored:
    """A set scored once, with intervals."""
    table = decider(scores)
    return of_table(name, part, truth, table, decider, classes, seed=seed)


def of_table(
    name: str,
    part: str,
    truth: IntArray,
    table: DoubleArray,
    decider: PerClass,
    classes: Sequence[str],
    *,
    seed: int,
) -> Scored:
    """The same from (N, C) probabilities."""
    called = decider.called(table)
    return Scored(
        name,
        part,
        multilabel.evaluate(truth, table, called, classes),
        multilabel.intervals(truth, table, called, classes, seed=seed),
    )


def by_part(
    labelled: MultiLabelledSet,
    table: DoubleArray,
    is_known: NDArray[np.bool_],
    decider: PerClass,
    *,
    seed: int,
) -> list[Scored]:
    """A whole set, and what is left of it without training sequences if there are any.

    Args:
        labelled: N sequences with labels.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
        decider: The model's thresholds.
        seed: Of the intervals.
    """

    def part(name: str, keep: Any) -> Scored:
        y = labelled.y[keep]
        return of_table(labelled.name, name, y, table[keep], decider, labelled.classes, seed=seed)

    everything = np.ones(len(labelled), dtype=bool)
    if is_known.all():
        return [part("whole, every one a training sequence", everything)]
    whole = [part("whole", everything)]
    if not is_known.any():
        return whole
    return [*whole, part(f"without {int(is_known.sum())} training sequences", ~is_known)]
