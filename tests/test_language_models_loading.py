"""Checkpoints by name, vocabulary tables, and tokenizers that do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sortilin import language_models
from sortilin.errors import BackboneError, ConfigError, UnknownNameError
from sortilin.language_models import Vocabulary, _config, _tokenizer
from sortilin.language_models._spelling import Spelling

if TYPE_CHECKING:
    from hub import Hub


def fault(name: str, **options: Any) -> str:
    with pytest.raises(BackboneError) as caught:
        language_models.load(name, **options)
    return str(caught.value)


# --- names


def test_names_are_families_in_order_of_size() -> None:
    assert language_models.names() == (
        *("esm2_t6", "esm2_t12", "esm2_t30", "esm2_t33", "esm2_t36"),
        *("protalbert", "esmc_300m", "esmc_600m", "protxlnet", "protbert", "protbert_bfd", "prott5"),
    )


def test_listed_checkpoint_has_two_names() -> None:
    by_name = language_models.checkpoint("esm2_t6")
    assert language_models.checkpoint("facebook/esm2_t6_8M_UR50D") == by_name
    assert (by_name.width, by_name.n_layers, by_name.licence) == (320, 6, "MIT")


@pytest.mark.parametrize("name", ["esm2_t7", "esm", "", "bert-base-uncased", "a/b/c", "../x/y", "a/.."])
def test_unknown_name_offers_the_known_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UnknownNameError, BackboneError)) as caught:
        language_models.checkpoint(name)
    assert "choose from: esm2_t12" in str(caught.value) or "there is no such folder" in str(caught.value)


def test_nearest_name_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="unknown backbone 'esm2_t7'; did you mean 'esm2_t6'"):
        language_models.load("esm2_t7")


def test_path_to_nothing_is_no_hub_id(tmp_path: Path) -> None:
    with pytest.raises(
        BackboneError, match="there is no such folder; a backbone can be a folder with config"
    ):
        language_models.load(str(tmp_path / "nothing"))


def test_random_model_needs_a_listed_name() -> None:
    with pytest.raises(UnknownNameError, match="unknown backbone 'facebook/esm2_t6_8M_UR50D'"):
        language_models.from_config("facebook/esm2_t6_8M_UR50D", seed=1)


def test_tables_are_read_without_heavy_packages() -> None:
    script = (
        "import sys; from sortilin import language_models as l; l.checkpoint('prott5'); l.locate('prott5'); "
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


# --- vocabulary


def vocabulary(*, pads_left: bool) -> Vocabulary:
    return Vocabulary.of({"A": 5, "C": 6, "X": 7}, before=[1], after=[2, 3], pad=9, pads_left=pads_left)


@pytest.mark.parametrize(
    ("pads_left", "expected"),
    [
        (False, [[1, 5, 6, 7, 2, 3], [1, 6, 2, 3, 9, 9]]),
        (True, [[1, 5, 6, 7, 2, 3], [9, 9, 1, 6, 2, 3]]),
    ],
)
def test_batch_pads_on_the_side_of_the_model(pads_left: bool, expected: list[list[int]]) -> None:
    ids, attention, is_residue = vocabulary(pads_left=pads_left).batch(["ACX", "C"])
    assert ids.tolist() == expected
    assert attention.sum(axis=1).tolist() == [6, 4]
    assert ids[is_residue].tolist() == [5, 6, 7, 6]


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        vocabulary(pads_left=False).id_of_byte[65] = 1


# --- tokenizers


class Tokenizer:
    """Splits as told; what a tokenizer of transformers has to have."""

    def __init__(self, ids_of: Any, **options: Any) -> None:
        self._ids_of = ids_of
        self.pad_token_id = options.get("pad", 99)
        self.padding_side = "right"
        self.unk_token = "?"

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": self._ids_of(text)}


def by_letter(text: str) -> list[int]:
    return [0, *(ord(letter) for letter in text if letter != " "), 1]


def test_tokenizer_becomes_tables() -> None:
    found = _tokenizer.from_tokenizer(Tokenizer(by_letter), Spelling(" "), "ACDEFGHIKLMNPQRSTVWYX")
    assert (found.before, found.after, found.pad, found.pads_left) == ((0,), (1,), 99, False)
    assert found.encode("MAX").tolist() == [0, 77, 65, 88, 1]


@pytest.mark.parametrize(
    ("ids_of", "expected"),
    [
        (lambda text: [0, *map(ord, text.replace("AC", "^")), 1], "becomes"),
        (lambda text: [0, *(ord("AC"[i > "A"]) for i in text), 1], "20 standard residues have 2 tokens"),
        (
            lambda text: [
                0,
                *(i for letter in text for i in ([9, 9] if letter == "X" else [ord(letter)])),
                1,
            ],
            "'X' becomes",
        ),
    ],
    ids=["joins two", "knows two", "splits X"],
)
def test_tokenizer_that_is_no_table_is_refused(ids_of: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        _tokenizer.from_tokenizer(Tokenizer(ids_of), Spelling(), "ACDEFGHIKLMNPQRSTVWYX")


def test_tokenizer_without_pads_is_refused() -> None:
    with pytest.raises(ValueError, match="no token for pads"):
        _tokenizer.from_tokenizer(Tokenizer(by_letter, pad=None), Spelling(), "ACDEFGHIKLMNPQRSTVWYX")


# --- any encoder of the hub, or of a folder


@pytest.fixture
def folder(tmp_path: Path, hub: Hub) -> Path:
    """A tiny ESM-2 in a folder of one's own."""
    from hub import files_of

    target = tmp_path / "mine"
    target.mkdir()
    for name, content in files_of("esm2").items():
        (target / name).write_bytes(content)
    return target


def change(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_folder_is_a_backbone(folder: Path, hub: Hub) -> None:
    model = language_models.load(str(folder))
    found = model.checkpoint
    assert (found.family, found.hub_id, found.width, found.n_layers) == ("huggingface", str(folder), 32, 3)
    assert found.revision.startswith("sha256:")
    assert found.n_parameters == sum(parameter.numel() for parameter in model.module.parameters())
    assert found == language_models.checkpoint(str(folder))
    assert language_models.locate(str(folder)) == language_models.fetch(str(folder)) == folder
    assert hub.requests == []


def test_folder_has_its_own_name_for_others_and_its_path_here(folder: Path, hub: Hub) -> None:
    found = language_models.checkpoint(str(folder))
    assert (found.name, found.origin, found.hub_id) == ("mine", "mine", str(folder))
    hub.publish("esm2_t6")
    assert language_models.checkpoint("esm2_t6").origin == "facebook/esm2_t6_8M_UR50D"


def test_revision_of_a_folder_changes_with_it(folder: Path) -> None:
    before = language_models.checkpoint(str(folder)).revision
    change(folder, layer_norm_eps=1e-6)
    assert language_models.checkpoint(str(folder)).revision != before


def test_folder_that_is_not_whole_says_what_it_lacks(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    assert fault(str(folder)) == (
        f"{folder} is no whole backbone: it lacks a vocabulary (tokenizer.json, vocab.txt or spiece.model)"
    )
    (folder / "model.safetensors").unlink()
    assert "weights (model.safetensors or pytorch_model.bin" in fault(str(folder))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2' is a decoder or no language model"),
        ({"model_type": "llama"}, "model_type 'llama' is a decoder or no language model"),
        ({"is_decoder": True}, "is a decoder"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "no encoder by itself of model_type 'bart'"),
        ({"model_type": "mine"}, "model_type 'mine' is not known to the installed transformers"),
        (
            {"model_type": "mine", "auto_map": {"AutoModel": "x.y"}},
            "runs code of its repository, which is never",
        ),
    ],
    ids=str,
)
def test_model_that_is_no_encoder_is_refused(folder: Path, keys: dict[str, Any], expected: str) -> None:
    change(folder, **keys)
    message = fault(str(folder))
    assert message.startswith(f"{folder} cannot be used: ")
    assert expected in message


def test_code_of_a_repository_is_never_run(folder: Path, tmp_path: Path) -> None:
    """A known type with an `auto_map` is loaded by transformers' own class."""
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    change(folder, auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Model"})
    tokens = folder / "tokenizer_config.json"
    tokens.write_text(json.dumps({"auto_map": {"AutoTokenizer": ["evil.Model", None]}}))
    assert type(language_models.load(str(folder)).module).__module__.startswith("transformers.")
    assert not (tmp_path / "ran").exists()


def test_config_that_is_none_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("[1]")
    assert fault(str(folder)) == (
        f"{folder / 'config.json'} has no `model_type`; it is no configuration of transformers"
    )
    (folder / "config.json").write_text("{")
    assert fault(str(folder)).startswith(f"{folder / 'config.json'} cannot be read: ")


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    """Never random numbers in place of what a file lacks."""
    change(folder, num_hidden_layers=4)
    assert "the weights are not those of its config.json: encoder.layer.3." in fault(str(folder))
    change(folder, num_hidden_layers=3, intermediate_size=48)
    assert "intermediate.dense" in fault(str(folder))


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_weights_that_are_cut_short_are_named(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert fault(str(folder)).startswith(f"{path} is damaged: ")


def test_weights_that_are_no_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert fault(str(folder)).startswith(f"{folder}: the weights cannot be read: ")


def test_pickle_that_runs_code_is_refused(folder: Path, tmp_path: Path) -> None:
    import pickle

    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (folder / "model.safetensors").unlink()
    torch.save({"a": Evil()}, folder / "pytorch_model.bin")
    assert "the weights cannot be read" in fault(str(folder))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    assert "the weights cannot be read" in fault(str(folder))
    assert not (tmp_path / "ran").exists()


def test_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join([*(f"<extra{n}>" for n in range(20)), *lines]))
    assert "the tokenizer gives token 48, but the model has 33; they are not of one model" in fault(
        str(folder)
    )


def test_tokenizer_without_residues_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", "<mask>", "hello"]))
    assert "the tokenizer does not give one token a residue" in fault(str(folder))


def test_dtype_is_one_of_three(folder: Path) -> None:
    with pytest.raises(ConfigError, match="dtype is 'int8'; allowed: float32, bfloat16, float16"):
        language_models.load(str(folder), dtype="int8")


@pytest.mark.parametrize("spaced", [True, False])
def test_spelling_of_a_foreign_encoder_is_found_out(tmp_path: Path, hub: Hub, *, spaced: bool) -> None:
    """A RoBERTa, which no family knows, with a tokenizer of words or of letters."""
    folder = foreign_encoder(tmp_path, spaced=spaced)
    model = language_models.load(str(folder))
    assert model.vocabulary.encode("MAX").tolist() == [0, 4 + 10, 4, 4 + 20, 2]
    assert model.checkpoint.most_residues == 64 - 2 - 2
    assert not [name for name, _ in model.module.named_parameters() if "pooler" in name]


def foreign_encoder(folder: Path, *, spaced: bool) -> Path:
    import transformers
    from tokenizers import Tokenizer as Splitter
    from tokenizers import models, pre_tokenizers, processors

    tokens = ["<s>", "<pad>", "</s>", "<unk>", *"ACDEFGHIKLMNPQRSTVWYX"]
    splitter = Splitter(models.WordLevel({t: n for n, t in enumerate(tokens)}, unk_token="<unk>"))
    splitter.pre_tokenizer = pre_tokenizers.Whitespace() if spaced else pre_tokenizers.Split("", "isolated")
    splitter.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer_class: Any = transformers.PreTrainedTokenizerFast
    tokenizer = tokenizer_class(tokenizer_object=splitter, **marks)
    tokenizer.save_pretrained(folder)
    config = transformers.RobertaConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    transformers.RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_roberta_takes_the_longest_sequence_that_is_said(tmp_path: Path, hub: Hub) -> None:
    import torch

    model = language_models.load(str(foreign_encoder(tmp_path, spaced=True)))
    most = model.checkpoint.most_residues
    assert most is not None
    for length, fits in ((most, True), (most + 1, False)):
        ids, attention, _ = map(torch.from_numpy, model.vocabulary.batch(["A" * length]))
        if fits:
            assert np.isfinite(model.hidden(ids, attention).numpy()).all()
        else:
            with pytest.raises((IndexError, RuntimeError)):
                model.hidden(ids, attention)


def test_positions_of_esm_without_rotation_are_a_table() -> None:
    class Config:
        model_type = "esm"
        position_embedding_type = "absolute"
        max_position_embeddings = 1026
        pad_token_id = 1

    from sortilin.language_models.esm2 import VARIANT

    assert _config.most_residues(VARIANT, Config(), 2) == 1022
