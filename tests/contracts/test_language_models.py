"""Every family of language models by the contract: its table, its vocabulary, its vectors."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tiny
from sortilin import language_models, registry
from sortilin.errors import ConfigError, ResidueError
from sortilin.language_models import LoadedModel

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

if TYPE_CHECKING:
    from torch import Tensor

    from hub import Hub

NAMES = registry.names("language_model")
TABLES = {name: registry.get("language_model", name).checkpoints for name in NAMES}
FAMILIES = [name for name in NAMES if TABLES[name]]
CHECKPOINTS = [checkpoint for name in NAMES for checkpoint in TABLES[name]]
SEQUENCES = ["MKVX", "A", "ACDEFGHIKLMNPQRSTVWY", "XXA", *tiny.random_sequences(7, 3, longest=60)]
NEARLY = 1e-5


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Any:
    return registry.get("language_model", request.param)


@pytest.fixture
def model(family: Any, hub: Hub) -> LoadedModel:
    """A tiny model of each family, fetched from a hub and loaded."""
    name = family.checkpoints[0].name
    hub.publish(name)
    return language_models.load(name)


def hidden(model: LoadedModel, sequences: list[str], layer: int = -1) -> list[Tensor]:
    """(L, D) of each sequence."""
    ids, attention, is_residue = map(torch.from_numpy, model.vocabulary.batch(sequences))
    with torch.inference_mode():
        x = model.hidden(ids, attention, layer=layer)
    return [row[kept] for row, kept in zip(x, is_residue, strict=True)]


def near(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> bool:
    """To 1e-5 of the mean size: hidden states before the last norm can be large."""
    return float(np.abs(found - expected).max()) <= NEARLY * max(1.0, float(np.abs(expected).mean()))


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: c.name)
def test_table_says_all_of_a_checkpoint(checkpoint: language_models.Checkpoint) -> None:
    assert checkpoint == language_models.checkpoint(checkpoint.name) or checkpoint.revision == "main"
    assert checkpoint.name in TABLES[checkpoint.family][0].name or checkpoint in TABLES[checkpoint.family]
    assert re.fullmatch(r"[0-9a-f]{40}|main", checkpoint.revision)
    assert re.fullmatch(r"[\w-]+/[\w-]+", checkpoint.hub_id)
    assert checkpoint.licence in {"MIT", "AFL-3.0"}
    assert "doi:10." in checkpoint.citation or "https://" in checkpoint.citation


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: c.name)
def test_architecture_has_the_listed_size(checkpoint: language_models.Checkpoint) -> None:
    """The whole architecture, without memory for its numbers."""
    variant = registry.get("language_model", checkpoint.family)
    model_class, options = variant.module_class()
    with torch.device("meta"):
        module = model_class(variant.config_class()(**variant.options(checkpoint)), **options)
    assert sum(parameter.numel() for parameter in module.parameters()) == checkpoint.n_parameters
    assert module.config.hidden_size == checkpoint.width
    assert module.config.num_hidden_layers == checkpoint.n_layers


def test_published_vocabulary_is_that_of_the_tokenizer(family: Any, model: LoadedModel) -> None:
    published, read = family.vocabulary(), model.vocabulary
    assert np.array_equal(published.id_of_byte, read.id_of_byte)
    for name in ("before", "after", "pad", "pads_left"):
        assert getattr(published, name) == getattr(read, name)


def test_residues_have_tokens_of_their_own_and_other_letters_none(family: Any) -> None:
    vocabulary = family.vocabulary()
    tokens = vocabulary.encode(tiny.RESIDUES + "X")
    inner = tokens[len(vocabulary.before) : len(tokens) - len(vocabulary.after)]
    assert len(set(inner.tolist())) == 21
    assert not set(inner.tolist()) & {*vocabulary.before, *vocabulary.after, vocabulary.pad}
    for letter in "ab*-. é":
        with pytest.raises(ResidueError, match="is not a residue of a cleaned sequence"):
            vocabulary.encode(f"MK{letter}")
    with pytest.raises(ResidueError):
        vocabulary.encode("")


def test_batch_holds_each_sequence_with_its_marks(family: Any) -> None:
    vocabulary = family.vocabulary()
    ids, attention, is_residue = vocabulary.batch(SEQUENCES)
    assert (ids.dtype, attention.dtype, is_residue.dtype) == (np.int64, np.bool_, np.bool_)
    assert ids.shape == attention.shape == is_residue.shape
    assert (ids[~attention] == vocabulary.pad).all()
    for row, sequence in enumerate(SEQUENCES):
        assert np.array_equal(ids[row, attention[row]], vocabulary.encode(sequence))
        assert is_residue[row].sum() == len(sequence)
        around = attention[row] & ~is_residue[row]
        assert ids[row, around].tolist() == [*vocabulary.before, *vocabulary.after]
    side = -1 if vocabulary.pads_left else 0
    assert attention[:, side].all()


def test_batch_is_what_the_tokenizer_gives(family: Any, model: LoadedModel) -> None:
    ids, attention, _ = model.vocabulary.batch(SEQUENCES)
    given = tokenizer_of(model)([family.spelling.text(s) for s in SEQUENCES], padding=True)
    assert np.array_equal(given["input_ids"], ids)
    assert np.array_equal(given["attention_mask"], attention)


def tokenizer_of(model: LoadedModel) -> Any:
    return transformers.AutoTokenizer.from_pretrained(model.folder, do_lower_case=False)


@pytest.mark.parametrize("layer", [-1, 0, 1, 2, 3])
def test_hidden_is_the_forward_pass_of_transformers(family: Any, model: LoadedModel, layer: int) -> None:
    """On the tokenizer's own output, with a module that transformers loads from the folder."""
    model_class, options = family.module_class()
    reference = model_class.from_pretrained(model.folder, **options).eval()
    for sequences in ([s] for s in SEQUENCES):
        given = tokenizer_of(model)([family.spelling.text(s) for s in sequences], return_tensors="pt")
        with torch.inference_mode():
            states = reference(**given, output_hidden_states=True)
        expected = states.last_hidden_state if layer == -1 else states.hidden_states[layer]
        first = len(model.vocabulary.before)
        expected = expected[0, first : first + len(sequences[0])]
        (found,) = hidden(model, sequences, layer)
        assert near(found.numpy(), expected.numpy())


@pytest.mark.parametrize("layer", [-1, 0, 2])
def test_sequence_has_its_vectors_alone_in_any_batch_and_order(model: LoadedModel, layer: int) -> None:
    alone = [hidden(model, [sequence], layer)[0].numpy() for sequence in SEQUENCES]
    for order in (range(len(SEQUENCES)), range(len(SEQUENCES) - 1, -1, -1), [3, 1]):
        together = hidden(model, [SEQUENCES[place] for place in order], layer)
        for place, found in zip(order, together, strict=True):
            assert found.shape == (len(SEQUENCES[place]), model.checkpoint.width)
            assert found.dtype == torch.float32
            assert near(found.numpy(), alone[place])


def test_unknown_residues_change_nothing_but_their_own_part(model: LoadedModel) -> None:
    """X is no mask: it may not rescale the embeddings of its neighbours (layer 0 sees no neighbours)."""
    (plain,), (with_x,) = hidden(model, ["MKVA"], 0), hidden(model, ["MXXA"], 0)
    assert with_x[[0, 3]].numpy() == pytest.approx(plain[[0, 3]].numpy(), abs=NEARLY)
    assert (with_x[1] - plain[1]).abs().max() > 0.01


def test_residues_are_told_apart_by_place_and_kind(model: LoadedModel) -> None:
    (x,) = hidden(model, ["MKMKVVVA"])
    for one, other in product(range(8), repeat=2):
        if one != other:
            assert (x[one] - x[other]).abs().max() > 1e-3


def test_last_layer_has_two_names_and_others_are_refused(model: LoadedModel) -> None:
    (last,), (named,) = hidden(model, ["MKV"], -1), hidden(model, ["MKV"], model.checkpoint.n_layers)
    assert torch.equal(last, named)
    for layer in (-2, model.checkpoint.n_layers + 1):
        with pytest.raises(ConfigError, match=r"has no layer .*; allowed: 0 \(the embedding\) to 3, or -1"):
            hidden(model, ["MKV"], layer)


def test_model_is_the_encoder_alone_and_learns_nothing(model: LoadedModel) -> None:
    names = {name for name, _ in model.module.named_parameters()}
    assert not [name for name in names if re.search(r"pooler|lm_head|lm_loss|decoder|predictions", name)]
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert model.checkpoint == language_models.checkpoint(model.checkpoint.name)
    assert not any(module.training for module in model.module.modules())


def test_longest_sequence_is_taken_and_a_longer_one_is_beyond_the_table(model: LoadedModel) -> None:
    most = model.checkpoint.most_residues
    longest = 300 if most is None else most
    (x,) = hidden(model, ["MKVA" * (longest // 4) + "A" * (longest % 4)])
    assert torch.isfinite(x).all()
    if most is not None:
        with pytest.raises((IndexError, RuntimeError)):
            hidden(model, ["A" * (most + 1)])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_float32_near_the_whole(family: Any, hub: Hub, dtype: str) -> None:
    name = family.checkpoints[0].name
    hub.publish(name)
    if dtype not in family.dtypes:
        with pytest.raises(ConfigError, match=f"{name} computes in float32 only, not in {dtype}"):
            language_models.load(name, dtype=dtype)
        return
    (whole,), (half,) = (
        hidden(language_models.load(name, dtype=kind), ["ACDEFGHIKLMNPQRSTVWY"])
        for kind in ("float32", dtype)
    )
    assert half.dtype == torch.float32
    assert (half - whole).abs().mean() / whole.abs().mean() < 0.1


# --- the architectures themselves, with random numbers


LARGE = ("protalbert", "protbert", "prott5")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(table[0].name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name, table in TABLES.items()
        if table
    ],
)
def test_random_model_has_the_published_width_and_says_that_it_is_random(name: str) -> None:
    model = language_models.from_config(name, seed=3, n_layers=1)
    listed = language_models.checkpoint(name)
    (x,) = hidden(model, ["MKVLAX"])
    assert x.shape == (6, listed.width)
    assert torch.isfinite(x).all()
    assert model.checkpoint.revision == "random-3"
    assert (model.checkpoint.n_layers, model.checkpoint.name) == (1, name)
    assert not model.folder.is_dir()
    again = language_models.from_config(name, seed=3, n_layers=1)
    assert torch.equal(hidden(again, ["MKVLAX"])[0], x)


def test_random_models_of_other_seeds_differ_and_leave_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, other = (language_models.from_config("esm2_t6", seed=seed, n_layers=1) for seed in (3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(hidden(one, ["MKV"])[0], hidden(other, ["MKV"])[0])


@pytest.mark.parametrize("n_layers", [0, -1])
def test_random_model_has_a_layer(n_layers: int) -> None:
    with pytest.raises(ConfigError, match=f"n_layers is {n_layers}; allowed: 1 or more"):
        language_models.from_config("esm2_t6", seed=1, n_layers=n_layers)


@pytest.mark.parametrize("name", ["esm2_t6", "esm2_t12", pytest.param("esm2_t33", marks=pytest.mark.slow)])
def test_whole_architecture_computes(name: str) -> None:
    model = language_models.from_config(name, seed=1)
    listed = language_models.checkpoint(name)
    assert model.checkpoint.n_parameters == listed.n_parameters
    together = hidden(model, ["MKVLAX", "A"])
    assert [tuple(x.shape) for x in together] == [(6, listed.width), (1, listed.width)]
    assert together[1].numpy() == pytest.approx(hidden(model, ["A"])[0].numpy(), abs=1e-4)
