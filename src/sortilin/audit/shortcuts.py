"""What a model scores that sees length alone, or composition alone: what a split gives away for nothing.

Axis letters: N sequences, F features, S scores, C classes.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.audit.sets import AuditedSet
from sortilin.component import Component
from sortilin.evaluation import bounded, calibration, metrics
from sortilin.interfaces import DoubleArray, IntArray, OnProgress
from sortilin.results import Evaluation

SEEN = ("length", "composition")
"""Descriptor sets that a shortcut needs no biology for."""

MODEL = Component(name="boosting")
STAGE = "measuring shortcuts"
FIGURES = ("mcc", "macro_f1", "accuracy", "roc_auc")
_REQUIRED = {"scikit-learn": "sklearn", "lightgbm": "lightgbm"}


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A model that sees one thing alone.

    Attributes:
        sees: "length" or "composition".
        n: Training sequences, each once.
        folds: Folds of the cross-validation.
        cross_validation: Metric → mean over folds.
        spread: Metric → sample standard deviation over folds.
        tests: Test set → metric → value, of the model fitted on all of training; the whole set. Beside them
            `METRIC_low` and `METRIC_high`, the ends of its 95 % interval, and `n`, the rows scored.
        clean: The same without what training holds, nearly or wholly; no entry where too little is left.
    """

    sees: str
    n: int
    folds: int
    cross_validation: Mapping[str, float]
    spread: Mapping[str, float]
    tests: Mapping[str, Mapping[str, float]]
    clean: Mapping[str, Mapping[str, float]]


def measure(
    training: AuditedSet,
    tests: Sequence[tuple[AuditedSet, NDArray[np.bool_]]],
    *,
    folds: int,
    seed: int,
    on_progress: OnProgress | None = None,
) -> tuple[tuple[Shortcut, ...], str | None]:
    """The shortcuts of a training set, or why there are none.

    Training sequences count once each, those with two labels not at all. Boosted trees with balanced class
    weights learn from the rows of training alone; test sets choose nothing.

    Args:
        training: The training set.
        tests: Test sets, each with (N,) whether a row is neither in training nor nearly.
        folds: Stratified folds of the cross-validation.
        seed: Seed of folds and fits.
        on_progress: Called after each.
    """
    missing = [package for package, module in _REQUIRED.items() if importlib.util.find_spec(module) is None]
    if missing:
        return (), f"Shortcuts were not measured: they need {missing[0]}: pip install 'sortilin[train]'."
    sequences, labels = _once(training)
    classes = tuple(sorted(set(labels)))
    fewest = min(Counter(labels).values(), default=0)
    if len(classes) < 2 or fewest < folds:
        found = "no labels" if training.labels is None else f"{len(classes)} classes, the rarest of {fewest}"
        return (), (
            f"Shortcuts were not measured: {training.name} has {found}; {folds} folds need two classes of at "
            f"least {folds} sequences each."
        )
    problem = _Problem(sequences, np.array([classes.index(label) for label in labels]), classes, folds, seed)
    found_shortcuts = []
    for number, sees in enumerate(SEEN, 1):
        found_shortcuts.append(_measured(sees, problem, tests))
        if on_progress is not None:
            on_progress(STAGE, number, len(SEEN))
    return tuple(found_shortcuts), None


@dataclass(frozen=True, slots=True)
class _Problem:
    sequences: Sequence[str]
    y: IntArray
    classes: tuple[str, ...]
    folds: int
    seed: int


def _once(training: AuditedSet) -> tuple[list[str], list[str]]:
    """Each sequence with its one label."""
    labels: dict[str, set[str]] = {}
    for sequence, label in zip(training.sequences, training.labels or (), strict=False):
        labels.setdefault(sequence, set()).add(label)
    single = {sequence: next(iter(found)) for sequence, found in labels.items() if len(found) == 1}
    return list(single), list(single.values())


def _measured(
    sees: str, problem: _Problem, tests: Sequence[tuple[AuditedSet, NDArray[np.bool_]]]
) -> Shortcut:
    from sklearn.model_selection import StratifiedKFold

    descriptor = Component(name=sees).build("features")
    x = descriptor.transform(problem.sequences)  # (N, F)
    splits = StratifiedKFold(problem.folds, shuffle=True, random_state=problem.seed).split(x, problem.y)
    folds = [
        _evaluated(_fitted(x[train], problem.y[train], problem), x[held], problem.y[held], problem.classes)
        for train, held in splits
    ]
    values = [_figures(fold) for fold in folds]
    model = _fitted(x, problem.y, problem)
    whole: dict[str, dict[str, float]] = {}
    clean: dict[str, dict[str, float]] = {}
    for test, is_clean in tests:
        rows = np.array(
            [i for i, label in enumerate(test.labels or ()) if label in problem.classes], dtype=int
        )
        if len(rows):
            whole[test.name] = _tested(model, descriptor, test, rows, problem)
        left = rows[is_clean[rows]]
        if len(left) < len(rows) and len({test.label_of(row) for row in left.tolist()}) > 1:
            clean[test.name] = _tested(model, descriptor, test, left, problem)
    return Shortcut(
        sees,
        len(problem.y),
        problem.folds,
        {name: fmean(value[name] for value in values) for name in FIGURES},
        {name: stdev(value[name] for value in values) for name in FIGURES},
        whole,
        clean,
    )


def _tested(
    model: Any, descriptor: Any, test: AuditedSet, rows: IntArray, problem: _Problem
) -> dict[str, float]:
    """Figures of some rows of a test set."""
    numbers = {name: number for number, name in enumerate(problem.classes)}
    y = np.array([numbers[str(test.label_of(row))] for row in rows.tolist()])
    x = descriptor.transform([test.sequences[row] for row in rows.tolist()])
    table = _probabilities(model, x, problem.classes)
    around = bounded.of_set(y, table, problem.classes, metrics=FIGURES, seed=problem.seed)
    ends = {
        f"{name}_{side}": end
        for name, pair in around.items()
        for side, end in zip(("low", "high"), pair, strict=True)
    }
    return {**_figures(metrics.evaluate(y, table, problem.classes)), **ends, "n": float(len(y))}


def _fitted(x: Any, y: IntArray, problem: _Problem) -> Any:
    model = MODEL.build("classifier")
    model.fit(x, y, n_classes=len(problem.classes), seed=problem.seed)
    return model


def _evaluated(model: Any, x: Any, y: IntArray, classes: tuple[str, ...]) -> Evaluation:
    return metrics.evaluate(y, _probabilities(model, x, classes), classes)


def _probabilities(model: Any, x: Any, classes: tuple[str, ...]) -> DoubleArray:
    """(N, C) of (N, F) features."""
    table = calibration.uncalibrated(model.scores(x), len(classes))
    assert table is not None  # boosted trees give log-odds
    return table


def _figures(evaluation: Evaluation) -> dict[str, float]:
    return {name: evaluation.metrics[name] for name in FIGURES}
