"""Everything that an experiment with several classes a sequence finds, as frozen records.

Axis letters: N sequences, C classes, K folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from sortilin.evaluation.multilabel import BoolArray, Intervals, MultiLabelEvaluation
from sortilin.evaluation.per_class import PerClass
from sortilin.experiment import splits
from sortilin.experiment.config import ExperimentConfig
from sortilin.experiment.splits import Parting
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.multilabel.data import MultiLabelledSet
from sortilin.sequences.clusters import Groups


@dataclass(frozen=True, slots=True)
class Measured:
    """Cross-validation: scores of all sequences and what they are worth.

    Attributes:
        scores: (N, C) of the fold in which each sequence was held out.
        probabilities: (N, C) of those scores, calibrated on the other folds.
        called: (N, C) whether a class is predicted, by thresholds of the other folds.
        fold: (N,) that fold.
        deciders: K calibrations with thresholds, each fitted without its fold.
        folds: K evaluations.
        pooled: Evaluation of all held-out predictions together.
        intervals: Those of `pooled`.
        chosen: What each fold's fit chose by itself.
    """

    scores: DoubleArray
    probabilities: DoubleArray
    called: BoolArray
    fold: IntArray
    deciders: tuple[PerClass, ...]
    folds: tuple[MultiLabelEvaluation, ...]
    pooled: MultiLabelEvaluation
    intervals: Intervals
    chosen: tuple[Mapping[str, Any], ...]

    def mean(self, metric: str) -> float:
        """Mean of a metric over folds."""
        return fmean(fold.metrics[metric] for fold in self.folds)

    def spread(self, metric: str) -> float:
        """Sample standard deviation of a metric over folds."""
        return stdev(fold.metrics[metric] for fold in self.folds)


@dataclass(frozen=True, slots=True)
class Scored:
    """A set scored once.

    Attributes:
        name: Source, as given.
        part: "whole", or what is left of it without training sequences.
        evaluation: The scores.
        intervals: Of each of them.
    """

    name: str
    part: str
    evaluation: MultiLabelEvaluation
    intervals: Intervals


@dataclass(frozen=True, slots=True)
class Row:
    """One model measured on the splits of an experiment.

    Attributes:
        model: What stands in the table ("boosting on targeting, one a class").
        holdout: The hold-out; None if there is none.
        measured: The folds.
    """

    model: str
    holdout: Scored | None
    measured: Measured


@dataclass(frozen=True, slots=True)
class Grouped:
    """What a model is worth on folds that split no group of homologues."""

    groups: Groups
    measured: Measured


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was found.

    Attributes:
        config: What was run.
        data: What it was trained on.
        n_repeats: Rows of sequences that stood in the data more than once.
        n_joined: Sequences that have the classes of several rows.
        n_copies: Rows that were left out as copies of test sequences; None where none were looked for.
        rows: The model first, then the baselines.
        tests: Test sets, each whole and without training sequences.
        decider: The final calibration and thresholds.
        chosen: What the final fit chose by itself.
        seconds: Wall time of the whole run.
        grouped: The model on folds that split no group of homologues; None if that was not asked for.
        parted: What rows were split by, at every level.
    """

    config: ExperimentConfig
    data: MultiLabelledSet
    n_repeats: int
    n_joined: int
    n_copies: int | None
    rows: tuple[Row, ...]
    tests: tuple[Scored, ...]
    decider: PerClass
    chosen: Mapping[str, Any]
    seconds: float
    grouped: Grouped | None = None
    parted: Parting = splits.DEFAULT
