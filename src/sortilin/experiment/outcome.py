"""Everything that an experiment finds, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sortilin.audit import Audit
from sortilin.experiment.balance import Reached
from sortilin.experiment.config import ExperimentConfig
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.grouped import Grouped
from sortilin.experiment.loaded import LeftOut
from sortilin.experiment.questions import Answer
from sortilin.experiment.validate import CrossValidation
from sortilin.results import Answering, Evaluation


@dataclass(frozen=True, slots=True)
class Row:
    """One model measured on the splits of an experiment.

    Attributes:
        model: What stands in the table ("svm on paper71").
        holdout: Evaluation of the hold-out; None if there is none.
        cross_validation: The folds.
        chosen: What the hold-out's fit chose by itself.
    """

    model: str
    holdout: Evaluation | None
    cross_validation: CrossValidation
    chosen: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test set scored with the final model.

    Attributes:
        name: Source, as given.
        part: "whole", or what is left of it without training sequences.
        evaluation: The scores.
    """

    name: str
    part: str
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything an experiment found.

    Attributes:
        config: What was run.
        data: What it was trained on.
        n_repeats: Sequences that stood in the data more than once, and were left out.
        rows: The model first, then the baselines.
        tests: Test sets, each whole and without training sequences.
        chosen: What the final fit chose by itself.
        seconds: Wall time of the whole run.
        grouped: The model on folds that split no group of homologues; None if that was not asked for.
        left_out: What else of the data was not learned from.
        answers: Test sets by question, where the task has questions of two classes.
        answerings: How the final model answers each question, by name.
        audit: What test sets share with the training set; None if that was not asked for.
        split: What the split of the rows came to; None where it is the stratified one.
    """

    config: ExperimentConfig
    data: LabelledSet
    n_repeats: int
    rows: tuple[Row, ...]
    tests: tuple[TestResult, ...]
    chosen: Mapping[str, Any]
    seconds: float
    grouped: Grouped | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    answers: tuple[Answer, ...] = ()
    answerings: Mapping[str, Answering] = field(default_factory=dict)
    audit: Audit | None = None
    split: Reached | None = None
