"""Model folders of a generated task with a planted motif, to be explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import planting
import tiny
from sortilin import artifact
from sortilin.component import Component, recorded
from sortilin.evaluation import calibration
from sortilin.interfaces import SEQUENCES, DoubleArray, IntArray

MOTIFS = (
    ("W", "C", "H", "W", "C", "H"),
    ("K", "R", "K", "P", "K", "R"),
    ("D", "F", "E", "Y", "D", "F"),
    ("M", "L", "M", "G", "L", "M"),
)
"""One a class; any but the first class of a task of two."""

SEED = 7


def task(seed: int, n: int, n_classes: int = 2, *, shortest: int = 30, longest: int = 60) -> Any:
    """Sequences, classes (N,), and where the motif begins (None without one).

    With two classes the first has no motif; with more each has its own.
    """
    background = tiny.random_sequences(seed, n, shortest=shortest, longest=longest)
    y = np.arange(n) % n_classes
    x, starts = [], list[int | None]()
    for number, (sequence, c) in enumerate(zip(background, y.tolist(), strict=True)):
        if n_classes == 2 and c == 0:
            x.append(sequence)
            starts.append(None)
            continue
        (changed,), (start,) = planting.planted(seed + number, [sequence], 1.0, MOTIFS[c])
        x.append(changed)
        starts.append(start)
    return x, y, starts


def shuffled(y: IntArray, seed: int) -> IntArray:
    """Labels that say nothing of the classes: each half and half among the sequences of a class of two."""
    rng = np.random.default_rng(seed)
    found: IntArray = y.copy()
    for c in range(2):
        rows = np.flatnonzero(y == c)
        found[rows] = rng.permutation(np.arange(len(rows)) % 2)
    return found


def classes_of(n_classes: int) -> list[str]:
    return [f"class{c}" for c in range(n_classes)]


def neural(head: str = "cnn_lstm", *, training: Mapping[str, Any] | None = None, **options: Any) -> Component:
    """A small network that learns the task in seconds."""
    return Component(
        name="neural",
        options={
            "backbone": {"name": "onehot", "options": {"embedding": None}},
            "head": {"name": head, "options": options},
            "masking": 0.1,
            "training": {"epochs": 12, "learning_rate": 0.01, "batch_size": 32, **(training or {})},
        },
    )


def write(
    path: Path,
    spec: Component,
    x: Sequence[str],
    y: IntArray,
    *,
    features: Component | None = None,
    seed: int = SEED,
) -> Path:
    """Fit a classifier and write its model folder, calibrated on what it was fitted on or set aside."""
    n_classes = int(y.max()) + 1
    classifier = spec.build("classifier")
    given: Any = np.array(x, dtype=object)
    described = dict(classifier.reads())
    if classifier.takes != SEQUENCES:
        assert features is not None
        descriptor = features.build("features")
        given = descriptor.transform(x)
        described = {"features": recorded(features.name, descriptor)}
    classifier.fit(given, y, n_classes=n_classes, seed=seed)
    described |= classifier.reads()
    opinions: dict[str, int] = getattr(classifier, "opinions", dict)()
    if opinions:
        described["members"] = opinions
    aside = classifier.set_aside()
    scores, known = aside if aside is not None else (classifier.scores(given), y)
    fitted = calibration.fit(scores, known, n_classes=n_classes)
    lengths = [len(s) for s in x]
    artifact.write(
        path,
        {
            "task": "custom",
            "classes": classes_of(n_classes),
            **described,
            "classifier": {"name": spec.name, "config": spec.options},
            "training_data": {"name": "made up", "lengths": [min(lengths), max(lengths)]},
            "seed": seed,
            "metrics": {},
        },
        graph=classifier.to_onnx(),
        arrays={
            "calibration.weights": fitted.weights,
            "calibration.bias": fitted.bias,
            "training_hashes": np.sort(artifact.sequence_hashes(x)),
            **{f"classifier.{name}": array for name, array in classifier.arrays().items()},
        },
        card="#",
        folders=getattr(classifier, "folders", dict)(),
    )
    return path


def auroc(values: DoubleArray, start: int, length: int = len(MOTIFS[0])) -> float:
    """Area under the ROC curve of residues inside the motif against those outside; ties count half."""
    inside = np.zeros(len(values), dtype=bool)
    inside[start : start + length] = True
    order = values[inside][:, None] - values[~inside][None]
    return float(((order > 0) + 0.5 * (order == 0)).mean())


def mean_auroc(attributions: Sequence[Any], starts: Sequence[int | None]) -> float:
    """Mean over the sequences that hold a motif."""
    found = [auroc(a.values, s) for a, s in zip(attributions, starts, strict=True) if s is not None]
    return float(np.mean(found))


def of_motif(seed: int, n: int, n_classes: int = 2, **lengths: int) -> tuple[list[str], list[str], list[int]]:
    """New sequences with a motif, the label of each one's class, and where the motif begins."""
    x, y, starts = task(seed, n, n_classes, **lengths)
    rows = [row for row, start in enumerate(starts) if start is not None]
    labels = classes_of(n_classes)
    return [x[r] for r in rows], [labels[y[r]] for r in rows], [s for s in starts if s is not None]
