"""Support vector machine with an RBF kernel, balanced class weights and a scaler of its own.

The grid is that of Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular
Localization": C in 0.1, 1, 10 and gamma in scale, auto, 0.01, 0.1, 1, chosen by cross-validation
inside the rows that `fit` is given. Fitted with scikit-learn (libsvm).

Axis letters: N sequences, F features, M support vectors, P pairs of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from sortilin.classifiers import _onnx, _tabular
from sortilin.errors import MissingDependencyError
from sortilin.interfaces import FEATURES, NOBODY, DoubleArray, FloatArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed

Gamma = Literal["scale", "auto"] | PositiveFloat


class VARIANT:
    """RBF support vector machine; scores are the one-against-one decision values, (N, P) or (N, 1)."""

    class Config(BaseModel):
        """Values to try; more than one combination starts a grid search.

        Attributes:
            c: Penalties.
            gamma: Kernel widths: a number, or "auto" (1 / F) or "scale" (1 / (F * variance)), both of
                the scaled features.
            search_folds: Stratified folds of the search.
            search_metric: What the search maximizes; accuracy in the paper.
            half_precision: Round the support vectors to 16 bits: half the size, and decision values that
                differ by a thousandth or so.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        c: tuple[PositiveFloat, ...] = Field(default=(0.1, 1.0, 10.0), min_length=1)
        gamma: tuple[Gamma, ...] = Field(default=("scale", "auto", 0.01, 0.1, 1.0), min_length=1)
        search_folds: int = Field(default=5, ge=2)
        search_metric: Literal["accuracy", "f1_macro", "matthews_corrcoef"] = "accuracy"
        half_precision: bool = False

    takes: ClassVar[str] = FEATURES
    gives_log_odds: ClassVar[bool] = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.chosen: Mapping[str, Any] = {}
        self._arrays: dict[str, NDArray[Any]] = {}

    def fit(
        self,
        x: Inputs,
        y: IntArray,
        *,
        n_classes: int,
        seed: int,
        watch: Watch = NOBODY,
    ) -> None:
        """Search the grid if there is one, then fit on all rows; see `interfaces.Classifier`."""
        try:
            from sklearn.svm import SVC
        except ImportError:
            raise MissingDependencyError("training an SVM", "scikit-learn", "train") from None
        mean, scale = _tabular.mean_and_scale(x)
        if len(self.config.c) * len(self.config.gamma) > 1:
            self.chosen = self._search(x, y, seed, watch)
        best = self.chosen_config()
        z = (x - mean) / scale
        gamma = _kernel_width(best.gamma[0], z)
        machine = SVC(
            C=best.c[0],
            gamma=gamma,
            class_weight="balanced",
            decision_function_shape="ovo",
            cache_size=500,
        )
        machine.fit(z, y)
        self._arrays = {
            "mean": mean,
            "scale": scale,
            "gamma": np.array(gamma),
            "support_vectors": np.asarray(
                machine.support_vectors_, dtype=np.float16 if self.config.half_precision else np.float64
            ),
            **_pairwise(machine, n_classes),
        }

    def _search(self, x: FloatArray, y: IntArray, seed: int, watch: Watch) -> dict[str, Any]:
        from sklearn.svm import SVC

        grid = {"C": self.config.c, "gamma": self.config.gamma}
        folds = _tabular.search_folds(
            y,
            self.config.search_folds,
            seed=child_seed(seed, "svm"),
            groups=watch.groups,
            searched=list(grid),
        )
        machine = SVC(class_weight="balanced", cache_size=500)
        best, value = _tabular.grid_search(
            machine, grid, x, y, folds=folds, metric=self.config.search_metric, n_jobs=-1
        )
        return {"c": best["C"], "gamma": best["gamma"], self.config.search_metric: value}

    def set_aside(self) -> None:
        """None: all rows are learned from."""
        return

    def chosen_config(self) -> Config:
        """The configuration with the search's result in place of the grid."""
        update = {name: (self.chosen[name],) for name in ("c", "gamma") if name in self.chosen}
        return self.config.model_copy(update=update)

    def scores(self, x: Inputs) -> DoubleArray:
        """(N, F) → (N, P) decision values, P = C (C - 1) / 2, positive for the first of a pair.

        With two classes (N, 1), positive for class 1.
        """
        a = self._arrays
        z = (x - a["mean"]) / a["scale"]
        vectors = a["support_vectors"].astype(np.float64)
        distance = (z**2).sum(1)[:, None] + (vectors**2).sum(1)[None, :] - 2 * z @ vectors.T  # (N, M)
        kernel = np.exp(-a["gamma"] * np.maximum(distance, 0.0))
        return np.asarray(kernel @ a["coefficients"] + a["intercepts"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Scaler, support vectors (M, F), coefficients (M, P) and intercepts (P,)."""
        return dict(self._arrays)

    def reads(self) -> dict[str, Any]:
        """Empty: it takes features."""
        return {}

    def to_onnx(self) -> bytes:
        """The same arithmetic as `scores`, in float32."""
        a = self._arrays
        make = _onnx.require_onnx().helper.make_node
        vectors = a["support_vectors"].astype(np.float64)
        is_half = self.config.half_precision
        constants = {
            "mean": a["mean"],
            "scale": a["scale"],
            "vectors_t2": 2 * (a["support_vectors"] if is_half else vectors).T,  # exact in 16 bits too
            "squares": (vectors**2).sum(1)[None, :],
            "minus_gamma": -a["gamma"],
            "zero": np.array(0.0),
            "coefficients": a["coefficients"],
            "intercepts": a["intercepts"],
        }
        nodes = [
            make("Sub", [_onnx.INPUT, "mean"], ["centred"]),
            make("Div", ["centred", "scale"], ["z"]),
            make("ReduceSumSquare", ["z"], ["z_squares"], axes=[1], keepdims=1),
            make("Cast", ["vectors_t2"], ["doubled"], to=_onnx.FLOAT32),
            make("MatMul", ["z", "doubled"], ["products"]),
            make("Add", ["z_squares", "squares"], ["sums"]),
            make("Sub", ["sums", "products"], ["raw_distance"]),
            make("Max", ["raw_distance", "zero"], ["distance"]),
            make("Mul", ["distance", "minus_gamma"], ["exponent"]),
            make("Exp", ["exponent"], ["kernel"]),
            make("MatMul", ["kernel", "coefficients"], ["weighted"]),
            make("Add", ["weighted", "intercepts"], [_onnx.OUTPUT]),
        ]
        n_scores = a["coefficients"].shape[1]
        return _onnx.build(nodes, constants, n_features=len(a["mean"]), n_scores=n_scores)


def _kernel_width(gamma: Gamma, z: DoubleArray) -> float:
    if gamma == "scale":
        variance = float(z.var())
        return 1.0 / (z.shape[1] * variance) if variance else 1.0
    return 1.0 / z.shape[1] if gamma == "auto" else float(gamma)


def _pairwise(machine: Any, n_classes: int) -> dict[str, NDArray[np.float64]]:
    """Libsvm's packed coefficients as one dense column a pair of classes.

    In `dual_coef_` (C - 1, M), the row of a support vector of class i against class j is j - 1 for
    j > i and j for j < i.
    """
    ends = np.cumsum(machine.n_support_)
    block = [slice(end - n, end) for end, n in zip(ends, machine.n_support_, strict=True)]
    pairs = list(combinations(range(n_classes), 2))
    coefficients = np.zeros((len(machine.support_vectors_), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        coefficients[block[i], column] = machine.dual_coef_[j - 1, block[i]]
        coefficients[block[j], column] = machine.dual_coef_[i, block[j]]
    # With two classes scikit-learn already turns the signs, so that class 1 is positive.
    return {"coefficients": coefficients, "intercepts": np.asarray(machine.intercept_)}
