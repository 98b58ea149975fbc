"""The same models on two splits of the same data: by homology, and stratified.

What a model loses from one to the other is what it owed to homologues of the scored sequences in training.
The difference has a percentile interval from a bootstrap over whole clusters of homologues: members of a
cluster are no independent sequences. Clusters are drawn within each class, that of most of their members. On
hold-outs the two sides score other sequences and are drawn apart; on folds they score the same ones, and the
same draws count for both.

Axis letters: M scored sequences, C classes, B resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sortilin import registry
from sortilin.benchmark import measure
from sortilin.benchmark.compare import plain
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.folder import Folder
from sortilin.benchmark.measure import Bench, Split
from sortilin.benchmark.models import Measured
from sortilin.evaluation import intervals
from sortilin.evaluation.weighted import Scored
from sortilin.experiment import splits
from sortilin.experiment.presets import Preset
from sortilin.experiment.split_config import HOMOLOGY, STRATIFIED, SplitConfig
from sortilin.interfaces import DoubleArray, IntArray, named
from sortilin.seeding import generator

METRICS = ("macro_f1", "accuracy", "roc_auc", "mcc")
"""What is compared beside the benchmark's own metric."""

_TAILS = ((1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2)
_AT_ONCE = 1_000_000
"""Resamples are taken in blocks of about so many weights."""


@dataclass(frozen=True, slots=True)
class Side:
    """One split, measured.

    Attributes:
        config: The benchmark as it is on this split.
        bench: Its rows and folder.
        measured: Its models.
    """

    config: BenchmarkConfig
    bench: Bench
    measured: Measured

    def table(self, name: str, presets: Mapping[str, Preset]) -> DoubleArray:
        """(M, C) probabilities of a model, as kept in the folder."""
        if self.config.split == "holdout":
            return np.array(self.bench.folder.peek(name, "result")["probabilities"])
        if name in presets:
            return measure.on_folds(self.bench, presets[name])[0].probabilities
        return measure.baseline_on_folds(self.bench, name)[0].probabilities

    @property
    def y(self) -> IntArray:
        """(M,) classes."""
        return self.bench.split.y


def has_twin(config: BenchmarkConfig) -> bool:
    """Whether the models are measured a second time, on stratified rows."""
    return config.split_by.kind == HOMOLOGY


def twin_of(config: BenchmarkConfig, bench: Bench) -> tuple[BenchmarkConfig, Bench]:
    """The same benchmark on stratified rows, in a folder within the folder."""
    stratified = config.model_copy(update={"split_by": SplitConfig()})
    whole = bench.split.data
    rows = np.arange(len(whole))
    train = held_out = rows
    if config.split == "holdout":
        train, held_out = splits.hold_out(whole.y, splits.DEFAULT, config.holdout, config.seed)
    split = Split(whole, train, held_out, config.folds, config.seed)
    folder = Folder(bench.folder.path / STRATIFIED)
    return stratified, Bench(split, folder, named(bench.tell, STRATIFIED))


def compared(homology: Side, stratified: Side, presets: Mapping[str, Preset]) -> dict[str, Any]:
    """Both sides of each model in each metric, and the difference with its interval, as plain values."""
    config = homology.config
    metric = registry.get("task", config.task).metric
    names = tuple(dict.fromkeys((metric, *METRICS)))
    theirs = {row["name"]: row for row in stratified.measured.rows}
    rows = []
    for row in homology.measured.rows:
        found = _differences(homology, stratified, row["name"], presets, names)
        rows.append(
            {
                "name": row["name"],
                "title": row["title"],
                "is_baseline": row["is_baseline"],
                "metrics": {
                    name: {
                        HOMOLOGY: _side(row, name),
                        STRATIFIED: _side(theirs[row["name"]], name),
                        "difference": found[name],
                    }
                    for name in names
                },
            }
        )
    both: dict[str, Any] = plain(
        {
            "kinds": [STRATIFIED, HOMOLOGY],
            "metrics": list(names),
            "metric": metric,
            "n": {STRATIFIED: len(stratified.y), HOMOLOGY: len(homology.y)},
            "best": homology.measured.best,
            "best_stratified": stratified.measured.best,
            "is_paired": config.split == "folds",
            "resamples": config.resamples,
            "models": rows,
        }
    )
    return both


def _side(row: Mapping[str, Any], metric: str) -> dict[str, Any]:
    low, high = row["intervals"].get(metric) or (None, None)
    return {"value": row["evaluation"]["metrics"][metric], "low": low, "high": high}


def _differences(
    homology: Side, stratified: Side, name: str, presets: Mapping[str, Preset], metrics: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Metric → that on homology less that on stratified rows, with its interval."""
    config, classes = homology.config, homology.bench.split.data.classes
    groups = homology.bench.split.parting.groups
    assert groups is not None
    ours = Scored(homology.y, homology.table(name, presets), len(classes))
    theirs = Scored(stratified.y, stratified.table(name, presets), len(classes))
    of_ours, of_theirs = groups[homology.bench.split.held_out], groups[stratified.bench.split.held_out]
    drawn: dict[str, list[DoubleArray]] = {metric: [] for metric in metrics}
    strata = _strata(homology.bench.split.data.y, groups)
    clusters = (strata[of_ours], of_ours), (strata[of_theirs], of_theirs)
    for first, second in _draws(*clusters, config, is_paired=config.split == "folds"):
        for metric, values in drawn.items():
            values.append(ours.metric(metric, first) - theirs.metric(metric, second))
    found = {}
    for metric, values in drawn.items():
        one = ours.metric(metric, np.ones((1, len(homology.y))))
        other = theirs.metric(metric, np.ones((1, len(stratified.y))))
        low, high = np.nanquantile(np.concatenate(values), _TAILS)
        found[metric] = {"value": float(one[0] - other[0]), "low": float(low), "high": float(high)}
    return found


def _strata(y: IntArray, groups: IntArray) -> IntArray:
    """Group → its most frequent class, the first of equals; (largest number of a group + 1,)."""
    n = np.zeros((int(groups.max()) + 1, int(y.max()) + 1), dtype=np.int64)
    np.add.at(n, (groups, y), 1)
    return np.asarray(n.argmax(axis=1))


_Clusters = tuple[IntArray, IntArray]
"""(M,) stratum and (M,) cluster of each scored sequence; all of a cluster have one stratum."""


def _draws(
    first: _Clusters, second: _Clusters, config: BenchmarkConfig, *, is_paired: bool
) -> Iterator[tuple[DoubleArray, DoubleArray]]:
    """Blocks of (B, M) counts for both sides: how often each resample of clusters holds each sequence."""
    rng = generator(config.seed, "clusters")
    at_once = max(_AT_ONCE // max(len(first[0]), len(second[0])), 1)
    for start in range(0, config.resamples, at_once):
        n = min(at_once, config.resamples - start)
        weights = _drawn(first, n, rng)
        yield weights, weights if is_paired else _drawn(second, n, rng)


def _drawn(clusters: _Clusters, n: int, rng: np.random.Generator) -> DoubleArray:
    """(n, M) counts of sequences, of which those of a cluster are always drawn together."""
    stratum, cluster = clusters
    weights = np.zeros((n, len(cluster)))
    for one in np.unique(stratum):
        here = np.flatnonzero(stratum == one)
        _, group = np.unique(cluster[here], return_inverse=True)
        n_groups = int(group.max()) + 1
        drawn = rng.integers(n_groups, size=(n, n_groups)) + n_groups * np.arange(n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n * n_groups).reshape(n, n_groups)
        weights[:, here] = counts[:, group.reshape(-1)]
    return weights
