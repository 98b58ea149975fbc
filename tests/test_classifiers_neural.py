"""Networks: what they learn from and what they keep aside, and the model folder that needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import sortilin
import tiny
from sortilin import artifact, graph_inputs, predictor, registry
from sortilin.artifact import ModelFolder
from sortilin.classifiers import _network, _trained, neural
from sortilin.errors import ConfigError, LabelError, ModelFolderError, UnknownNameError
from sortilin.experiment import ExperimentConfig, run
from sortilin.interfaces import SEQUENCES, IntArray, Watch
from sortilin.predictor import Predictor
from sortilin.sequences import tokens
from sortilin.training import loop
from sortilin.trust import FAR

CLASSES = tuple(tiny.PLANTED)
SEED = 4
SAME = 1e-6

QUICK: dict[str, Any] = {
    "backbone": {"name": "onehot", "options": {"embedding": 6}},
    "head": {"name": "lstm", "options": {"hidden": 6, "bidirectional": True, "pooling": "attention"}},
    "training": {"epochs": 2, "learning_rate": 0.03, "batch_size": 16},
}
CONVOLUTIONS: dict[str, Any] = {
    "name": "cnn_lstm",
    "options": {"hidden": 4, "filters": 4, "kernels": [3, 5], "window": 4, "pooling": "attention"},
}


def labelled(seed: int = 1, n_a_class: int = 24) -> tuple[NDArray[Any], IntArray]:
    """(N,) sequences of 30 to 59 residues and (N,) classes."""
    rows = tiny.labelled(seed, n_a_class)
    y = np.array([CLASSES.index(label) for label, _ in rows])
    return np.array([sequence for _, sequence in rows], dtype=object), y


def made(**changes: Any) -> Any:
    variant = registry.get("classifier", "neural")
    return variant(variant.Config(**{**QUICK, **changes}))


def fitted(*, watch: Watch | None = None, seed: int = SEED, **changes: Any) -> Any:
    classifier = made(**changes)
    x, y = labelled()
    classifier.fit(x, y, n_classes=len(CLASSES), seed=seed, watch=watch or Watch())
    return classifier


@cache
def attentive() -> Any:
    return fitted()


@cache
def convolutional() -> Any:
    """In half precision, as on a GPU."""
    return fitted(head=CONVOLUTIONS, training={**QUICK["training"], "precision": "bfloat16"})


# --- what it learns from


class Job(NamedTuple):
    """What a fit handed to the training loop, and the classifier."""

    learned: list[str]
    learned_y: IntArray
    aside: list[str]
    aside_y: IntArray
    classifier: Any


def job_of(
    patch: pytest.MonkeyPatch, x: NDArray[Any], y: IntArray, *, n_classes: int = 3, **changes: Any
) -> Job:
    jobs: list[loop.Job] = []
    real = loop.train

    def train(model: nn.Module, job: loop.Job, watch: Watch) -> loop.Fit:
        jobs.append(job)
        return real(model, job, watch)

    patch.setattr(loop, "train", train)
    classifier = made(**changes)
    classifier.fit(x, y, n_classes=n_classes, seed=SEED)
    (job,) = jobs
    examples: Any = job.examples
    validation: Any = job.validation
    return Job(
        list(examples.sequences),
        examples.targets,
        list(validation.sequences),
        validation.targets,
        classifier,
    )


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_rows_set_aside_are_not_learned_from_and_hold_every_class(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = labelled()
    asked: list[str] = []
    real = _network.SequenceExamples.batch

    def batch(this: Any, rows: IntArray) -> Any:
        if torch.is_grad_enabled():
            asked.extend(this.sequences[row] for row in rows)
        return real(this, rows)

    monkeypatch.setattr(_network.SequenceExamples, "batch", batch)
    job = job_of(monkeypatch, x, y, validation=share)
    assert sorted(job.learned + job.aside) == sorted(x)
    assert not set(asked) & set(job.aside)
    assert set(asked) == set(job.learned)
    assert len(job.aside) == round(share * len(x))
    counts = np.bincount(job.aside_y, minlength=3)
    assert counts.max() - counts.min() <= 1
    truth = dict(zip(x, y, strict=True))
    assert [truth[s] for s in job.learned + job.aside] == [*job.learned_y, *job.aside_y]


def test_masking_hides_that_share_of_residues_from_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    real = _network.SequenceExamples.batch

    def batch(this: Any, rows: IntArray) -> Any:
        (found,) = real(this, rows)
        whole = torch.from_numpy(tokens.pad([this.sequences[row] for row in rows]))
        is_changed = found != whole
        assert (found[is_changed] == tokens.UNKNOWN).all()
        seen[torch.is_grad_enabled()].append(is_changed[whole != tokens.PAD].float())
        assert not is_changed[whole == tokens.PAD].any()
        return (found,)

    monkeypatch.setattr(_network.SequenceExamples, "batch", batch)
    classifier = fitted(masking=0.3)
    assert torch.cat(seen[True]).mean() == pytest.approx(0.3, abs=0.02)
    assert len({tuple(part.tolist()) for part in seen[True]}) == len(seen[True])
    classifier.scores(labelled()[0])
    assert not torch.cat(seen[False]).any()


def test_masked_training_is_that_of_its_seed() -> None:
    one, same, plain = (fitted(masking=m).arrays() for m in (0.3, 0.3, 0.0))
    for name, array in one.items():
        assert np.array_equal(array, same[name]), name
        if name.endswith("weight"):
            assert not np.array_equal(array, plain[name]), name


def test_rows_set_aside_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(monkeypatch, *labelled())
    scores, y = job.classifier.set_aside()
    assert np.array_equal(y, job.aside_y)
    assert scores == pytest.approx(job.classifier.scores(np.array(job.aside, dtype=object)), abs=SAME)


def test_nothing_is_set_aside_before_a_fit() -> None:
    assert made().set_aside() is None
    assert made().n_parameters is None


def test_smallest_class_is_learned_from_and_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = labelled()
    keep = np.concatenate([np.flatnonzero(y == 0)[:2], np.flatnonzero(y != 0)])
    job = job_of(monkeypatch, x[keep], y[keep])
    assert (job.learned_y == 0).sum() == (job.aside_y == 0).sum() == 1


@pytest.mark.parametrize(("n_rare", "share"), [(1, 0.1), (0, 0.25)])
def test_class_that_is_too_small_is_refused(n_rare: int, share: float) -> None:
    x, y = labelled()
    keep = np.concatenate([np.flatnonzero(y == 0)[:n_rare], np.flatnonzero(y != 0)])
    with pytest.raises(LabelError) as caught:
        made(validation=share).fit(x[keep], y[keep], n_classes=3, seed=SEED)
    assert str(caught.value) == (
        f"a network sets {share:.0%} of its training sequences aside and needs at least 2 of each class; "
        f"found {n_rare} of the smallest among {len(keep)}"
    )


def test_long_sequences_are_read_at_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = labelled()
    assert max(map(len, x)) > 40
    job = job_of(monkeypatch, x, y, max_residues=40, keep_last=10)
    assert sorted(job.learned + job.aside) == sorted(s if len(s) <= 40 else s[:30] + s[-10:] for s in x)
    scores = job.classifier.scores
    whole, middle = tiny.random_sequences(8, 2, shortest=70, longest=70)
    other = whole[:30] + middle[30:60] + whole[60:]
    assert np.array_equal(scores(np.array([whole], object)), scores(np.array([other], object)))


def test_length_policy_is_that_of_the_benchmark_unless_asked() -> None:
    policy = made().config.length_policy
    assert (policy.max_residues, policy.keep_last) == (2_000, 100)
    (long,) = tiny.random_sequences(9, 1, shortest=2_500, longest=2_500)
    both = np.array([long, long[:1_900] + long[-100:]], dtype=object)
    first, second = attentive().scores(both)
    assert first == pytest.approx(second, abs=SAME)


# --- what comes out


def test_fit_is_on_record() -> None:
    classifier = attentive()
    assert classifier.takes == SEQUENCES
    assert set(classifier.chosen) == {"epochs", "best_epoch", "validation_macro_f1"}
    assert len(classifier.history) == classifier.chosen["epochs"] == 2
    best = max(record["valid_macro_f1"] for record in classifier.history)
    assert classifier.chosen["validation_macro_f1"] == best
    assert set(classifier.history[0]) >= {"valid_loss", *(f"valid_{name}" for name in _trained.METRICS)}
    assert classifier.seconds > 0


def test_parameters_that_are_trained_are_counted() -> None:
    # Tokens 22 x 6; two LSTM layers of 4 (6 x 6 + 6 x 6 + 6 + 6); attention 12 x 12 + 12; dense layers.
    assert attentive().n_parameters == 22 * 6 + 2 * 4 * 84 + 156 + (12 * 6 + 6) + (6 * 3 + 3)
    fixed = fitted(backbone={"name": "onehot", "options": {"embedding": None}})
    assert fixed.n_parameters == 2 * 4 * (20 * 6 + 6 * 6 + 12) + 156 + (12 * 6 + 6) + (6 * 3 + 3)
    code = fixed.arrays()["backbone.vectors.weight"]
    assert np.array_equal(code[1:21], np.eye(20))


@pytest.mark.parametrize("network", [attentive, convolutional])
def test_scores_do_not_depend_on_order_company_or_pads(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = network()
    sequences = tiny.random_sequences(3, 12, shortest=1, longest=50)
    x = np.array(sequences, dtype=object)
    expected = classifier.scores(x)
    assert expected.dtype == np.float64
    assert classifier.scores(x[::-1])[::-1] == pytest.approx(expected, abs=SAME)
    alone = np.concatenate([classifier.scores(x[row : row + 1]) for row in range(len(x))])
    assert alone == pytest.approx(expected, abs=SAME)
    more = np.pad(tokens.pad(sequences), ((0, 0), (0, 37)), constant_values=tokens.PAD)
    with torch.inference_mode():
        behind_pads = classifier._network(torch.from_numpy(more)).numpy()
    assert behind_pads == pytest.approx(expected, abs=SAME)
    monkeypatch.setattr(neural, "_SCORING_POSITIONS", 60)
    assert classifier.scores(x) == pytest.approx(expected, abs=SAME)


def test_random_numbers_of_the_caller_are_left_alone_and_decide_nothing() -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = fitted().arrays()
    assert torch.equal(torch.get_rng_state(), before)
    for name, array in attentive().arrays().items():
        assert np.array_equal(array, again[name]), name


def test_another_seed_gives_another_network() -> None:
    one, other = attentive().arrays(), fitted(seed=SEED + 1).arrays()
    assert all(not np.array_equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_seed_draws_the_first_weights() -> None:
    one, same, other = (made()._build(3, seed).state_dict() for seed in (1, 1, 2))
    for name in one:
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name])


class Stopped(Exception):
    """What a person's own callback may raise."""


def test_fit_goes_on_in_its_workspace_and_refuses_that_of_another(tmp_path: Path) -> None:
    def stop_at_the_second(record: Any) -> bool:
        if record["epoch"] == 2:
            raise Stopped
        return False

    with pytest.raises(Stopped):
        fitted(watch=Watch(workspace=tmp_path, on_epoch=stop_at_the_second))
    told: list[str] = []
    watch = Watch(workspace=tmp_path, on_progress=lambda stage, *_: told.append(stage))
    resumed = fitted(watch=watch)
    for name, array in attentive().arrays().items():
        assert np.array_equal(array, resumed.arrays()[name]), name
    assert told[0] == "epoch 2 of 2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "curves.csv", "tensorboard"]

    for changes in ({"seed": SEED + 1}, {"validation": 0.2}, {"max_residues": 40, "keep_last": 9}):
        with pytest.raises(ConfigError, match=r"checkpoint\.pt belongs to a run with another configuration"):
            fitted(watch=Watch(workspace=tmp_path), **changes)


# --- options


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"head": {"name": "lsmt"}},
            UnknownNameError,
            (
                "unknown head 'lsmt'; did you mean 'lstm'? choose from: "
                "cnn_attention, cnn_lstm, light_attention, linear, lstm, mlp"
            ),
        ),
        (
            {"backbone": {"name": "onehut"}},
            UnknownNameError,
            "unknown backbone 'onehut'; did you mean 'onehot'? choose from: onehot",
        ),
        (
            {"head": {"name": "lstm", "options": {"hiden": 3}}},
            ConfigError,
            "head 'lstm': hiden: Extra inputs are not permitted (found 3)",
        ),
        (
            {"head": {"name": "cnn_lstm", "options": {"kernels": [4], "hidden": 0}}},
            ConfigError,
            (
                "head 'cnn_lstm': kernels: widths must be odd, found [4] (found [4]); "
                "hidden: Input should be greater than 0 (found 0)"
            ),
        ),
        (
            {"backbone": {"name": "onehot", "options": {"embedding": -1}}},
            ConfigError,
            "backbone 'onehot': embedding: Input should be greater than 0 (found -1)",
        ),
        (
            {"training": {"metric": "f1"}},
            ConfigError,
            "training.metric 'f1' is not measured; choose from: loss, macro_f1, accuracy, mcc, roc_auc",
        ),
        (
            {"max_residues": 100},
            ConfigError,
            "keep_last is 100; allowed: 0 to max_residues - 1, here 99",
        ),
    ],
)
def test_option_that_is_not_allowed_is_named_before_any_fit(
    changes: dict[str, Any], error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error) as caught:
        made(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("metric", ["loss", *_trained.METRICS])
def test_every_metric_that_may_be_asked_for_is_measured(metric: str) -> None:
    assert made(training={"metric": metric}).config.training.metric == metric
    measured = _trained.score(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    assert metric == "loss" or np.isfinite(measured[metric])


# --- the graph


@cache
def graph_of(network: Any) -> bytes:
    return bytes(network().to_onnx())


@cache
def session_of(network: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph_of(network), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("network", [attentive, convolutional])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("longest", [1, 2, 3, 4, 9, 16, 140])
def test_graph_gives_scores_and_attention_of_any_number_and_length(
    network: Any, n: int, longest: int
) -> None:
    sequences = tiny.random_sequences(longest, n, shortest=1, longest=longest)
    given = np.pad(tokens.pad(sequences), ((0, 0), (0, 2 * (n == 2))), constant_values=tokens.PAD)
    scores, weights = session_of(network).run(["scores", "attention"], {"tokens": given})
    assert scores == pytest.approx(network().scores(np.array(sequences, dtype=object)), abs=1e-5)
    with torch.inference_mode():
        _, expected = network()._network.attention(torch.from_numpy(given))
    assert weights == pytest.approx(expected.numpy(), abs=1e-6)
    assert weights.shape == given.shape


def test_export_leaves_the_network_as_it_was() -> None:
    x, _ = labelled()
    before = attentive().scores(x[:5])
    graph_of(attentive)
    assert np.array_equal(attentive().scores(x[:5]), before)
    assert isinstance(attentive()._network.head.recurrent.ahead, nn.LSTM)


def test_graph_tells_nothing_of_the_machine() -> None:
    graph = graph_of(attentive)
    for trace in (b"site-packages", str(Path.home()).encode(), b".py"):
        assert trace not in graph


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({"batch_first": True}, True),
        ({"batch_first": False}, False),
        ({"batch_first": True, "bidirectional": True}, False),
        ({"batch_first": True, "num_layers": 2}, False),
        ({"batch_first": True, "bias": False}, False),
        ({"batch_first": True, "proj_size": 2}, False),
    ],
)
def test_layer_that_onnx_has_no_operator_for_is_left_to_the_exporter(
    options: dict[str, Any], fits: bool
) -> None:
    assert _network._OnnxLstm.fits(nn.LSTM(3, 4, **options)) == fits
    assert not _network._OnnxLstm.fits(nn.GRU(3, 4, batch_first=True))


def test_graph_of_one_length_is_refused() -> None:
    from onnx import TensorProto, helper

    def value(name: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph([], "g", [value("tokens", "N", 1_000)], [value("scores", "N", 3)])
    with pytest.raises(ConfigError) as caught:
        _network._tidied(helper.make_model(graph), ["scores"])
    assert str(caught.value) == (
        "this network cannot be exported: its graph would hold for a size of [1000] only"
    )


# --- the model folder


class Served(NamedTuple):
    """A network that an experiment trained, and what its folder predicts."""

    folder: ModelFolder
    classifier: Any
    predictor: Predictor
    card: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    place = tmp_path_factory.mktemp("network")
    data = tiny.write_table(place / "train.csv", tiny.labelled(1, 24))
    options = {**QUICK, "max_residues": 40, "keep_last": 10}
    asked = ExperimentConfig.model_validate(
        {
            "task": "custom",
            "data": str(data),
            "classifier": {"name": "neural", "options": options},
            "seed": SEED,
            "folds": 2,
            "holdout": 0.25,
            "baselines": False,
        }
    )
    exported: list[Any] = []
    real = neural.VARIANT.to_onnx

    def to_onnx(this: neural.VARIANT) -> bytes:
        exported.append(this)
        return real(this)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neural.VARIANT, "to_onnx", to_onnx)
        folder, _ = run(asked, place / "model")
    (classifier,) = exported
    return Served(folder, classifier, sortilin.load(folder.path), folder.card)


def mixed() -> list[str]:
    """Sequences on both sides of the 40 residues that are read."""
    return tiny.random_sequences(6, 15, shortest=2, longest=90)


def test_folder_predicts_what_the_network_and_its_calibration_do(served: Served) -> None:
    sequences = mixed()
    scores = served.classifier.scores(np.array(sequences, dtype=object))
    expected = served.folder.calibration()(scores)
    found = served.predictor.predict_proba(sequences)
    assert found == pytest.approx(expected, abs=1e-5)
    alone = np.concatenate([served.predictor.predict_proba([sequence]) for sequence in sequences])
    assert alone == pytest.approx(found, abs=1e-5)
    assert served.predictor.predict_proba(sequences[::-1])[::-1] == pytest.approx(found, abs=1e-5)


def test_size_of_padded_batches_changes_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = mixed()
    table, weights = served.predictor.predict_proba(sequences), served.predictor.attention(sequences)
    monkeypatch.setattr(graph_inputs, "_PADDED_POSITIONS", 70)
    monkeypatch.setattr(graph_inputs, "_LEAST_ROWS", 1)
    assert served.predictor.predict_proba(sequences) == pytest.approx(table, abs=1e-5)
    for found, expected in zip(served.predictor.attention(sequences), weights, strict=True):
        assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_number_of_threads_changes_no_bit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 4)
    sequences = mixed()
    table, weights = served.predictor.predict_proba(sequences), served.predictor.attention(sequences)
    for threads in (2, 4):
        model = sortilin.load(served.folder.path, threads=threads)
        assert model.predict_proba(sequences).tolist() == table.tolist()
        for found, expected in zip(model.attention(sequences), weights, strict=True):
            assert np.array_equal(found, expected, equal_nan=True)


def test_calibration_is_fitted_on_the_rows_set_aside(served: Served) -> None:
    from sortilin.evaluation import calibration

    scores, y = served.classifier.set_aside()
    expected = calibration.fit(scores, y, n_classes=3)
    found = served.folder.calibration()
    assert found.weights == pytest.approx(expected.weights)
    assert found.bias == pytest.approx(expected.bias)


def test_description_records_what_is_read(served: Served) -> None:
    described = served.folder.description
    assert described["format_version"] == artifact.FORMAT_VERSION
    assert described["tokens"] == {"max_residues": 40, "keep_last": 10}
    assert "features" not in described
    assert described["classifier"]["name"] == "neural"
    assert described["classifier"]["chosen"]["epochs"] == 2
    assert f"classifier.{next(iter(served.classifier.arrays()))}" in _array_names(served.folder)
    assert served.card.startswith("# custom: neural lstm\n")


def _array_names(folder: ModelFolder) -> set[str]:
    from safetensors.numpy import load_file

    return set(load_file(folder.path / "arrays.safetensors"))


def test_sequence_that_is_not_read_whole_is_flagged(served: Served) -> None:
    shortest, longest = served.folder.description["training_data"]["lengths"]
    assert shortest < 40 < longest
    found = served.predictor.predict([("MKLAVDER" * 20)[:n] for n in (40, 41, longest + 1)])
    flags = [tuple(flag for flag in p.flags if flag != FAR) for p in found]
    assert flags == [(), ("shortened_to:40",), ("longer_than_trained", "shortened_to:40")]
    assert [p.length for p in found] == [40, 41, longest + 1]


def test_residues_in_the_middle_of_a_long_sequence_do_not_count(served: Served) -> None:
    whole, middle = tiny.random_sequences(8, 2, shortest=70, longest=70)
    other = whole[:30] + middle[30:60] + whole[60:]
    table = served.predictor.predict_proba([whole, other, whole[:30] + whole[60:]])
    assert table[0] == pytest.approx(table[1], abs=1e-7)
    assert table[0] == pytest.approx(table[2], abs=1e-7)


def test_attention_is_a_weight_a_residue_that_was_read(served: Served) -> None:
    sequences = mixed()
    for sequence, weights in zip(sequences, served.predictor.attention(sequences), strict=True):
        assert weights.shape == (len(sequence),)
        is_read = np.ones(len(sequence), dtype=bool)
        if len(sequence) > 40:
            is_read[30:-10] = False
        assert np.array_equal(~np.isnan(weights), is_read)
        assert weights[is_read].sum() == pytest.approx(1, abs=1e-5)
        read = "".join(np.array(list(sequence))[is_read])
        with torch.inference_mode():
            given = torch.from_numpy(tokens.pad([read]))
            _, expected = served.classifier._network.attention(given)
        assert weights[is_read] == pytest.approx(expected[0].numpy(), abs=1e-6)


def test_model_without_attention_says_so() -> None:
    with pytest.raises(ConfigError) as caught:
        sortilin.load("anticancer").attention(["MKV"])
    assert str(caught.value) == (
        "model 'anticancer' has no attention; networks with pooling: attention or self_attention have "
        "(attention-lstm, cnn-bilstm-attention, cnn-attention)"
    )


WITHOUT_TORCH = """
import json, sys
for name in {blocked}:
    sys.modules[name] = None
import sortilin
model = sortilin.load(sys.argv[1])
sequences = sys.argv[2].split()
table, attention = model.predict_proba(sequences), model.attention(sequences)
print(json.dumps([table.tolist(), [weights.tolist() for weights in attention]]))
"""


def test_predicting_needs_no_package_of_training(served: Served) -> None:
    blocked = ["torch", "accelerate", "sklearn", "scipy", "onnx", "onnxscript", "lightgbm", "tensorboard"]
    sequences = mixed()[:5]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TORCH.format(blocked=blocked),
            str(served.folder.path),
            " ".join(sequences),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table, attention = json.loads(done.stdout)
    assert np.array(table) == pytest.approx(served.predictor.predict_proba(sequences), abs=1e-7)
    for found, expected in zip(attention, served.predictor.attention(sequences), strict=True):
        assert np.array(found) == pytest.approx(expected, abs=1e-7, nan_ok=True)


def damaged(served: Served, path: Path, **changes: Any) -> Predictor:
    folder = shutil.copytree(served.folder.path, path)
    described = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**described, **changes}))
    return sortilin.load(folder)


def test_policy_that_is_impossible_is_damage(served: Served, tmp_path: Path) -> None:
    model = damaged(served, tmp_path / "mine", tokens={"max_residues": 40, "keep_last": 40})
    with pytest.raises(ModelFolderError) as caught:
        model.predict(["MKV"])
    assert str(caught.value) == (
        f"the model folder {tmp_path / 'mine'} is damaged: its input cannot be made: "
        "keep_last is 40; allowed: 0 to max_residues - 1, here 39"
    )


def test_graph_over_tokens_does_not_pass_for_one_over_features(served: Served, tmp_path: Path) -> None:
    features = {"name": "composition", "config": {}, "n_features": 20}
    model = damaged(served, tmp_path / "mine", features=features, tokens=None)
    with pytest.raises(ModelFolderError, match=r"model\.onnx is not from 20 features to 3 scores"):
        model.predict(["MKV"])
