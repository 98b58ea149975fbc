"""A head on a language model: what each mode trains, what is saved, and that it comes back as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("peft")
pytest.importorskip("transformers")

import torch
import yaml
from safetensors import safe_open

import hub as hubs
import sortilin
import tiny
from sortilin import artifact, language_models, registry
from sortilin.classifiers import _finetuning, fine_tuned
from sortilin.classifiers._finetuning_memory import memory_estimate
from sortilin.cli.main import cli
from sortilin.component import Component
from sortilin.embedding import Embedder, EmbeddingConfig, engines
from sortilin.errors import BackboneError, ConfigError, ModelFolderError, SortilinError
from sortilin.interfaces import Watch
from sortilin.language_models import LoadedModel

MODES = ("frozen", "lora", "full")
HEAD = {"name": "light_attention", "options": {"filters": 8, "kernel": 3}}
TRAINING = {"epochs": 5, "batch_size": 16, "learning_rate": 0.01, "precision": "float32"}
NEW = tiny.random_sequences(9, 12, shortest=3, longest=40)
SEED = 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hubs.Hub]:
    """Tiny models on a hub, and a cache of graphs, for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        with hubs.serving(patch, tmp_path_factory.mktemp("hf-home")) as hub:
            hub.publish("esm2_t6")
            hub.publish("protxlnet")  # pads on the left
            yield hub


def rows(n: int = 60, n_classes: int = 2) -> tuple[Any, Any]:
    """Sequences rich in other residues in each class."""
    rng = np.random.default_rng(3)
    y = np.arange(n) % n_classes
    letters = [tiny.RESIDUES + 12 * more for more in ("DE", "KR", "ILV")]
    x = [tiny.random_sequence(rng, int(rng.integers(8, 24)), letters[c]) for c in y]
    return np.array(x, dtype=object), y


def made(mode: str, **options: Any) -> Any:
    variant = registry.get("classifier", "fine_tuned")
    rates = {} if mode == "frozen" else {"backbone_learning_rate": 3e-3}
    return variant(variant.Config(**{"mode": mode, "head": HEAD, "training": TRAINING, **rates, **options}))


def fitted(mode: str, *, n_classes: int = 2, watch: Watch | None = None, **options: Any) -> Any:
    classifier = made(mode, **options)
    x, y = rows(n_classes=n_classes)
    classifier.fit(x, y, n_classes=n_classes, seed=SEED, watch=watch or Watch())
    return classifier


fitted_once = cache(fitted)


def written(classifier: Any, path: Path) -> artifact.ModelFolder:
    """A model folder of a classifier of two classes."""
    described = {
        "task": "custom",
        "classes": ["a", "b"],
        **classifier.reads(),
        **({"members": opinions} if (opinions := classifier.opinions()) else {}),
        "classifier": {"name": "fine_tuned"},
        "training_data": {"name": "made up", "lengths": [8, 24]},
        "seed": SEED,
        "metrics": {},
    }
    arrays = {
        "calibration.weights": np.array([[-0.5, 0.5]]),
        "calibration.bias": np.zeros(2),
        "training_hashes": np.array([], dtype=np.uint64),
    }
    return artifact.write(
        path, described, graph=classifier.to_onnx(), arrays=arrays, card="#", folders=classifier.folders()
    )


@dataclass(frozen=True)
class Saved:
    mode: str
    classifier: Any
    folder: artifact.ModelFolder


@pytest.fixture(scope="module")
def save(served: hubs.Hub, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Saved]:
    """Fitted and written once a mode: each export takes seconds."""

    @cache
    def once(mode: str) -> Saved:
        classifier = fitted_once(mode)
        return Saved(mode, classifier, written(classifier, tmp_path_factory.mktemp("models") / "model"))

    return once


@pytest.fixture(scope="module", params=MODES)
def saved(request: pytest.FixtureRequest, save: Callable[[str], Saved]) -> Saved:
    return save(request.param)


def copy_of(saved: Saved, path: Path) -> Path:
    """A folder to spoil."""
    return Path(shutil.copytree(saved.folder.path, path))


def published() -> dict[str, torch.Tensor]:
    """The language model's weights as they are on the hub."""
    return dict(language_models.load("esm2_t6").module.state_dict())


def published_buffers() -> Any:
    return language_models.load("esm2_t6").module.named_buffers()


# --- what is trained


@pytest.mark.parametrize("mode", MODES)
def test_loss_falls(mode: str, served: hubs.Hub) -> None:
    losses = [record["train_loss"] for record in fitted_once(mode).history]
    assert losses[-1] < 0.9 * losses[0]


def test_frozen_trains_the_head_alone(served: hubs.Hub) -> None:
    before = published()
    network = fitted_once("frozen")._network
    assert {name.partition(".")[0] for name, _ in network.named_parameters()} == {"head"}
    for name, weight in published().items():
        assert torch.equal(weight, before[name]), name


def test_lora_moves_adapters_and_head_and_no_weight_below(served: hubs.Hub) -> None:
    classifier = fitted_once("lora")
    before, adapted = published(), classifier._network.encoder.state_dict()
    below = {name.replace(".base_layer", ""): w for name, w in adapted.items() if "lora_" not in name}
    assert below.keys() == before.keys()
    for name, weight in below.items():
        assert torch.equal(weight, before[name]), name
    adapters = {name: weight for name, weight in adapted.items() if "lora_" in name}
    assert len(adapters) == hubs.LAYERS * 4 * 2  # query, key, value and output, A and B of each
    moved = [name for name, w in adapters.items() if "lora_B" in name and bool(w.any())]  # B begins at 0
    assert len(moved) == len(adapters) / 2
    head = sum(p.numel() for p in classifier._network.head.parameters())
    assert classifier.n_parameters == head + sum(w.numel() for w in adapters.values())


def test_full_moves_all_that_the_vectors_depend_on(served: hubs.Hub) -> None:
    classifier = fitted_once("full")
    before, after = published(), classifier._network.encoder.state_dict()
    still = {name for name, weight in after.items() if torch.equal(weight, before[name])}
    parameters = dict(classifier._network.encoder.named_parameters())
    assert {name for name in still if name in parameters} == {
        "contact_head.regression.weight",
        "contact_head.regression.bias",
    }
    assert not any(parameters[name].requires_grad for name in parameters if name in still)


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_layers_above_the_one_that_is_read_are_not_trained(mode: str, served: hubs.Hub) -> None:
    classifier = fitted(mode, layer=1, training={**TRAINING, "epochs": 1})
    before, after = published(), classifier._network.encoder.state_dict()
    moved = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    if mode == "full":
        assert any("layer.0" in name for name in moved)
        assert not any(f"layer.{n}." in name for name in moved for n in (1, 2))
    else:
        assert moved == set()


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_learning_rates_are_two(mode: str, served: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[int, float]] = []
    step = torch.optim.AdamW.step

    def noted(self: Any, *arguments: Any) -> Any:
        seen.append({id(p): g["lr"] for g in self.param_groups for p in g["params"]})
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    network = fitted(mode, backbone_learning_rate=1e-4, training={**TRAINING, "epochs": 1})._network
    for rates in seen:
        (of_head,) = {rates[id(p)] for p in network.head.parameters()}
        (of_encoder,) = {rates[id(p)] for p in network.encoder.parameters() if p.requires_grad}
        assert of_encoder == pytest.approx(of_head / 100)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lora", "full"])
def test_recomputed_layers_train_the_same(
    mode: str, served: hubs.Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = fitted_once(mode)
    found = fitted(mode, gradient_checkpointing=True)
    for one, other in zip(expected.history, found.history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
    assert found.scores(rows()[0]) == pytest.approx(expected.scores(rows()[0]), abs=2e-3)
    assert capfd.readouterr().err == ""  # transformers has nothing to say of it


@pytest.mark.slow
def test_accumulated_batches_are_steps_of_their_own(served: hubs.Hub) -> None:
    options = {**TRAINING, "epochs": 2, "batch_size": 6, "accumulation": 3}
    losses = [record["train_loss"] for record in fitted("full", training=options).history]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_half_precision_trains(served: hubs.Hub) -> None:
    classifier = fitted("lora", training={**TRAINING, "precision": "bfloat16"})
    losses = [record["train_loss"] for record in classifier.history]
    assert losses[-1] < losses[0]
    assert np.isfinite(classifier.scores(rows()[0])).all()


def test_each_sequence_goes_through_a_frozen_model_once(
    served: hubs.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    embed = Embedder.embed

    def noted(self: Embedder, sequences: Any, **options: Any) -> Any:
        asked.extend(sequences)
        return embed(self, sequences, **options)

    monkeypatch.setattr(Embedder, "embed", noted)
    kept = fitted("frozen")
    assert sorted(asked) == sorted(rows()[0])
    asked.clear()
    monkeypatch.setattr(fine_tuned, "MOST_KEPT_BYTES", 0)  # too much to be kept: computed batch by batch
    again = fitted("frozen")
    assert len(asked) > 5 * len(rows()[0])
    assert again.scores(rows()[0]) == pytest.approx(kept.scores(rows()[0]), abs=1e-4)


@pytest.mark.slow
def test_same_seed_fits_the_same_and_another_another(served: hubs.Hub) -> None:
    one, same = fitted_once("lora"), fitted("lora")
    x, y = rows()
    assert np.array_equal(one.scores(x), same.scores(x))
    other = made("lora")
    other.fit(x, y, n_classes=2, seed=SEED + 1)
    assert not np.array_equal(one.scores(x), other.scores(x))


def test_killed_fit_goes_on_and_checkpoints_hold_no_fixed_weight(served: hubs.Hub, tmp_path: Path) -> None:
    training = {**TRAINING, "epochs": 3, "checkpoint_minutes": 1e-9}
    whole = fitted("lora", training=training)

    class Killed(BaseException):
        """As a kill would: nothing catches it."""

    def die(record: Any) -> bool:
        raise Killed

    with pytest.raises(Killed):
        fitted("lora", training=training, watch=Watch(workspace=tmp_path, on_epoch=die))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert {name.partition(".")[0] for name in state["model"]} == {"head", "encoder"}
    below = {name for name in state["model"] if name.startswith("encoder.") and "lora_" not in name}
    assert below <= {f"encoder.{name}" for name, _ in published_buffers()}
    rest = fitted("lora", training=training, watch=Watch(workspace=tmp_path))
    assert np.array_equal(rest.scores(rows()[0]), whole.scores(rows()[0]))


# --- residues of the language model


@pytest.mark.parametrize("longest", [200, 2_000])
def test_model_that_is_ready_to_train_gives_the_same_states(longest: int, served: hubs.Hub) -> None:
    model, ready = language_models.load("esm2_t6"), language_models.load("esm2_t6")
    language_models.ready_to_train(ready, longest)
    ids, attention, _ = map(torch.from_numpy, model.vocabulary.batch(NEW))
    with torch.inference_mode():
        expected, found = (each.hidden(ids, attention) for each in (model, ready))
    assert torch.allclose(found[attention], expected[attention], atol=2e-5)
    assert not torch.equal(found, expected)  # it is another way


@pytest.mark.parametrize("backbone", ["esm2_t6", "protxlnet"])
def test_head_is_given_residues_alone_from_the_first_on(backbone: str, served: hubs.Hub) -> None:
    model = language_models.load(backbone)
    sequences = ["MKV", "ACDEFGHIKLMNP", "W"]
    ids, attention, is_residue = map(torch.from_numpy, model.vocabulary.batch(sequences))
    with torch.inference_mode():
        x, mask = _finetuning.to_front(model.hidden(ids, attention), is_residue)
    assert mask.sum(dim=1).tolist() == [3, 13, 1]
    assert not x[~mask].any()
    config = EmbeddingConfig(backbone=backbone, pooling="none", engine="torch")
    for row, expected in zip(x, Embedder.of(config).embed(sequences), strict=True):
        assert row[: len(expected)].numpy() == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(
    "family", [name for name in registry.names("language_model") if name != "huggingface"]
)
def test_adapters_stand_in_each_layer_of_each_family(family: str) -> None:
    variant = registry.get("language_model", family)
    checkpoint = hubs.tiny_checkpoint(variant.checkpoints[0])
    module = hubs.tiny_module(family)
    module = getattr(module, module.base_model_prefix, module)
    model = LoadedModel(checkpoint, variant.vocabulary(), module.requires_grad_(False), Path("/dev/null"))
    language_models.ready_to_train(model, 10)
    language_models.add_adapter(model, rank=2, alpha=4, dropout=0, targets=None, seed=1)
    ids, attention, _ = map(torch.from_numpy, model.vocabulary.batch(["MKV", "ACDEF"]))
    model.hidden(ids, attention).sum().backward()
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    n_layers = 1 if family == "protalbert" else hubs.LAYERS  # its layers share their weights
    assert len(trained) == n_layers * len(variant.lora_targets) * 2
    assert all("lora_" in name for name in trained)
    assert all(p.grad is not None for p in module.parameters() if p.requires_grad)


def test_adapter_for_a_layer_that_is_not_there_names_those_that_are(served: hubs.Hub) -> None:
    with pytest.raises(ConfigError) as caught:
        fitted("lora", lora={"targets": ["q_proj"]})
    assert str(caught.value) == (
        "esm2_t6 has no layer that takes an adapter by the name ['q_proj']; allowed: dense, key, query, "
        "regression, value"
    )


# --- model folders


def test_saved_and_loaded_agree(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sortilin.load(saved.folder.path)
    x = [*rows()[0], *NEW]
    expected = saved.classifier.scores(np.array(x, dtype=object))
    assert np.ptp(expected) > 0.01
    probabilities = saved.folder.calibration()(expected)
    assert model.predict_proba(x) == pytest.approx(probabilities, abs=1e-6)
    assert model.predict_proba(x[::-1])[::-1] == pytest.approx(probabilities, abs=1e-6)
    assert model.predict_proba(x[:1]) == pytest.approx(probabilities[:1], abs=1e-6)
    # With the engine that trained, which rounds alike, the scores themselves.
    monkeypatch.setattr(engines, "_best", lambda _precision: engines.TORCH)
    assert sortilin.load(saved.folder.path).scores(x) == pytest.approx(expected, abs=1e-6)


def test_folder_says_of_which_language_model_it_is(saved: Saved) -> None:
    described = saved.folder.description
    known = language_models.checkpoint("esm2_t6")
    assert described["residues"] == {"max_residues": 1022, "keep_last": 100}
    assert described["language_model"] == {
        "mode": saved.mode,
        "backbone": "esm2_t6",
        "layer": -1,
        "name": "esm2_t6",
        "hub_id": "facebook/esm2_t6_8M_UR50D",
        "revision": known.revision,
        "licence": "MIT",
        "citation": known.citation,
        "width": hubs.WIDTH,
    }


def test_folder_holds_what_was_trained_and_nothing_else(saved: Saved) -> None:
    files = {path.relative_to(saved.folder.path).as_posix() for path in saved.folder.path.rglob("*.*")}
    common = {"model.json", "model.onnx", "arrays.safetensors", "README.md"}
    below = {
        "frozen": set(),
        "lora": {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"},
        "full": {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"},
    }[saved.mode]
    below = {f"backbone/{name}" if saved.mode == "full" else name for name in below}
    assert files == common | below
    assert set(saved.folder.description["files"]) == files - {"model.json"}


def test_lora_folder_holds_adapters_only(save: Callable[[str], Saved]) -> None:
    folder = save("lora").folder.path / "adapter"
    with safe_open(folder / "adapter_model.safetensors", framework="numpy") as stored:
        shapes = {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118 - no mapping
    assert len(shapes) == hubs.LAYERS * 4 * 2
    for name, shape in shapes.items():
        assert name.startswith("base_model.model.encoder.layer.")
        assert name.endswith((".lora_A.weight", ".lora_B.weight"))
        assert sorted(shape) == [8, hubs.WIDTH]
    options = json.loads((folder / "adapter_config.json").read_text())
    assert options["peft_type"] == "LORA"
    assert options["base_model_name_or_path"] == "facebook/esm2_t6_8M_UR50D"
    assert options["target_modules"] == ["attention.output.dense", "key", "query", "value"]


def test_adapters_are_read_by_peft_itself(save: Callable[[str], Saved]) -> None:
    from peft import PeftModel

    classifier, folder = save("lora").classifier, save("lora").folder.path / "adapter"
    model = language_models.load("esm2_t6")
    ids, attention, _ = map(torch.from_numpy, model.vocabulary.batch(NEW))
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):
        PeftModel.from_pretrained(model.module, str(folder))
    with torch.inference_mode():
        expected = classifier._network.model.hidden(ids, attention)
        assert torch.allclose(model.hidden(ids, attention)[attention], expected[attention], atol=1e-5)


def test_whole_model_is_read_as_a_backbone(save: Callable[[str], Saved]) -> None:
    classifier, folder = save("full").classifier, save("full").folder.path / "backbone"
    found = language_models.load(str(folder)).module.state_dict()
    expected = classifier._network.encoder.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


def test_whole_model_can_be_the_backbone_of_another(save: Callable[[str], Saved]) -> None:
    folder = save("full").folder.path / "backbone"
    again = fitted("lora", backbone=str(folder), training={**TRAINING, "epochs": 1})
    adapters = [n for n, _ in again._network.encoder.named_parameters() if "lora_" in n]
    assert len(adapters) == hubs.LAYERS * 4 * 2  # by the rules of its family


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lora", "full"])
def test_two_trainings_of_one_model_are_told_apart(
    mode: str, save: Callable[[str], Saved], tmp_path: Path
) -> None:
    # Same architecture, same sizes of files: only their content differs. The graph of the first is there.
    one = save(mode)
    first = sortilin.load(one.folder.path).predict_proba(NEW)
    other = fitted(mode, training={**TRAINING, "epochs": 2})
    folder = written(other, tmp_path / "other")
    expected = folder.calibration()(other.scores(np.array(NEW, dtype=object)))
    assert sortilin.load(folder.path).predict_proba(NEW) == pytest.approx(expected, abs=1e-6)
    assert np.abs(first - expected).max() > 1e-3


def test_attention_is_that_of_the_residues(saved: Saved) -> None:
    model = sortilin.load(saved.folder.path)
    for sequence, weights in zip(NEW, model.attention(NEW), strict=True):
        assert weights.shape == (len(sequence),)
        assert weights.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_long_sequence_is_read_at_its_ends(served: hubs.Hub, tmp_path: Path) -> None:
    classifier = fitted("frozen", max_residues=10, keep_last=3, training={**TRAINING, "epochs": 1})
    model = sortilin.load(written(classifier, tmp_path / "model").path)
    long = "ACDEFGHIKLMNPQRS"
    joined = long[:7] + long[-3:]
    assert model.scores([long]) == pytest.approx(model.scores([joined]), abs=1e-6)
    (weights,) = model.attention([long])
    assert np.isnan(weights).tolist() == [False] * 7 + [True] * 6 + [False] * 3
    assert np.nansum(weights) == pytest.approx(1, abs=1e-5)
    assert "shortened_to:10" in model.predict([long])[0].flags


def test_folder_of_another_revision_is_refused(save: Callable[[str], Saved], tmp_path: Path) -> None:
    for mode in ("frozen", "lora"):
        folder = copy_of(save(mode), tmp_path / mode)
        described = json.loads((folder / "model.json").read_text())
        described["language_model"]["revision"] = "0" * 40
        (folder / "model.json").write_text(json.dumps(described))
        with pytest.raises(
            BackboneError, match=f"the model was trained on revision {'0' * 40}, and the files"
        ):
            sortilin.load(folder).scores(NEW)


def test_adapter_that_was_changed_is_found(save: Callable[[str], Saved], tmp_path: Path) -> None:
    folder = copy_of(save("lora"), tmp_path / "model")
    weights = folder / "adapter" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelFolderError, match=r"adapter_model\.safetensors is damaged: its SHA-256"):
        sortilin.load(folder)


# --- what is not there, and what is not allowed


@pytest.fixture
def nothing_fetched(served: hubs.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "empty-cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("mode", MODES)
def test_model_that_is_not_here_is_named_with_the_command(mode: str, nothing_fetched: None) -> None:
    assert made(mode).absent() == "sortilin backbones fetch esm2_t6"
    x, y = rows()
    with pytest.raises(
        BackboneError, match=r"is not on this machine: missing .*sortilin backbones fetch esm2_t6"
    ):
        made(mode).fit(x, y, n_classes=2, seed=1)


def test_model_that_is_here_is_not_absent(served: hubs.Hub) -> None:
    language_models.fetch("esm2_t6")
    assert made("full").absent() is None


def test_saved_model_without_its_language_model_says_what_is_missing(
    saved: Saved, nothing_fetched: None
) -> None:
    model = sortilin.load(saved.folder.path)
    if saved.mode == "full":  # it is there
        assert model.scores(NEW).shape == (len(NEW), 1)
        return
    with pytest.raises(BackboneError, match="sortilin backbones fetch esm2_t6"):
        model.scores(NEW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "half"}, "mode: Input should be 'frozen', 'full' or 'lora' (found 'half')"),
        (
            {"backbone_learning_rate": 1e-4},
            "mode 'frozen' trains nothing of the language model: leave out backbone_learning_rate",
        ),
        ({"mode": "full", "lora": {"rank": 4}}, "mode 'full' has no adapters: leave out lora"),
        ({"head": {"name": "cnn_atention"}}, "unknown head 'cnn_atention'; did you mean 'cnn_attention'?"),
        ({"training": {"metric": "f2"}}, "training.metric 'f2' is not measured; choose from: loss, macro_f1"),
    ],
)
def test_option_that_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SortilinError) as caught:
        Component(name="fine_tuned", options=options).build("classifier")
    assert message in str(caught.value)


def test_more_residues_than_positions_are_refused(served: hubs.Hub) -> None:
    most = served.publish("protbert").most_residues
    with pytest.raises(ConfigError) as caught:
        fitted("frozen", backbone="protbert")
    assert str(caught.value) == (
        f"max_residues is 1022, and protbert takes at most {most} residues; allowed: 1 to {most}"
    )


def test_ensemble_refuses_it_as_a_member() -> None:
    members = [{"classifier": {"name": "fine_tuned"}}]
    with pytest.raises(ConfigError, match="'fine_tuned' stands upon a language model of its own"):
        Component(name="ensemble", options={"members": members}).build("classifier")


# --- from a file of options to a table of predictions


@pytest.mark.slow
def test_training_and_predicting_on_the_command_line(served: hubs.Hub, tmp_path: Path) -> None:
    config = {
        "task": "custom",
        "data": str(tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 12))),
        "classifier": {
            "name": "fine_tuned",
            "options": {
                "mode": "lora",
                "head": HEAD,
                "validation": 0.2,
                "training": {"epochs": 2, "batch_size": 8, "resampling": "oversample"},
            },
        },
        "folds": 2,
        "holdout": 0,
        "baselines": False,
        "seed": 1,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    out = tmp_path / "model"
    done = CliRunner().invoke(cli, ["train", str(tmp_path / "config.yaml"), "-o", str(out), "-q"])
    assert done.exit_code == 0, done.exception
    card = (out / "README.md").read_text()
    known = language_models.checkpoint("esm2_t6")
    assert card.startswith("# custom: fine_tuned light_attention on esm2_t6, lora\n")
    for said in ("## Language model", "adapters (LoRA) in `adapter`", "Licence of its weights: MIT"):
        assert said in card
    assert known.citation in card
    assert "Reads 1,022 residues at most" in card

    fasta, table = tiny.write_fasta(tmp_path / "new.fasta", NEW), tmp_path / "out.tsv"
    done = CliRunner().invoke(cli, ["predict", str(fasta), "--model", str(out), "-o", str(table)])
    assert done.exit_code == 0, done.exception
    found = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    expected = sortilin.load(out).predict(NEW)
    assert [row[2] for row in found] == [prediction.label for prediction in expected]

    (out / "adapter" / "notes.txt").write_text("mine")
    refused = CliRunner().invoke(
        cli, ["train", str(out / "config.yaml"), "-o", str(out), "--overwrite", "-q"]
    )
    assert "holds more than a model (adapter/notes.txt)" in str(refused.exception)


# --- memory


def test_memory_is_that_of_parameters_and_of_what_layers_keep() -> None:
    t33 = language_models.checkpoint("esm2_t33")
    full = memory_estimate(t33, mode="full", batch_tokens=8_192, gradient_checkpointing=True)
    assert full.weights == pytest.approx(4 * 649_400_981, rel=0.01)
    assert full.gradients == pytest.approx(full.weights)
    assert full.optimizer == pytest.approx(2 * full.weights)
    assert full.total < 16e9 < memory_estimate(t33, mode="full", batch_tokens=8_192).total
    lora = memory_estimate(t33, mode="lora", batch_tokens=8_192, gradient_checkpointing=True)
    assert lora.gradients < 0.02 * full.gradients
    assert memory_estimate(t33, mode="frozen", batch_tokens=8_192).total < 1e8


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_calculated_activations_are_those_that_torch_keeps(mode: Literal["lora", "full"]) -> None:
    # The difference of two depths is what layers keep; ends and head are in both.
    kept = []
    for n_layers in (1, 3):
        model = language_models.from_config("esm2_t12", seed=1, n_layers=n_layers)
        language_models.ready_to_train(model, 1_000)
        if mode == "lora":
            language_models.add_adapter(model, rank=8, alpha=16, dropout=0.05, targets=None, seed=1)
        for name, parameter in model.module.train().named_parameters():
            parameter.requires_grad_(mode == "full" or "lora_" in name)
        own = {parameter.untyped_storage().data_ptr() for parameter in model.module.parameters()}
        seen: dict[int, torch.Tensor] = {}

        def note(
            tensor: torch.Tensor, own: set[int] = own, seen: dict[int, torch.Tensor] = seen
        ) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in own:
                seen[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        ids, _, _ = map(torch.from_numpy, model.vocabulary.batch(["MKVLAT" * 10] * 4))
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            model.hidden(ids, None)
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in seen.values()))
        calculated = memory_estimate(model.checkpoint, mode=mode, batch_tokens=ids.numel()).activations
    assert kept[1] - kept[0] == pytest.approx(calculated * 2 / 3, rel=0.1)


# --- several opinions


@pytest.mark.parametrize(
    ("mode", "members"), [("frozen", 2), pytest.param("lora", 1, marks=pytest.mark.slow)]
)
def test_members_and_masks_of_the_head_come_back_as_they_were(
    mode: str, members: int, served: hubs.Hub, tmp_path: Path
) -> None:
    training = {**TRAINING, "epochs": 1}
    classifier = fitted(mode, training=training, members=members, dropout_samples=3)
    found = {name.split("head.")[0] for name in classifier.arrays()}
    own = {"", "masks."} if members == 1 else {"member1.", "member1.masks.", "member2.", "member2.masks."}
    assert found == own
    model = sortilin.load(written(classifier, tmp_path / "model").path)
    assert model.n_members == 3 * members
    assert model.scores(NEW) == pytest.approx(classifier.scores(np.array(NEW, dtype=object)), abs=1e-5)
    table = model.predict_members(NEW)
    assert table.shape == (len(NEW), 3 * members, 2)
    assert len(np.unique(table[0, :, 0].round(9))) == 3 * members
    (weights, *_) = model.attention(NEW)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
