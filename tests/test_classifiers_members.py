"""Members and dropout masks: what they learn from, that nothing but the seed decides them, and the graph."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import tiny
from sortilin import registry
from sortilin.classifiers import _member_graphs, _members, _trained
from sortilin.errors import ConfigError, TrainingError
from sortilin.evaluation import calibration, spread
from sortilin.interfaces import Watch
from sortilin.seeding import child_seed
from sortilin.sequences import tokens
from sortilin.training import loop
from test_classifiers_neural import CLASSES, SEED, fitted, labelled, made

SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"hidden": 4, "bidirectional": True, "pooling": "attention"},
    "cnn_lstm": {"hidden": 4, "filters": 3, "kernels": [3], "window": 3, "pooling": "attention"},
    "light_attention": {"hidden": 4, "kernel": 3},
    "cnn_attention": {"channels": [7, 6, 5], "hidden": 6, "kernel": 3},
    "mlp": {"hidden": [6], "batch_norm": True},
    "linear": {"dropout": 0.3},
}
"""Options that make a head quick; together they are all heads that there are."""

BRIEF = {"epochs": 1, "learning_rate": 0.03, "batch_size": 16}
OPINIONS = {"members": 3, "dropout_samples": 5}
TWO: dict[str, Any] = {"members": 2, "dropout_samples": 2}
EXPORTED = 1e-5

SLOW = pytest.mark.slow
CASES = [("lstm", TWO), *(pytest.param(name, OPINIONS, marks=SLOW) for name in SMALL)]
"""An export takes seconds, and there is one a member."""


@cache
def trained(name: str, members: int, dropout_samples: int) -> Any:
    """A network with that head, which learned for one epoch."""
    return fitted(
        head={"name": name, "options": SMALL[name]},
        training=BRIEF,
        members=members,
        dropout_samples=dropout_samples,
    )


def mixed() -> list[str]:
    return tiny.random_sequences(6, 11, shortest=1, longest=70)


def run(graph: bytes, given: Any) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


# --- what they learn from


def test_every_head_is_tested() -> None:
    assert set(SMALL) == set(registry.names("head"))


def jobs_of(patch: pytest.MonkeyPatch, **changes: Any) -> tuple[list[loop.Job], Any]:
    jobs: list[loop.Job] = []
    real = loop.train

    def train(model: nn.Module, job: loop.Job, watch: Watch) -> loop.Fit:
        jobs.append(job)
        return real(model, job, watch)

    patch.setattr(loop, "train", train)
    return jobs, fitted(training=BRIEF, **changes)


def test_members_learn_from_the_same_rows_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, classifier = jobs_of(monkeypatch, members=3)
    examples: list[Any] = [job.examples for job in jobs]
    validation: list[Any] = [job.validation for job in jobs]
    assert len(jobs) == 3
    for part in (examples, validation):
        assert list(part[0].sequences) == list(part[1].sequences) == list(part[2].sequences)
    assert len({job.seed for job in jobs}) == len({job.identity for job in jobs}) == 3
    scores, y = classifier.set_aside()
    aside = np.array(list(validation[0].sequences), dtype=object)
    assert np.array_equal(y, validation[0].targets)
    assert scores == pytest.approx(classifier.scores(aside), abs=1e-6)


def test_first_member_is_the_network_alone_and_the_others_are_not() -> None:
    alone = fitted(training=BRIEF).arrays()
    several = fitted(training=BRIEF, members=2).arrays()
    assert set(several) == {f"member{k}.{name}" for k in (1, 2) for name in alone}
    for name, array in alone.items():
        assert np.array_equal(several[f"member1.{name}"], array), name
        if name.endswith("weight"):
            assert not np.array_equal(several[f"member2.{name}"], array), name


def test_second_member_is_the_network_of_its_own_seed() -> None:
    x, y = labelled()
    several = fitted(training=BRIEF, members=2).arrays()
    classifier = made(training=BRIEF)
    own = child_seed(SEED, "member", "2")
    learned, aside = _trained.split(y, len(CLASSES), share=0.1, seed=SEED)  # those of the first
    classifier._train(x, y, learned, aside, n_classes=len(CLASSES), seed=own, watch=Watch())
    for name, array in classifier.arrays().items():
        assert np.array_equal(several[f"member2.{name}"], array), name


def test_one_member_without_masks_is_what_it_always_was() -> None:
    classifier = fitted(training=BRIEF)
    assert classifier.opinions() == {}
    assert classifier._whole() is classifier._network
    assert not [name for name in classifier.arrays() if name.startswith(("member", "masks"))]
    # Checkpoints of a training name nothing of what it is averaged with.
    again = made(training=BRIEF, members=4, dropout_samples=3)
    x, y = labelled()
    assert again._identity(x, y, SEED, None) == classifier._identity(x, y, SEED, None)


def test_fit_on_record_is_of_the_first_and_names_all_best_epochs() -> None:
    classifier = trained("lstm", 3, 5)
    assert classifier.chosen["epochs"] == len(classifier.history) == 1
    assert classifier.chosen["best_epochs"] == [1, 1, 1]
    assert classifier.opinions() == {"networks": 3, "dropout_samples": 5}
    assert classifier.n_parameters == 3 * trained("lstm", 1, 5).n_parameters


def test_random_numbers_of_the_caller_are_left_alone_and_decide_nothing() -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    one, again = (fitted(training=BRIEF, **TWO) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert len([name for name in one.arrays() if ".masks." in name]) == 2 * 3
    for name, array in one.arrays().items():
        assert np.array_equal(array, again.arrays()[name]), name
    x, _ = labelled()
    assert np.array_equal(one.scores(x), again.scores(x))


def test_members_keep_groups_of_rows_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = labelled()
    groups = np.repeat(np.arange(len(x) // 6), 6)  # two of each class
    jobs: list[loop.Job] = []
    real = loop.train

    def train(model: nn.Module, job: loop.Job, watch: Watch) -> loop.Fit:
        jobs.append(job)
        return real(model, job, watch)

    monkeypatch.setattr(loop, "train", train)
    classifier = made(training=BRIEF, members=2)
    classifier.fit(x, y, n_classes=3, seed=SEED, watch=Watch(groups=groups))
    place = dict(zip(x, groups.tolist(), strict=True))
    for job in jobs:
        examples: Any = job.examples
        validation: Any = job.validation
        learned, aside = ({place[s] for s in part.sequences} for part in (examples, validation))
        assert aside
        assert not learned & aside
    assert jobs[0].identity != made(training=BRIEF, members=2)._identity(x, y, SEED, None)


# --- after a kill, and when it is stopped


class Killed(Exception):
    """What ends a training between two members."""


@pytest.mark.slow
def test_training_that_was_killed_between_members_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"training": BRIEF, "members": 3}

    def kill(stage: str, _done: int, _total: int) -> None:
        if stage.startswith("member 3"):
            raise Killed

    with pytest.raises(Killed):
        fitted(watch=Watch(workspace=tmp_path, on_progress=kill), **options)
    assert (tmp_path / "member-2" / "checkpoint.pt").exists()
    told: list[str] = []
    resumed = fitted(
        watch=Watch(workspace=tmp_path, on_progress=lambda stage, *_: told.append(stage)), **options
    )
    assert {stage.split(",")[0] for stage in told} == {"member 3"}
    for name, array in fitted(**options).arrays().items():
        assert np.array_equal(array, resumed.arrays()[name]), name
    with pytest.raises(ConfigError, match=r"checkpoint\.pt belongs to a run with another configuration"):
        fitted(watch=Watch(workspace=tmp_path), **options, seed=SEED + 1)


def test_more_members_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    fitted(training=BRIEF, members=2, watch=Watch(workspace=tmp_path))
    told: list[str] = []
    watch = Watch(workspace=tmp_path, on_progress=lambda stage, *_: told.append(stage))
    fitted(training=BRIEF, members=3, watch=watch)
    assert {stage.split(",")[0] for stage in told} == {"member 3"}


def test_who_judges_epochs_hears_of_the_first_member_alone() -> None:
    heard: list[float] = []

    def judge(record: Any) -> bool:
        heard.append(record["epoch"])
        return False

    fitted(training={**BRIEF, "epochs": 2}, members=2, watch=Watch(on_epoch=judge))
    assert heard == [1, 2]


def test_fit_that_is_stopped_trains_no_other_member(monkeypatch: pytest.MonkeyPatch) -> None:
    n_trained = []
    real = loop.train

    def train(*given: Any) -> loop.Fit:
        n_trained.append(1)
        return real(*given)

    monkeypatch.setattr(loop, "train", train)
    classifier = fitted(training=BRIEF, members=3, watch=Watch(on_epoch=lambda _record: True))
    assert n_trained == [1]
    assert classifier.scores(labelled()[0]).shape == (72, 3)


def test_fault_of_a_member_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real, numbers = loop.train, iter(range(3))

    def train(*given: Any) -> loop.Fit:
        if next(numbers) == 1:
            raise TrainingError("the loss became nan")
        return real(*given)

    monkeypatch.setattr(loop, "train", train)
    with pytest.raises(TrainingError, match="the loss became nan"):
        fitted(training=BRIEF, members=3)


# --- masks


def masked(name: str) -> tuple[Any, Any]:
    classifier = trained(name, 1, 5)
    return classifier._network, classifier._masks[0]


@pytest.mark.parametrize("name", SMALL)
def test_mask_is_one_for_all_sequences_and_positions(name: str) -> None:
    network, masks = masked(name)
    assert set(masks) == set(_members.layers_of(network))
    batch = torch.from_numpy(tokens.pad(mixed()))
    met: dict[str, torch.Tensor] = {}
    for layer, its_masks in masks.items():
        assert len(its_masks) == 5
        (p,) = {part.p for name, part in _members.layers_of(network).items() if name == layer}
        assert set(np.unique(its_masks)) <= {0.0, np.float32(1 / (1 - p))}
        network.get_submodule(layer).register_forward_pre_hook(
            lambda _layer, given, layer=layer: met.update({layer: given[0]})
        )
    with torch.inference_mode():
        network(batch)
    for layer, x in met.items():
        shape = masks[layer].shape[1:]
        assert x.ndim == len(shape)
        assert x.shape[0] == len(batch)
        assert shape[0] == 1
        units = [axis for axis, n in enumerate(shape) if n > 1]
        assert len(units) == 1  # all other axes are sequences or positions
        assert x.shape[units[0]] == shape[units[0]]


def test_masks_leave_out_the_share_that_training_does() -> None:
    head = nn.Sequential(nn.Linear(4, 4_000), nn.Dropout(0.3), nn.Linear(4_000, 2), nn.Dropout(0.0))
    masks = _members.drawn(head, [(torch.zeros(n, 4),) for n in (2, 3)], 10, seed=1)
    assert set(masks) == {"1"}
    assert (masks["1"] == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert masks["1"].mean() == pytest.approx(1, abs=0.02)
    assert len({mask.tobytes() for mask in masks["1"]}) == 10
    other = _members.drawn(head, [(torch.zeros(n, 4),) for n in (2, 3)], 10, seed=2)
    assert not np.array_equal(masks["1"], other["1"])


def test_mask_is_what_dropout_does_with_it() -> None:
    network, masks = masked("mlp")
    batch = torch.from_numpy(tokens.pad(mixed()))
    with torch.inference_mode():
        found = _members.Mean([_members.Masked(network, masks)]).members(batch)
        mask = batch != tokens.PAD
        h = (network.backbone(batch, mask) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        *before, last = network.head.layers
        for layer in before:
            if not isinstance(layer, nn.Dropout):
                h = layer(h)
        (of_layer,) = masks.values()
        for number, of_units in enumerate(of_layer):
            expected = last(h * torch.from_numpy(of_units)).log_softmax(dim=1)
            assert found[:, number].numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_network_is_left_without_masks() -> None:
    network, masks = masked("lstm")
    batch = torch.from_numpy(tokens.pad(mixed()))
    with torch.inference_mode():
        before = network(batch)
        _members.Mean([_members.Masked(network, masks)])(batch)
        assert torch.equal(network(batch), before)


# --- what is predicted


@pytest.mark.parametrize("opinions", [OPINIONS, {"members": 3}, {"dropout_samples": 5}], ids=str)
def test_scores_are_the_logarithm_of_the_mean_probability(opinions: dict[str, int]) -> None:
    classifier = trained("lstm", opinions.get("members", 1), opinions.get("dropout_samples", 0))
    batch = torch.from_numpy(tokens.pad(mixed()))
    whole = classifier._whole()
    with torch.inference_mode():
        members = whole.members(batch).double().numpy()
        attention = whole.attention(batch)[1]
    n = opinions.get("members", 1) * opinions.get("dropout_samples", 1)
    assert members.shape == (11, n, 3)
    assert np.exp(members).sum(axis=2) == pytest.approx(np.ones((11, n)), abs=1e-6)
    scores = classifier.scores(np.array(mixed(), dtype=object))
    assert scores == pytest.approx(np.log(np.exp(members).mean(axis=1)), abs=1e-6)
    assert len(np.unique(members[0, :, 0])) == n
    assert attention.sum(dim=1).numpy() == pytest.approx(np.ones(11), abs=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_order_company_and_pads_change_nothing(name: str) -> None:
    classifier = trained(name, 1, 5)
    x = np.array(mixed(), dtype=object)
    expected = classifier.scores(x)
    assert classifier.scores(x[::-1])[::-1] == pytest.approx(expected, abs=1e-6)
    alone = np.concatenate([classifier.scores(x[row : row + 1]) for row in range(len(x))])
    assert alone == pytest.approx(expected, abs=1e-6)
    more = np.pad(tokens.pad(mixed()), ((0, 0), (0, 37)), constant_values=tokens.PAD)
    with torch.inference_mode():
        behind_pads = classifier._whole()(torch.from_numpy(more)).numpy()
    assert behind_pads == pytest.approx(expected, abs=2e-6)


def test_vectors_of_members_side_by_side_give_the_same() -> None:
    # A network is explained at what its backbone gives.
    whole = trained("lstm", 3, 5)._whole()
    batch = torch.from_numpy(tokens.pad(mixed()))
    mask = batch != tokens.PAD
    with torch.inference_mode():
        vectors = whole.backbone(batch, mask)
        assert vectors.shape == (*batch.shape, 3 * 6)
        assert whole.head(vectors, mask).numpy() == pytest.approx(whole(batch).numpy(), abs=1e-6)


# --- the graph


@pytest.mark.slow
@pytest.mark.parametrize(("name", "opinions"), CASES)
def test_graph_gives_what_the_members_do(name: str, opinions: dict[str, int]) -> None:
    classifier = trained(name, **opinions)
    graph = classifier.to_onnx()
    for sequences in (mixed(), mixed()[:1], tiny.random_sequences(2, 3, shortest=1, longest=3)):
        given = np.pad(tokens.pad(sequences), ((0, 0), (0, 2)), constant_values=tokens.PAD)
        found = run(graph, {"tokens": given})
        with torch.inference_mode():
            whole = classifier._whole()
            members = whole.members(torch.from_numpy(given)).numpy()
            expected = whole.attention(torch.from_numpy(given))[1] if "attention" in found else None
        assert found["members"] == pytest.approx(members, abs=EXPORTED)
        scores = classifier.scores(np.array(sequences, dtype=object))
        assert found["scores"] == pytest.approx(scores, abs=EXPORTED)
        if expected is not None:
            assert found["attention"] == pytest.approx(expected.numpy(), abs=1e-6)
    assert ("attention" in found) == classifier._network.head.has_attention


@cache
def of_features(n_classes: int, **options: int) -> Any:
    rng = np.random.default_rng(0)
    y = np.arange(90) % n_classes
    x = (rng.normal(size=(90, 7)) + y[:, None]).astype(np.float32)
    variant = registry.get("classifier", "head")
    training = {"epochs": 2, "batch_size": 16}
    head = {"name": "mlp", "options": {"hidden": [6]}}
    classifier = variant(variant.Config(head=head, training=training, **options))
    classifier.fit(x, y, n_classes=n_classes, seed=SEED)
    return classifier


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, pytest.param(3, marks=SLOW)])
def test_graph_of_heads_on_features_gives_what_they_do(n_classes: int) -> None:
    classifier = of_features(n_classes, **TWO)
    x = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32)
    before = classifier.scores(x)
    found = run(classifier.to_onnx(), {"features": x})
    assert np.array_equal(classifier.scores(x), before)  # the export leaves the network as it was
    assert any(isinstance(part, nn.Dropout) for part in classifier._network.modules())
    assert set(found) == {"scores", "members"}
    assert found["scores"] == pytest.approx(classifier.scores(x), abs=EXPORTED)
    with torch.inference_mode():
        logs = classifier._whole().members(torch.from_numpy(x)).numpy()
    expected = logs[..., 1:] - logs[..., :1] if n_classes == 2 else logs
    assert found["members"] == pytest.approx(expected, abs=EXPORTED)
    if n_classes == 2:
        mean = (1 / (1 + np.exp(-found["members"].astype(float)))).mean(axis=1)
        assert 1 / (1 + np.exp(-found["scores"].astype(float))) == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("n_scores", [1, 3])
def test_scores_stay_finite_however_far_logits_are_apart(n_scores: int) -> None:
    from onnx import TensorProto, helper

    # A graph that passes on what it is given.
    value = helper.make_tensor_value_info
    shape: list[str | int] = ["N", n_scores]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["features"], ["scores"])],
        "g",
        [value("features", TensorProto.FLOAT, shape)],
        [value("scores", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 18)]
    part = _member_graphs.Part(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    x = np.array([[-400.0, 0.0, 400.0][:n_scores], [300.0, 300.0, -300.0][:n_scores]], dtype=np.float32)
    found = run(_member_graphs.joined([part, part]), {"features": x})
    assert np.isfinite(found["scores"]).all()
    logs = x if n_scores == 1 else x - np.log(np.exp(x.astype(float)).sum(axis=1, keepdims=True))
    assert found["scores"] == pytest.approx(logs, rel=1e-5, abs=1e-4)


# --- options

LEAVES_NOTHING_OUT = (
    "leaves nothing out: set its option dropout above 0, or leave out dropout_samples and set members above 1"
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dropout_samples": 1},
            "dropout_samples is 1; allowed: 0 for none, or 2 and more, which can differ",
        ),
        (
            {"dropout_samples": 20, "head": {"name": "linear"}},
            f"dropout_samples is 20, and head 'linear' {LEAVES_NOTHING_OUT}",
        ),
        (
            {"dropout_samples": 2, "head": {"name": "lstm", "options": {"dropout": 0}}},
            f"dropout_samples is 2, and head 'lstm' {LEAVES_NOTHING_OUT}",
        ),
    ],
)
def test_option_that_cannot_be_met_is_named_before_any_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("option", [{"members": 0}, {"dropout_samples": -1}, {"members": 101}])
@pytest.mark.parametrize("name", ["neural", "head", "fine_tuned"])
def test_number_that_is_not_allowed_is_refused(name: str, option: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=r"Input should be (greater|less) than or equal to"):
        registry.get("classifier", name).Config(**option)


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_language_model_that_is_trained_along_has_one_member(mode: str) -> None:
    with pytest.raises(ValidationError) as caught:
        registry.get("classifier", "fine_tuned").Config(mode=mode, members=3)
    assert (
        f"members is 3, and mode '{mode}' trains the language model along, of which a model folder holds "
        "one; allowed: 1, with dropout_samples for several opinions of the head, or mode 'frozen' with "
        "several heads on one language model"
    ) in str(caught.value)
    assert registry.get("classifier", "fine_tuned").Config(mode=mode, dropout_samples=3).members == 1


def test_rows_of_several_classes_have_one_opinion() -> None:
    x, y = labelled()
    with pytest.raises(ConfigError) as caught:
        made(training=BRIEF, members=2).fit(x, np.eye(3, dtype=np.int64)[y], n_classes=3, seed=SEED)
    assert str(caught.value) == (
        "members is 2 and dropout_samples 0: their mean is of one class a sequence, and here one may have "
        "several; leave both out"
    )


def test_presets_take_members() -> None:
    from sortilin.experiment import presets

    for name in ("lstm", presets.CNN_ATTENTION):
        options = presets.get(name, "custom").classifier.options
        variant = registry.get("classifier", "neural")
        assert variant(variant.Config(**options, **TWO)).config.members == 2


def test_mean_of_logarithms_is_that_of_the_probabilities() -> None:
    p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
    assert _members.mean_of_logs(p.log())[0].tolist() == pytest.approx([math.log(0.7), math.log(0.3)])


# --- what several opinions are good for


KNOWN, STRANGE = "ADEGIKLNPQRSTV", "CFHMWY"
"""Residues that a network learns from, and others."""


def _disagreement(seed: int, **options: int) -> tuple[Any, Any]:
    """Of 120 sequences like those that were learned from, and of 120 of residues that were not among them."""
    rng = np.random.default_rng(seed)

    def sequences(n: int, letters: str) -> list[str]:
        return [tiny.random_sequence(rng, int(rng.integers(20, 40)), letters) for _ in range(n)]

    planted = [KNOWN + 3 * more for more in tiny.PLANTED.values()]
    x = np.array([s for letters in planted for s in sequences(60, letters)], dtype=object)
    like = [s for letters in planted for s in sequences(40, letters)]
    training = {"epochs": 8, "learning_rate": 0.01, "batch_size": 16, "metric": "loss"}
    head = {"name": "light_attention", "options": {"hidden": 8, "filters": 8, "kernel": 5}}
    backbone = {"name": "onehot", "options": {"embedding": 8}}
    classifier = made(backbone=backbone, head=head, training=training, validation=0.2, **options)
    classifier.fit(x, np.repeat(np.arange(3), 60), n_classes=3, seed=seed)
    calibrate = calibration.fit(*classifier.set_aside(), n_classes=3)

    def apart(rows: list[str]) -> Any:
        with torch.inference_mode():
            logs = classifier._whole().members(torch.from_numpy(tokens.pad(rows))).double().numpy()
        return spread.disagreement(calibrate(logs.reshape(-1, 3)).reshape(logs.shape))

    return apart(like), apart(sequences(120, STRANGE))


@SLOW
@pytest.mark.parametrize("seed", range(2))
def test_members_are_further_apart_on_sequences_unlike_those_they_learned_from(seed: int) -> None:
    like, unlike = _disagreement(seed, members=5)
    assert unlike.mean() > 2 * like.mean()
    higher = (unlike[:, None] > like[None]).mean()  # the area under the ROC curve
    assert higher > 0.8
