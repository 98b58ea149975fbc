"""Vectors of sequences in the plane, and numbers for what a person would read from it.

The plane is that of UMAP (McInnes, Healy & Melville 2018, doi:10.21105/joss.00861). What looks like clusters
in it may be none, so each picture comes with numbers: the silhouette of the classes (Rousseeuw 1987,
doi:10.1016/0377-0427(87)90125-7), in the vectors themselves and in the plane, and the trustworthiness of the
plane (Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68): how far neighbours in the plane are neighbours in
the vectors.

Axis letters: M sequences, D width.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.benchmark.compare import plain
from sortilin.benchmark.measure import TestSet
from sortilin.benchmark.representations import Seen
from sortilin.interfaces import DoubleArray, FloatArray, IntArray, OnProgress

NEIGHBOURS = 15
"""UMAP's own default, and the neighbours that trustworthiness looks at."""

MIN_DISTANCE = 0.1
FEWEST = 6
"""Fewer sequences are not drawn."""

STAGE = "projection"
NEEDS = {"umap-learn": "umap", "scikit-learn": "sklearn"}
EXTRA = "figures"


def lacking() -> str | None:
    """The command that brings what is missing; None if all is here."""
    if all(importlib.util.find_spec(module) is not None for module in NEEDS.values()):
        return None
    return f"pip install 'sortilin[{EXTRA}]'"


def of_tests(
    seen: Mapping[str, Seen], tests: Sequence[TestSet], *, seed: int, tell: OnProgress
) -> list[dict[str, Any]]:
    """Each test set before and after the head: places in the plane, and the numbers."""
    sides = [(test, side) for test in tests for side in ("before", "after")]
    views: dict[str, dict[str, Any]] = {}
    for done, (test, side) in enumerate(sides):
        tell(STAGE, done, len(sides))
        vectors: FloatArray = getattr(seen[test.name], side)
        views.setdefault(test.name, {})[side] = of(vectors, test.data.y, seed=seed)
    tell(STAGE, len(sides), len(sides))
    return [{"test": test.name, "y": test.data.y.tolist(), **views[test.name]} for test in tests]


def of(vectors: FloatArray, y: IntArray, *, seed: int) -> dict[str, Any] | None:
    """(M, D) vectors with classes → places in the plane, silhouettes and trustworthiness; None of too few.

    Returns:
        `width`, `xy` (M pairs), `silhouette` of the classes in the vectors, `silhouette_plane`,
        `trustworthiness` and `n_neighbours`.
    """
    if len(vectors) < FEWEST or not 2 <= len(np.unique(y)) < len(vectors):
        return None
    n_neighbours = min(NEIGHBOURS, len(vectors) // 2 - 1)
    xy = _plane(vectors, n_neighbours, seed)
    from sklearn.manifold import trustworthiness
    from sklearn.metrics import silhouette_score

    found: dict[str, Any] = plain(
        {
            "width": int(vectors.shape[1]),
            "xy": np.round(xy.astype(float), 3).tolist(),
            "silhouette": float(silhouette_score(vectors, y)),
            "silhouette_plane": float(silhouette_score(xy, y)),
            "trustworthiness": float(trustworthiness(vectors, xy, n_neighbors=n_neighbours)),
            "n_neighbours": n_neighbours,
        }
    )
    return found


def _plane(vectors: FloatArray, n_neighbours: int, seed: int) -> DoubleArray:
    """(M, D) → (M, 2), the same for the same seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies, and that one thread does all
        import umap

        reducer = umap.UMAP(n_neighbors=n_neighbours, min_dist=MIN_DISTANCE, random_state=seed, n_jobs=1)
        return np.asarray(reducer.fit_transform(vectors))
