"""Gradient boosted trees (LightGBM; Ke et al. 2017), balanced class weights.

Axis letters: N sequences, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from sortilin.classifiers import _onnx
from sortilin.errors import MissingDependencyError
from sortilin.interfaces import FEATURES, NOBODY, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed

_LEAF, _BRANCH = 0, 1


class VARIANT:
    """Boosted trees; scores are log-odds, (N, C), or (N, 1) for two classes."""

    class Config(BaseModel):
        """Shape of the ensemble.

        Attributes:
            rounds: Trees a class.
            learning_rate: Shrinkage of each tree.
            leaves: Leaves a tree, at most.
            features_per_split: Share of the features drawn at each split.
            smallest_leaf: Training rows in a leaf, at least; in small sets no more than 1 in 50 rows, or
                no tree could split.
            l2: Penalty on leaf values.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        rounds: PositiveInt = 120
        learning_rate: PositiveFloat = 0.1
        leaves: int = Field(default=15, ge=2)
        features_per_split: float = Field(default=0.3, gt=0, le=1)
        smallest_leaf: PositiveInt = 20
        l2: NonNegativeFloat = 3.0

    takes: ClassVar[str] = FEATURES
    gives_log_odds: ClassVar[bool] = True
    splits_rows: ClassVar[bool] = False

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
        watch: Watch = NOBODY,  # noqa: ARG002 - fits in one go
    ) -> None:
        """Fit on all rows; see `interfaces.Classifier`."""
        try:
            import lightgbm
        except ImportError:
            raise MissingDependencyError("training boosted trees", "lightgbm", "train") from None
        weights = len(y) / (n_classes * np.bincount(y, minlength=n_classes))
        dataset = lightgbm.Dataset(x, y, weight=weights[y], free_raw_data=False)
        booster = lightgbm.train(self._parameters(len(y), n_classes, seed), dataset, self.config.rounds)
        n_trees_a_round = booster.num_model_per_iteration()
        self._arrays = _flatten(booster.dump_model()["tree_info"], n_trees_a_round)
        self._arrays["n_features"] = np.array(x.shape[1])
        self._arrays["n_scores"] = np.array(n_trees_a_round)

    def _parameters(self, n_rows: int, n_classes: int, seed: int) -> dict[str, Any]:
        kind = (
            {"objective": "binary"} if n_classes == 2 else {"objective": "multiclass", "num_class": n_classes}
        )
        return {
            **kind,
            "learning_rate": self.config.learning_rate,
            "num_leaves": self.config.leaves,
            "feature_fraction_bynode": self.config.features_per_split,
            "min_data_in_leaf": max(1, min(self.config.smallest_leaf, n_rows // 50)),
            "lambda_l2": self.config.l2,
            "seed": child_seed(seed, "boosting") % 2**31,
            # One thread: equal results on every machine, and no spinning beside other work.
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }

    def set_aside(self) -> None:
        """None: all rows are learned from."""
        return

    def chosen_config(self) -> Config:
        """The configuration itself: nothing is searched."""
        return self.config

    def scores(self, x: Inputs) -> DoubleArray:
        """(N, F) → (N, C) log-odds before softmax; (N, 1), positive for class 1, with two classes."""
        a = self._arrays
        total = np.zeros((len(x), int(a["n_scores"])))
        rows = np.arange(len(x))
        for root, column in zip(a["tree_roots"], a["tree_scores"], strict=True):
            node = np.full(len(x), root)
            while (is_branch := a["node_modes"][node] == _BRANCH).any():
                goes_left = x[rows, a["node_features"][node]] <= a["node_values"][node]
                child = np.where(goes_left, a["node_left"][node], a["node_right"][node])
                node = np.where(is_branch, child, node)
            total[:, column] += a["node_values"][node]
        return total

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All nodes of all trees, one row a node; `node_values` is a threshold or a leaf's value."""
        return dict(self._arrays)

    def reads(self) -> dict[str, Any]:
        """Empty: it takes features."""
        return {}

    def to_onnx(self) -> bytes:
        """One TreeEnsembleRegressor over all trees."""
        a = self._arrays
        is_leaf = a["node_modes"] == _LEAF
        tree_of_node = np.searchsorted(a["tree_roots"], np.arange(len(is_leaf)), side="right") - 1
        in_tree = np.arange(len(is_leaf)) - a["tree_roots"][tree_of_node]
        root_of_node = a["tree_roots"][tree_of_node]
        node = _onnx.require_onnx().helper.make_node(
            "TreeEnsembleRegressor",
            [_onnx.INPUT],
            [_onnx.OUTPUT],
            domain="ai.onnx.ml",
            n_targets=int(a["n_scores"]),
            nodes_treeids=tree_of_node.tolist(),
            nodes_nodeids=in_tree.tolist(),
            nodes_featureids=a["node_features"].tolist(),
            nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
            nodes_values=np.where(is_leaf, 0.0, a["node_values"]).tolist(),
            nodes_truenodeids=np.where(is_leaf, 0, a["node_left"] - root_of_node).tolist(),
            nodes_falsenodeids=np.where(is_leaf, 0, a["node_right"] - root_of_node).tolist(),
            target_treeids=tree_of_node[is_leaf].tolist(),
            target_nodeids=in_tree[is_leaf].tolist(),
            target_ids=a["tree_scores"][tree_of_node[is_leaf]].tolist(),
            target_weights=a["node_values"][is_leaf].tolist(),
        )
        return _onnx.build([node], {}, n_features=int(a["n_features"]), n_scores=int(a["n_scores"]))


def _flatten(trees: list[dict[str, Any]], n_trees_a_round: int) -> dict[str, NDArray[Any]]:
    """LightGBM's nested trees as flat arrays; children come after their parent."""
    rows: list[tuple[int, int, float, int, int]] = []
    roots = []
    for tree in trees:
        roots.append(len(rows))
        rows.extend(_rows_of(tree["tree_structure"], len(rows)))
    modes, features, values, left, right = zip(*rows, strict=True)
    return {
        "tree_roots": np.array(roots, dtype=np.int32),
        "tree_scores": np.arange(len(trees), dtype=np.int32) % n_trees_a_round,
        "node_modes": np.array(modes, dtype=np.int8),
        "node_features": np.array(features, dtype=np.int32),
        "node_values": np.array(values, dtype=np.float32),
        "node_left": np.array(left, dtype=np.int32),
        "node_right": np.array(right, dtype=np.int32),
    }


def _rows_of(node: dict[str, Any], place: int) -> Iterator[tuple[int, int, float, int, int]]:
    """Rows of a subtree whose root stands at `place`, in depth-first order."""
    if "leaf_value" in node:
        yield _LEAF, 0, node["leaf_value"], place, place
        return
    left = list(_rows_of(node["left_child"], place + 1))
    right_place = place + 1 + len(left)
    threshold = _largest_float32_not_above(node["threshold"])
    yield _BRANCH, node["split_feature"], threshold, place + 1, right_place
    yield from left
    yield from _rows_of(node["right_child"], right_place)


def _largest_float32_not_above(value: float) -> float:
    """For float32 features, `x <= value` and `x <= result` are the same question."""
    rounded = np.float32(value)
    # float(): NumPy would round `value` to float32 before it compares the two.
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded)
