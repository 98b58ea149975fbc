"""What a split of rows came to: how evenly classes stand in its parts, and by which clusters.

Axis letters: N sequences, P parts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.experiment import splits
from sortilin.experiment.split_config import GIVEN, HOMOLOGY, RANDOM, STRATIFIED, SplitConfig
from sortilin.experiment.splits import Parting
from sortilin.interfaces import IntArray

if TYPE_CHECKING:
    from sortilin.experiment.data import LabelledSet


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly classes stand in parts.

    Attributes:
        parts: P names of the parts.
        classes: C class names.
        counts: (P, C) sequences.
        shares: (P,) what share of each class a part should hold.
    """

    parts: tuple[str, ...]
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]

    @property
    def largest(self) -> tuple[str, str, int, float]:
        """Part and class with the largest deviation, its sequences, and how many would be even."""
        n = np.array(self.counts, dtype=np.float64)
        even = np.outer(self.shares, n.sum(axis=0))
        deviation = np.abs(n - even) / np.maximum(n.sum(axis=0), 1)
        p, c = divmod(int(deviation.argmax()), len(self.classes))
        return self.parts[p], self.classes[c], int(n[p, c]), float(even[p, c])

    @property
    def largest_share(self) -> float:
        """That deviation as a share of the class."""
        _, name, n, even = self.largest
        total = sum(row[self.classes.index(name)] for row in self.counts)
        return abs(n - even) / max(total, 1)

    def sentence(self) -> str:
        """The largest deviation in words."""
        part, name, n, even = self.largest
        return (
            f"Largest deviation: {part} holds {n} of class {name}, {even:.1f} would be even "
            f"({100 * self.largest_share:.1f} % of the class)."
        )

    def rows(self) -> list[list[str]]:
        """A table: a head, and a row a part with the sequences of each class and of all."""
        head = ["part", *self.classes, "all"]
        return [
            head,
            *([name, *map(str, n), str(sum(n))] for name, n in zip(self.parts, self.counts, strict=True)),
        ]

    def lines(self) -> list[str]:
        """The table for a terminal."""
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]

    def record(self) -> dict[str, Any]:
        """As plain values."""
        part, name, n, even = self.largest
        return {
            "parts": {
                part: dict(zip(self.classes, row, strict=True))
                for part, row in zip(self.parts, self.counts, strict=True)
            },
            "largest_deviation": {
                "part": part,
                "class": name,
                "n": n,
                "even": round(even, 2),
                "share_of_class": round(self.largest_share, 4),
            },
        }


def balance(
    y: IntArray,
    classes: Sequence[str],
    parts: Sequence[IntArray],
    names: Sequence[str],
    shares: Sequence[float],
) -> Balance:
    """How evenly classes stand in parts, given by their row numbers."""
    counts = tuple(tuple(np.bincount(y[rows], minlength=len(classes)).tolist()) for rows in parts)
    return Balance(tuple(names), tuple(classes), counts, tuple(shares))


@dataclass(frozen=True, slots=True)
class Reached:
    """What a split came to.

    Attributes:
        config: What was asked for.
        tool: What compared the sequences; empty where nothing did.
        n_clusters: Clusters of homologues; 0 where there are none.
        largest_cluster: Sequences in the largest one.
        folds: Of the cross-validation; None where there is none.
        holdout: Of the hold-out; None where there is none.
    """

    config: SplitConfig
    tool: str = ""
    n_clusters: int = 0
    largest_cluster: int = 0
    folds: Balance | None = None
    holdout: Balance | None = None

    def sentences(self) -> list[str]:
        """How the rows were split, in words."""
        return [_ABOUT[self.config.kind], *self._about_clusters()]

    def lines(self) -> list[str]:
        """For a terminal: how the rows were split, and the sequences of each class in each part."""
        said = self.sentences()
        for name, reached in (("folds", self.folds), ("hold-out", self.holdout)):
            if reached is not None:
                said += ["", f"{name.capitalize()}. {reached.sentence()}", *reached.lines()]
        return said

    def _about_clusters(self) -> list[str]:
        if not self.n_clusters:
            return []
        config = self.config
        covered = "" if config.coverage is None else f" over {config.coverage:.0%} of both"
        said = (
            f"{self.tool} left {self.n_clusters:,} clusters at {config.identity:.0%} identity{covered}, the "
            f"largest of {self.largest_cluster:,} sequences; no cluster stands in two parts."
        )
        return [said]

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "config": self.config.model_dump(mode="json"),
            "tool": self.tool or None,
            "n_clusters": self.n_clusters or None,
            "largest_cluster": self.largest_cluster or None,
            "folds": self.folds and self.folds.record(),
            "holdout": self.holdout and self.holdout.record(),
        }


_ABOUT = {
    RANDOM: "Rows are split by chance, classes as they fall.",
    STRATIFIED: "Rows are split by chance within each class; homologues may stand on both sides.",
    HOMOLOGY: (
        "Whole clusters of homologues are dealt out, at every level: hold-out, folds, searches inside them, "
        "rows set aside and calibration."
    ),
    GIVEN: "Rows are split as the data mark them; splits that they do not mark are stratified.",
}


def reached(
    config: SplitConfig, labelled: LabelledSet, parted: Parting, n_folds: int, holdout: float, seed: int
) -> Reached:
    """What hold-out and folds of a set come to; the same rows as they are measured on."""
    y, classes = labelled.y, labelled.classes
    made = [held_out for _, held_out in splits.folds(y, parted, n_folds, seed)]
    names = [f"fold {number}" for number in range(1, len(made) + 1)]
    of_holdout = None
    if splits.has_hold_out(parted, holdout):
        split = splits.hold_out(y, parted, holdout, seed)
        share = len(split[1]) / len(y) if parted.kind == GIVEN else holdout
        of_holdout = balance(y, classes, split, ("training", "held out"), (1 - share, share))
    of_folds = balance(y, classes, made, names, [1 / len(made)] * len(made))
    return with_clusters(config, parted, of_folds, of_holdout)


def with_clusters(
    config: SplitConfig, parted: Parting, of_folds: Balance | None, of_holdout: Balance | None
) -> Reached:
    """What was reached, with the number and the largest of the clusters."""
    sizes: list[int] = []
    if parted.groups is not None:
        sizes = np.unique(parted.groups, return_counts=True)[1].tolist()
    return Reached(config, parted.tool, len(sizes), max(sizes, default=0), of_folds, of_holdout)
