"""A head on vectors: what it learns from, how it is scaled, and the graph that needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch

import sortilin
import tiny
from sortilin import registry
from sortilin.classifiers import _network, _trained
from sortilin.component import Component
from sortilin.errors import ConfigError, LabelError, UnknownNameError
from sortilin.experiment import ExperimentConfig, run
from sortilin.experiment.presets import DEEP_MLP
from sortilin.interfaces import FEATURES, FloatArray, IntArray, Watch

N_CLASSES, WIDTH, SEED = 3, 8, 4
SAME = 1e-5
OF_THE_GRAPH = 1e-4

QUICK = {"epochs": 20, "learning_rate": 0.01, "batch_size": 16}
SMALL_MLP = {"name": "mlp", "options": {"hidden": [8]}}
HEADS: dict[str, dict[str, Any]] = {
    "shallow": SMALL_MLP,
    "deep": {"name": "mlp", "options": {**DEEP_MLP, "hidden": [8, 4]}},
    "linear": {"name": "linear"},
    "light_attention": {"name": "light_attention", "options": {"hidden": 4, "kernel": 3}},
    "lstm": {"name": "lstm", "options": {"hidden": 4, "bidirectional": True, "pooling": "attention"}},
}


class Rows(NamedTuple):
    """Vectors with a planted signal."""

    x: FloatArray
    y: IntArray


def planted(seed: int, *, n: int = 150, n_classes: int = N_CLASSES) -> Rows:
    """A cloud of vectors around a centre of its own for each class, in columns of unlike scale."""
    centres = np.random.default_rng(99).normal(size=(n_classes, WIDTH))
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes).astype(np.int64)
    x = centres[y] + 0.4 * rng.normal(size=(n, WIDTH))
    return Rows((x * np.logspace(-2, 2, WIDTH) + 3).astype(np.float32), y)


def made(**options: Any) -> Any:
    variant = registry.get("classifier", "head")
    return variant(variant.Config(**{"head": SMALL_MLP, "training": QUICK, **options}))


def fitted(rows: Rows | None = None, *, seed: int = SEED, watch: Watch | None = None, **options: Any) -> Any:
    rows = rows or planted(1)
    classifier = made(**options)
    classifier.fit(rows.x, rows.y, n_classes=int(rows.y.max()) + 1, seed=seed, watch=watch or Watch())
    return classifier


@cache
def of_head(name: str) -> Any:
    return fitted(head=HEADS[name])


# --- what it learns from


@pytest.mark.parametrize("name", HEADS)
def test_planted_signal_is_learned(name: str) -> None:
    new = planted(2)
    assert (of_head(name).scores(new.x).argmax(axis=1) == new.y).mean() > 0.9


def test_it_takes_features_and_gives_log_odds() -> None:
    classifier = of_head("shallow")
    assert classifier.takes == FEATURES
    assert classifier.gives_log_odds
    assert classifier.reads() == {}
    assert set(classifier.chosen) == {"epochs", "best_epoch", "validation_loss"}
    assert classifier.n_parameters == WIDTH * 8 + 8 + 8 * N_CLASSES + N_CLASSES
    assert classifier.history[0]["train_loss"] > classifier.history[-1]["train_loss"]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_rows_set_aside_are_not_learned_from(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[bytes] = set()
    real = _network.FeatureExamples.batch

    def batch(this: Any, rows: IntArray) -> Any:
        (found,) = real(this, rows)
        if torch.is_grad_enabled():
            asked.update(row.tobytes() for row in found.numpy())
        return (found,)

    monkeypatch.setattr(_network.FeatureExamples, "batch", batch)
    rows = planted(1)
    classifier = fitted(rows, validation=share)
    learned, aside = _trained.split(rows.y, N_CLASSES, share=share, seed=SEED)
    assert asked == {row.tobytes() for row in rows.x[learned]}
    scores, y = classifier.set_aside()
    assert len(y) == len(aside) == round(share * len(rows.y))
    assert np.array_equal(y, rows.y[aside])
    assert scores == pytest.approx(classifier.scores(rows.x[aside]), abs=SAME)


def test_standardization_is_that_of_the_rows_learned_from() -> None:
    rows = planted(1)
    learned, aside = _trained.split(rows.y, N_CLASSES, share=0.1, seed=SEED)
    strange = rows.x.copy()
    strange[aside] += 1000  # rows set aside have no part in it
    arrays = fitted(Rows(strange, rows.y)).arrays()
    assert arrays["mean"] == pytest.approx(rows.x[learned].mean(axis=0, dtype=np.float64), rel=1e-6)
    assert arrays["scale"] == pytest.approx(rows.x[learned].std(axis=0, dtype=np.float64), rel=1e-6)


def test_scale_of_the_features_is_nothing_to_it() -> None:
    rows, new = planted(1), planted(2)
    factor = np.float32(4096)  # exact, so that the same numbers are learned from
    other = fitted(Rows(rows.x * factor, rows.y))
    assert other.scores(new.x * factor) == pytest.approx(of_head("shallow").scores(new.x), abs=1e-3)


def test_features_are_left_as_they_are_where_that_is_asked_for() -> None:
    arrays = fitted(standardize=False).arrays()
    assert (arrays["mean"] == 0).all()
    assert (arrays["scale"] == 1).all()


def test_constant_feature_is_harmless() -> None:
    rows, new = planted(1), planted(2)
    constant = np.full((len(rows.y), 1), 1e6, dtype=np.float32)
    classifier = fitted(Rows(np.hstack([rows.x, constant]), rows.y))
    scores = classifier.scores(np.hstack([new.x, constant]))
    assert (scores.argmax(axis=1) == new.y).mean() > 0.9


def test_last_batch_of_one_row_is_learned_from() -> None:
    # 135 of 150 rows are learned from: with batches of 67 the last one holds one row.
    training = {**QUICK, "batch_size": 67, "epochs": 2}
    assert np.isfinite(fitted(head=HEADS["deep"], training=training).scores(planted(2).x)).all()


def test_balanced_class_weights_find_more_of_a_rare_class() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(np.int64)
    rows = Rows((rng.normal(size=(400, 2)) + 0.8 * y[:, None]).astype(np.float32), y)
    found = {
        kind: (fitted(rows, training={**QUICK, "class_weights": kind}).scores(rows.x)[:, 0] > 0).sum()
        for kind in ("none", "balanced")
    }
    assert found["balanced"] > 2 * found["none"]


# --- equal runs, and runs that are cut short


def test_other_seed_gives_other_weights() -> None:
    one, other = of_head("shallow").arrays(), fitted(seed=SEED + 1).arrays()
    assert all(not np.array_equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_random_numbers_of_the_caller_are_left_alone_and_decide_nothing() -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = fitted(head=HEADS["deep"]).arrays()
    assert torch.equal(torch.get_rng_state(), before)
    for name, array in of_head("deep").arrays().items():
        assert np.array_equal(array, again[name]), name


class Stopped(Exception):
    """What a person's own callback may raise."""


def test_fit_goes_on_in_its_workspace_and_refuses_that_of_another(tmp_path: Path) -> None:
    def stop_at_the_third(record: Any) -> bool:
        if record["epoch"] == 3:
            raise Stopped
        return False

    with pytest.raises(Stopped):
        fitted(head=HEADS["deep"], watch=Watch(workspace=tmp_path, on_epoch=stop_at_the_third))
    told: list[str] = []
    watch = Watch(workspace=tmp_path, on_progress=lambda stage, *_: told.append(stage))
    resumed = fitted(head=HEADS["deep"], watch=watch)
    assert told[0] == "epoch 3 of 20"
    for name, array in of_head("deep").arrays().items():
        assert np.array_equal(array, resumed.arrays()[name]), name
    others: list[dict[str, Any]] = [
        {"seed": SEED + 1},
        {"validation": 0.2},
        {"rows": planted(3)},
        {"head": HEADS["shallow"]},
    ]
    for changes in others:
        with pytest.raises(ConfigError, match=r"checkpoint\.pt belongs to a run with another configuration"):
            fitted(**{"head": HEADS["deep"], "watch": Watch(workspace=tmp_path), **changes})


# --- options


def test_some_options_of_training_leave_the_others_at_those_of_a_head() -> None:
    asked, default = made(training={"epochs": 3}).config.training, made(training={}).config.training
    assert default == registry.get("classifier", "head").Config().training
    assert asked == default.model_copy(update={"epochs": 3})
    assert (default.optimizer, default.learning_rate) == ("adam", 0.002)  # of the paper


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"head": {"name": "mpl"}},
            UnknownNameError,
            (
                "unknown head 'mpl'; did you mean 'mlp'? choose from: "
                "cnn_attention, cnn_lstm, light_attention, linear, lstm, mlp"
            ),
        ),
        (
            {"head": {"name": "mlp", "options": {"hiden": 3}}},
            ConfigError,
            "head 'mlp': hiden: Extra inputs are not permitted (found 3)",
        ),
        (
            {"training": {"metric": "f1"}},
            ConfigError,
            "training.metric 'f1' is not measured; choose from: loss, macro_f1, accuracy, mcc, roc_auc",
        ),
    ],
)
def test_option_that_is_not_allowed_is_named_before_any_fit(
    options: dict[str, Any], error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error) as caught:
        made(**options)
    assert str(caught.value) == message


def test_class_that_is_too_small_is_refused() -> None:
    rows = planted(1)
    keep = np.concatenate([np.flatnonzero(rows.y == 0)[:1], np.flatnonzero(rows.y != 0)])
    with pytest.raises(LabelError) as caught:
        fitted(Rows(rows.x[keep], rows.y[keep]))
    assert str(caught.value) == (
        "a network sets 10% of its training sequences aside and needs at least 2 of each class; "
        f"found 1 of the smallest among {len(keep)}"
    )


# --- the graph


@cache
def session_of(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(of_head(name).to_onnx(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("name", HEADS)
def test_graph_gives_the_scores_of_raw_features(name: str, n: int) -> None:
    x = planted(5).x[:n]
    (scores,) = session_of(name).run(["scores"], {"features": x})
    assert scores == pytest.approx(of_head(name).scores(x), abs=OF_THE_GRAPH)


def test_export_leaves_the_network_as_it_was() -> None:
    x = planted(5).x
    before = of_head("lstm").scores(x)
    session_of("lstm")
    assert np.array_equal(of_head("lstm").scores(x), before)


def test_graph_tells_nothing_of_the_machine() -> None:
    graph = of_head("deep").to_onnx()
    for trace in (b"site-packages", str(Path.home()).encode(), b".py"):
        assert trace not in graph


@pytest.mark.parametrize("n_rows", [1, 3, 50])
def test_scores_of_a_row_do_not_depend_on_its_company(n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = planted(5).x
    expected = of_head("deep").scores(x)
    monkeypatch.setattr("sortilin.classifiers.head._SCORING_ROWS", n_rows)
    assert of_head("deep").scores(x) == pytest.approx(expected, abs=SAME)


# --- beside other parts


def test_head_and_logistic_regression_are_averaged() -> None:
    rows = tiny.labelled(1, 20)
    x = np.array([sequence for _, sequence in rows], dtype=object)
    y = np.array([list(tiny.PLANTED).index(label) for label, _ in rows])
    features = {"name": "composition"}
    members = [
        {"features": features, "classifier": {"name": "head", "options": {"training": QUICK}}},
        {"features": features, "classifier": {"name": "linear", "options": {"c": [0.1]}}},
    ]
    both = Component(name="ensemble", options={"members": members}).build("classifier")
    both.fit(x, y, n_classes=3, seed=SEED)
    table = registry.get("features", "composition")().transform(list(x))
    session = onnxruntime.InferenceSession(both.to_onnx(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"features": table})
    assert scores == pytest.approx(both.scores(x), abs=OF_THE_GRAPH)
    assert (scores.argmax(axis=1) == y).mean() > 0.9


WITHOUT_TORCH = """
import json, sys
for name in ("torch", "accelerate", "sklearn", "onnx", "onnxscript", "lightgbm"):
    sys.modules[name] = None
import sortilin
print(json.dumps(sortilin.load(sys.argv[1]).predict_proba(sys.argv[2].split()).tolist()))
"""


def test_model_folder_predicts_what_the_head_does_and_needs_no_torch(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 24))
    training = {**QUICK, "average": None}  # an average over so few steps still holds the first weights
    asked = ExperimentConfig.model_validate(
        {
            "task": "custom",
            "data": str(data),
            "features": {"name": "composition"},
            "classifier": {"name": "head", "options": {"head": HEADS["deep"], "training": training}},
            "seed": SEED,
            "folds": 2,
            "holdout": 0,
            "baselines": False,
        }
    )
    folder, outcome = run(asked, tmp_path / "model")
    assert folder.card.startswith("# custom: head mlp on composition\n")
    assert folder.description["calibration"]["fitted_on"] == "rows set aside from training"
    assert outcome.rows[0].cross_validation.pooled.metrics["accuracy"] > 0.8
    again = made(head=HEADS["deep"], training=training)
    descriptor = registry.get("features", "composition")()
    y = outcome.data.y
    again.fit(descriptor.transform(outcome.data.sequences), y, n_classes=3, seed=SEED)
    sequences = tiny.random_sequences(7, 5, shortest=5, longest=60)
    expected = folder.calibration()(again.scores(descriptor.transform(sequences)))
    assert sortilin.load(folder.path).predict_proba(sequences) == pytest.approx(expected, abs=OF_THE_GRAPH)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(folder.path), " ".join(sequences)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert np.array(json.loads(done.stdout)) == pytest.approx(expected, abs=OF_THE_GRAPH)
