"""Rows of features in the plane, and numbers for what a person would read from it.

t-SNE: van der Maaten & Hinton 2008 (JMLR 9:2579); UMAP: McInnes, Healy & Melville 2018
(doi:10.21105/joss.00861). Beside each plane stand the silhouette of the classes (Rousseeuw 1987,
doi:10.1016/0377-0427(87)90125-7), in the features themselves and in the plane, and the trustworthiness of the
plane (Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68).

Axis letters: N rows, F features, C classes.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from sortilin.interfaces import DoubleArray, IntArray

NEEDS = {"t-SNE": ("scikit-learn", "sklearn"), "UMAP": ("umap-learn", "umap")}
"""Method → what it needs: name to install, name to import."""

PERPLEXITY, NEIGHBOURS, MIN_DISTANCE = 30.0, 15, 0.1
"""The methods' own defaults; fewer for few rows. Trustworthiness looks at as many neighbours as UMAP."""

FEWEST = 10
"""Fewer rows are not drawn."""


def lacking() -> list[str]:
    """What to install for the planes that cannot be drawn; empty if all can."""
    return [name for name, module in NEEDS.values() if importlib.util.find_spec(module) is None]


def of(x: DoubleArray, y: IntArray, classes: Sequence[str], *, what: str, seed: int) -> list[dict[str, Any]]:
    """(N, F) rows with (N,) classes → a plane by each method that is installed; none of too few rows.

    Args:
        x: Standardized rows.
        y: Their classes.
        classes: Names.
        what: Which dimensions these are, in words.
        seed: The same seed gives the same planes.

    Returns:
        `method`, `of`, `n_dimensions`, `xy` (N pairs), `trustworthiness`, `n_neighbours`, `silhouette` and
        `silhouette_plane` of all rows, and `per_class`: class → `n`, `silhouette`, `silhouette_plane`. A
        silhouette is None where there is but one class.
    """
    if len(x) < FEWEST or lacking_sklearn():
        return []
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    n_neighbours = min(NEIGHBOURS, len(x) // 2 - 1)
    found = []
    with threadpool_limits(1):  # sums have one order
        of_features = _silhouettes(x, y)
        for method, place in (("t-SNE", _tsne), ("UMAP", _umap)):
            if importlib.util.find_spec(NEEDS[method][1]) is not None:
                xy = place(x, n_neighbours, seed)
                measured = _measured(x, xy, y, classes, n_neighbours, of_features)
                found.append({"method": method, "of": what, "n_dimensions": int(x.shape[1]), **measured})
    return found


def lacking_sklearn() -> bool:
    """Whether no plane at all can be drawn and measured."""
    return importlib.util.find_spec("sklearn") is None


def _measured(
    x: DoubleArray,
    xy: DoubleArray,
    y: IntArray,
    classes: Sequence[str],
    n_neighbours: int,
    of_features: DoubleArray | None,
) -> dict[str, Any]:
    from sklearn.manifold import trustworthiness

    of_plane = _silhouettes(xy, y)
    return {
        "xy": np.round(xy, 3).tolist(),
        "n_neighbours": n_neighbours,
        "trustworthiness": float(trustworthiness(x, xy, n_neighbors=n_neighbours)),
        "silhouette": None if of_features is None else float(of_features.mean()),
        "silhouette_plane": None if of_plane is None else float(of_plane.mean()),
        "per_class": {
            label: {
                "n": int((y == c).sum()),
                "silhouette": None if of_features is None else float(of_features[y == c].mean()),
                "silhouette_plane": None if of_plane is None else float(of_plane[y == c].mean()),
            }
            for c, label in enumerate(classes)
            if (y == c).any()
        },
    }


def _silhouettes(x: DoubleArray, y: IntArray) -> DoubleArray | None:
    """(N,) silhouette of each row; None where there is no other class to compare with."""
    from sklearn.metrics import silhouette_samples

    if not 2 <= len(np.unique(y)) < len(x):
        return None
    return np.asarray(silhouette_samples(x, y), dtype=np.float64)


def _tsne(x: DoubleArray, _n_neighbours: int, seed: int) -> DoubleArray:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that are all alike: the plane is then a point
        plane = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, n_jobs=1)
        return np.asarray(plane.fit_transform(x), dtype=np.float64)


def _umap(x: DoubleArray, n_neighbours: int, seed: int) -> DoubleArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies, and that one thread does all
        import umap

        plane = umap.UMAP(n_neighbors=n_neighbours, min_dist=MIN_DISTANCE, random_state=seed, n_jobs=1)
        return np.asarray(plane.fit_transform(x), dtype=np.float64)
