"""What a linear classifier loses when vectors are kept in float16, or in int8 in two ways.

    python benchmarks/vector_precision.py [--repeats 10] [--json]

Real mean-pooled vectors of ESM2-T6 (320 wide) of two peptide tasks, computed by others with fair-esm (see
SORTILIN_DATA_DIR): 512 bitter peptides and 400 of quorum sensing for training, 128 and 40 for testing. Folds
are stratified and the same for all ways; in each the scaler and the logistic regression (C = 1, never
searched) are fitted on the training part alone. Differences are paired by fold.

    float16            what `sortilin embed --half` writes
    int8, a vector     one scale a vector: its largest number becomes 127
    int8, a dimension  one scale a dimension, from the training part of the fold; what is larger is cut

Bar: with float16 the mean accuracy over folds falls by no more than 0.005. Exit code 1 if it does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TASKS = {"bitter": "bitter", "quorum sensing": "qs"}
REFERENCE, HALF, BY_VECTOR, BY_DIMENSION = "float32", "float16", "int8, a vector", "int8, a dimension"
WAYS = (REFERENCE, HALF, BY_VECTOR, BY_DIMENSION)
MODEL = "esm2_t6_8M_UR50D"
WIDTH = 320
N_FOLDS, SEED = 5, 0
LARGEST = 127
ALLOWED_LOSS = 0.005


@dataclass(frozen=True)
class Found:
    """One task, one way of keeping its vectors.

    Attributes:
        accuracy: Mean over all folds of all repeats.
        spread: Standard deviation over the repeats, each the mean of its folds.
        difference: Mean difference to float32, paired by fold.
        low: Lower end of the 95 % interval of that, by bootstrap over folds.
        high: Upper end.
        same: Share of held-out rows with the label that float32 gives.
        test: Accuracy on the test file, fitted on all training rows.
        cosine: Largest cosine distance of a vector to itself in float32.
        mean_cosine: The mean one.
    """

    accuracy: float
    spread: float
    difference: float
    low: float
    high: float
    same: float
    test: float
    cosine: float
    mean_cosine: float


def kept(vectors: Floats, way: str, known: Floats) -> Floats:
    """Vectors as they come back from a store, (N, D) float32.

    Args:
        vectors: What is kept.
        way: How.
        known: (M, D) what scales of dimensions are taken from.
    """
    if way == REFERENCE:
        return vectors
    if way == HALF:
        return vectors.astype(np.float16).astype(np.float32)
    largest = np.abs(vectors if way == BY_VECTOR else known).max(axis=int(way == BY_VECTOR), keepdims=True)
    scale: Floats = np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)
    whole = np.rint(vectors / scale).clip(-LARGEST, LARGEST).astype(np.int8)
    back: Floats = whole * scale
    return back


def cosine_distances(vectors: Floats, others: Floats) -> NDArray[np.float64]:
    """(N,) row by row, in double precision."""
    a, b = vectors.astype(np.float64), others.astype(np.float64)
    dots = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.asarray(np.maximum(1.0 - dots, 0.0))


def read(folder: Path, task: str, part: str) -> tuple[Floats, Ints]:
    """Vectors and labels of a file."""
    name = f"{TASKS[task]}_{part}"
    with (folder / f"{name}.csv").open() as stream:
        labels = np.array([int(row["label"]) for row in csv.DictReader(stream)])
    vectors = np.loadtxt(folder / f"{name}_{MODEL}.csv", delimiter=",", skiprows=1, dtype=np.float32)
    if vectors.shape != (len(labels), WIDTH):
        sys.exit(f"{name}: found {vectors.shape} numbers for {len(labels)} peptides; {WIDTH} each are needed")
    return vectors, labels


def labels_of(x: Floats, y: Ints, others: Floats) -> Ints:
    """What a scaler and a logistic regression, fitted on x and y, say of others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5_000)).fit(x, y)
    return np.asarray(fitted.predict(others), dtype=np.int64)


def cross_validated(x: Floats, y: Ints, way: str, repeats: int) -> tuple[NDArray[np.float64], Ints]:
    """(repeats, folds) accuracies and (repeats, N) labels of held-out rows."""
    from sklearn.model_selection import StratifiedKFold

    accuracies, said = np.zeros((repeats, N_FOLDS)), np.zeros((repeats, len(y)), dtype=np.int64)
    for repeat in range(repeats):
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED + repeat).split(x, y)
        for number, (train, held_out) in enumerate(folds):
            back = kept(x, way, x[train])
            found = labels_of(back[train], y[train], back[held_out])
            said[repeat, held_out] = found
            accuracies[repeat, number] = (found == y[held_out]).mean()
    return accuracies, said


def measured(folder: Path, task: str, repeats: int) -> dict[str, Found]:
    """Every way of one task."""
    x, y = read(folder, task, "train")
    test_x, test_y = read(folder, task, "test")
    reference, said = cross_validated(x, y, REFERENCE, repeats)
    found = {}
    for way in WAYS:
        back = kept(x, way, x)
        accuracies, labels = (reference, said) if way == REFERENCE else cross_validated(x, y, way, repeats)
        differences = (accuracies - reference).ravel()
        rng = np.random.default_rng(SEED)
        means = differences[rng.integers(0, len(differences), (2_000, len(differences)))].mean(axis=1)
        distances = cosine_distances(x, back)
        found[way] = Found(
            accuracy=float(accuracies.mean()),
            spread=float(accuracies.mean(axis=1).std(ddof=1)),
            difference=float(differences.mean()),
            low=float(np.percentile(means, 2.5)),
            high=float(np.percentile(means, 97.5)),
            same=float((labels == said).mean()),
            test=float((labels_of(back, y, kept(test_x, way, x)) == test_y).mean()),
            cosine=float(distances.max()),
            mean_cosine=float(distances.mean()),
        )
    return found


def main() -> None:
    """Measure, print, check the bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=10, help="of the cross-validation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    place = os.environ.get("SORTILIN_DATA_DIR")
    if place is None or not (folder := Path(place) / "esm2_t6_vectors").is_dir():
        sys.exit("set SORTILIN_DATA_DIR to a folder that holds esm2_t6_vectors")
    found = {task: measured(folder, task, options.repeats) for task in TASKS}
    if options.json:
        print(json.dumps({t: {w: asdict(f) for w, f in ways.items()} for t, ways in found.items()}, indent=1))
    else:
        show(found)
    sys.exit(any(ways[HALF].difference < -ALLOWED_LOSS for ways in found.values()))


def show(found: dict[str, dict[str, Found]]) -> None:
    """One row a task and way."""
    heads = ("task", "kept as", "accuracy", "difference (95 %)", "same", "test", "cosine distance")
    print("{:15}{:18} {:16} {:28} {:6} {:6} {}".format(*heads))
    for task, ways in found.items():
        for way, one in ways.items():
            print(
                f"{task:15}{way:18} {one.accuracy:.4f} ± {one.spread:.4f}  "
                f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})  {one.same:.4f} {one.test:.4f} "
                f"{one.mean_cosine:.1e}, at most {one.cosine:.1e}"
            )


if __name__ == "__main__":
    main()
