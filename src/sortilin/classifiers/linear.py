"""Multinomial logistic regression on standardized features, fitted with scikit-learn.

Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from sortilin.classifiers import _onnx, _tabular
from sortilin.errors import MissingDependencyError
from sortilin.interfaces import FEATURES, NOBODY, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed

_MAX_ITERATIONS = 10_000


class VARIANT:
    """Logistic regression; scores are the logits, (N, C), or the log-odds of class 1, (N, 1)."""

    class Config(BaseModel):
        """Values to try; more than one starts a search.

        Attributes:
            c: Inverse strengths of the L2 penalty; small ones hold the weights down.
            class_weights: "balanced" weighs a row by the inverse frequency of its class.
            search_folds: Stratified folds of the search.
            search_metric: What the search maximizes.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        c: tuple[PositiveFloat, ...] = Field(default=(0.0001, 0.001, 0.01, 0.1, 1.0), min_length=1)
        class_weights: Literal["none", "balanced"] = "none"
        search_folds: int = Field(default=5, ge=2)
        search_metric: Literal["neg_log_loss", "accuracy", "f1_macro", "matthews_corrcoef"] = "neg_log_loss"

    takes: ClassVar[str] = FEATURES
    gives_log_odds: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.chosen: Mapping[str, Any] = {}
        self._arrays: dict[str, NDArray[Any]] = {}

    def fit(
        self,
        x: Inputs,
        y: IntArray,
        *,
        n_classes: int,  # noqa: ARG002 - told by y
        seed: int,
        watch: Watch = NOBODY,
    ) -> None:
        """Search `c` if there are several, then fit on all rows; see `interfaces.Classifier`."""
        if len(self.config.c) > 1:
            self.chosen = self._search(x, y, seed, watch)
        mean, scale = _tabular.mean_and_scale(x)
        fitted = self._estimator(self.chosen_config().c[0]).fit((x - mean) / scale, y)
        self._arrays = {
            "mean": mean,
            "scale": scale,
            "weights": np.ascontiguousarray(fitted.coef_.T),
            "bias": np.array(fitted.intercept_),
        }

    def _search(self, x: Inputs, y: IntArray, seed: int, watch: Watch) -> dict[str, Any]:
        folds = _tabular.search_folds(
            y, self.config.search_folds, seed=child_seed(seed, "linear"), groups=watch.groups, searched=["C"]
        )
        best, value = _tabular.grid_search(
            self._estimator(1.0), {"C": self.config.c}, x, y, folds=folds, metric=self.config.search_metric
        )
        return {"c": best["C"], self.config.search_metric: value}

    def _estimator(self, c: float) -> Any:
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError:
            raise MissingDependencyError("training a logistic regression", "scikit-learn", "train") from None
        weights = "balanced" if self.config.class_weights == "balanced" else None
        return LogisticRegression(C=c, class_weight=weights, max_iter=_MAX_ITERATIONS)

    def set_aside(self) -> None:
        """None: all rows are learned from."""
        return

    def chosen_config(self) -> Config:
        """The configuration with the search's result in place of the values."""
        return self.config.model_copy(update={"c": (self.chosen["c"],)} if self.chosen else {})

    def scores(self, x: Inputs) -> DoubleArray:
        """(N, F) → (N, C) logits; with two classes (N, 1), positive for class 1."""
        a = self._arrays
        return np.asarray((x - a["mean"]) / a["scale"] @ a["weights"] + a["bias"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Mean (F,), scale (F,), weights (F, S) and bias (S,)."""
        return dict(self._arrays)

    def reads(self) -> dict[str, Any]:
        """Empty: it takes features."""
        return {}

    def to_onnx(self) -> bytes:
        """The same arithmetic as `scores`, in float32."""
        make = _onnx.require_onnx().helper.make_node
        nodes = [
            make("Sub", [_onnx.INPUT, "mean"], ["centred"]),
            make("Div", ["centred", "scale"], ["z"]),
            make("MatMul", ["z", "weights"], ["products"]),
            make("Add", ["products", "bias"], [_onnx.OUTPUT]),
        ]
        n_features, n_scores = self._arrays["weights"].shape
        return _onnx.build(nodes, self._arrays, n_features=n_features, n_scores=n_scores)
