"""Every engine, every family: transformers' own hidden states, alone, in any company, order and padding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tiny
from sortilin import device, language_models, registry
from sortilin.embedding import EmbeddingConfig, _graphs, engines
from sortilin.embedding._weights import MappedWeights
from sortilin.embedding.engines import Engine
from sortilin.errors import BackboneError, ConfigError, MissingDependencyError, OutputError
from sortilin.language_models import LoadedModel

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

FAMILIES = ["esm2", "protbert", "protalbert", "protxlnet", "prott5", "esmc"]
ENGINES = ["torch", "openvino", "onnxruntime"]
LAYERS, WIDTH = 2, 32
SIZES: dict[str, dict[str, Any]] = {
    "esm2": {"num_attention_heads": 4, "intermediate_size": 64},
    "protbert": {"num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 402},
    "protalbert": {
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "embedding_size": 16,
        "max_position_embeddings": 402,
    },
    "protxlnet": {"n_head": 4, "d_inner": 64},
    "prott5": {"num_heads": 4, "d_ff": 64, "d_kv": 8},
    "esmc": {"num_attention_heads": 4, "intermediate_size": 64, "head_dim": 8},
}
SEQUENCES = ["M", "MKV", *tiny.random_sequences(5, 6, shortest=2, longest=60), "X" * 9 + "MKL"]
LONG = tiny.random_sequences(6, 1, shortest=390, longest=390)[0]
"""Longer than what is traced with, and than the 128 positions beyond which T5's buckets are one."""


@cache
def tiny_model(family: str) -> LoadedModel:
    """A small random model; weights so large that a fault in the middle is seen at the end."""
    variant = registry.get("language_model", family)
    listed = variant.checkpoints[0]
    most = None if listed.most_residues is None else SIZES[family]["max_position_embeddings"] - 2
    checkpoint = replace(
        listed, revision="random-1", width=WIDTH, n_layers=LAYERS, n_parameters=10_000, most_residues=most
    )
    model_class, options = variant.module_class()
    config = variant.config_class()(**{**variant.options(checkpoint), **SIZES[family]})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = model_class(config, **options).eval().requires_grad_(requires_grad=False)
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return LoadedModel(checkpoint, variant.vocabulary(), module, Path(os.devnull))


@pytest.fixture(scope="module")
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(graph_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_CACHE", str(graph_cache))


def engine_of(
    name: str, model: LoadedModel, *, layer: int = -1, precision: str = "float32", threads: int = 1
) -> Engine:
    pytest.importorskip(name)
    config = EmbeddingConfig(backbone=model.checkpoint.name, layer=layer, precision=precision)
    return engines.make(name, config, model.checkpoint, lambda: model, threads=threads)


def reference(model: LoadedModel, sequence: str, layer: int = -1) -> NDArray[np.float32]:
    """Transformers' own forward pass on one sequence, (T, D)."""
    ids = torch.from_numpy(model.vocabulary.encode(sequence))[None]
    with torch.inference_mode():
        found = model.module(
            input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=layer != -1
        )
    states = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
    return np.asarray(states[0].numpy(), dtype=np.float32)


def together(engine: Engine, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
    """Hidden states of one padded batch, pads cut off."""
    ids, attention, _ = engine.vocabulary.batch(sequences)
    hidden = engine.hidden(ids, attention)
    assert hidden.dtype == np.float32
    assert hidden.shape == (*ids.shape, WIDTH)
    return [states[is_token] for states, is_token in zip(hidden, attention, strict=True)]


def assert_same(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Values to 1e-5 of the largest, cosine distance at most 1e-9 for every token."""
    assert found.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)
    a, b = found.astype(np.float64), expected.astype(np.float64)
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    assert (1 - cosine).max() <= 1e-9


with_engines = pytest.mark.parametrize("name", ENGINES)
with_families = pytest.mark.parametrize("family", FAMILIES)


def test_every_family_with_checkpoints_is_here() -> None:
    variants = {name: registry.get("language_model", name) for name in registry.names("language_model")}
    assert set(FAMILIES) == {name for name, variant in variants.items() if variant.checkpoints}


@with_engines
@with_families
def test_alone_is_what_transformers_gives(name: str, family: str) -> None:
    model = tiny_model(family)
    engine = engine_of(name, model)
    for sequence in [*SEQUENCES, LONG]:
        assert_same(together(engine, [sequence])[0], reference(model, sequence))


@with_engines
@with_families
def test_company_order_and_padding_change_nothing(name: str, family: str) -> None:
    model = tiny_model(family)
    engine = engine_of(name, model)
    for batch in (SEQUENCES, SEQUENCES[::-1], [SEQUENCES[3]] * 3, [SEQUENCES[2], LONG]):
        for sequence, found in zip(batch, together(engine, batch), strict=True):
            assert_same(found, reference(model, sequence))


@with_engines
def test_pads_on_either_side_and_more_than_needed_change_nothing(name: str) -> None:
    model = tiny_model("prott5")  # relative positions: it does not matter where a sequence begins
    engine = engine_of(name, model)
    tokens = model.vocabulary.encode("MKVLAT")
    for left, right in ((0, 5), (5, 0), (3, 4)):
        ids = np.full((1, left + len(tokens) + right), model.vocabulary.pad)
        attention = np.zeros(ids.shape, dtype=np.bool_)
        ids[0, left : left + len(tokens)] = tokens
        attention[0, left : left + len(tokens)] = True
        found = engine.hidden(ids, attention)[0, left : left + len(tokens)]
        assert_same(found, reference(model, "MKVLAT"))


@with_engines
@with_families
@pytest.mark.parametrize("layer", [0, 1])
def test_each_layer_is_what_transformers_gives(name: str, family: str, layer: int) -> None:
    model = tiny_model(family)
    engine = engine_of(name, model, layer=layer)
    for sequence in (SEQUENCES[4], LONG):
        assert_same(together(engine, [sequence])[0], reference(model, sequence, layer))


def test_layers_differ() -> None:
    model = tiny_model("esm2")
    states = [reference(model, SEQUENCES[4], layer) for layer in (0, 1, -1)]
    assert np.abs(states[0] - states[1]).max() > 1e-2
    assert np.abs(states[1] - states[2]).max() > 1e-2


@pytest.mark.parametrize("name", ["torch", "openvino"])
@with_families
def test_bfloat16_is_near(name: str, family: str) -> None:
    model = tiny_model(family)
    try:
        engine = engine_of(name, model, precision="bfloat16")
    except ConfigError as error:
        pytest.skip(str(error))
    found, expected = together(engine, [LONG])[0].mean(0), reference(model, LONG).mean(0)
    cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
    assert 1 - cosine < 1e-2
    assert found.dtype == np.float32


@with_engines
def test_several_threads_at_a_time(name: str) -> None:
    model = tiny_model("esm2")
    engine = engine_of(name, model, threads=2)
    found: dict[int, list[NDArray[np.float32]]] = {}

    def work(number: int) -> None:
        found[number] = [together(engine, [sequence])[0] for sequence in SEQUENCES]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(engine.n_workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == engine.n_workers
    for states in found.values():
        for sequence, state in zip(SEQUENCES, states, strict=True):
            assert_same(state, reference(model, sequence))


# Memory


def resident_bytes(mapped: Path) -> int:
    """Bytes of a mapped file that stand in this process's memory."""
    if not Path("/proc/self/smaps").exists():
        pytest.skip("needs /proc/self/smaps")
    found, is_of_file = [], False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            is_of_file = line.endswith(str(mapped))
        elif name == "Rss:" and is_of_file:
            found.append(int(values[0]) * 1024)
    assert found, f"{mapped} is not mapped"
    return sum(found)


def test_weights_that_were_read_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    content = np.random.default_rng(1).integers(0, 256, 2**20, dtype=np.uint8)
    path.write_bytes(content.tobytes())
    weights = MappedWeights(path)
    for _ in range(2):  # what was given back is read again
        assert np.array_equal(weights.bytes, content)
        assert resident_bytes(path) == len(content)
        with weights.given_back():
            assert np.array_equal(weights.bytes, content)
        assert resident_bytes(path) == 0


def test_weights_are_given_back_when_something_fails(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(2**20))
    weights = MappedWeights(path)
    with suppress(KeyError), weights.given_back():
        assert not weights.bytes.any()
        raise KeyError
    assert resident_bytes(path) == 0


def test_openvino_holds_packed_weights_alone(fresh: Path) -> None:
    model = language_models.from_config("esm2_t6", seed=1)
    for precision in ("float32", "bfloat16"):
        try:
            engine = engine_of("openvino", model, precision=precision)
        except ConfigError:  # this processor does not compute in it
            continue
        (path,) = fresh.glob("*/graph.bin")
        for sequence in (LONG, SEQUENCES[3]):  # other shapes are computed from what was packed
            engine.hidden(*model.vocabulary.batch([sequence])[:2])
            assert resident_bytes(path) < path.stat().st_size / 20  # rows of the embedding


def test_damaged_weights_are_named(graph_cache: Path) -> None:
    pytest.importorskip("openvino")
    from sortilin.embedding._openvino import OpenVinoEngine

    folder = graph_cache / "empty"
    folder.mkdir()
    (folder / "graph.xml").write_text("<net/>")
    (folder / "graph.bin").touch()
    graph = _graphs.Graph(folder / "graph.xml", tiny_model("esm2").vocabulary)
    with pytest.raises(BackboneError, match=r"graph\.xml cannot be compiled; remove its folder: cannot mmap"):
        OpenVinoEngine(graph, precision="float32", threads=1)


CACHED = """
import json, sys; sys.path.insert(0, {tests!r})
from dataclasses import replace
from sortilin import language_models
from sortilin.embedding import Embedder, EmbeddingConfig
checkpoint = replace(language_models.checkpoint("esm2_t6"), **{known!r})
embedder = Embedder(EmbeddingConfig(backbone="esm2_t6", engine="openvino"), checkpoint, None, threads=1)
vector = embedder.embed(["MKVLAT"])[0]
print(json.dumps([len(vector), sorted({{"torch", "transformers", "onnxruntime"}} & set(sys.modules))]))
"""


def test_graph_in_the_cache_runs_without_torch() -> None:
    model = tiny_model("esm2")
    engine_of("openvino", model)
    names = ("revision", "width", "n_layers", "n_parameters")
    known = {name: getattr(model.checkpoint, name) for name in names}
    code = CACHED.format(tests=str(Path(__file__).parent), known=known)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [WIDTH, []]


# Which one


def pretend(monkeypatch: pytest.MonkeyPatch, *installed: str, has_gpu: bool = False) -> None:
    monkeypatch.setattr(engines, "_is_installed", lambda package: package in installed)
    monkeypatch.setattr(device, "has_gpu", lambda: has_gpu)


def test_auto_takes_the_fastest_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "torch", "openvino", "onnxruntime")
    assert engines.choose("auto", "float32") == "openvino"
    pretend(monkeypatch, "torch", "onnxruntime")
    assert engines.choose("auto", "float32") == "onnxruntime"
    assert engines.choose("auto", "bfloat16") == "torch"
    pretend(monkeypatch, "torch")
    assert engines.choose("auto", "float32") == "torch"


def test_auto_is_torch_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "torch", "openvino", "onnxruntime", has_gpu=True)
    assert engines.choose("auto", "float32") == "torch"
    assert engines.choose("openvino", "float32") == "openvino"


def test_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "torch")
    with pytest.raises(MissingDependencyError, match=r"needs openvino: pip install 'sortilin\[plm\]'"):
        engines.choose("openvino", "float32")


def test_onnxruntime_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "torch", "onnxruntime")
    with pytest.raises(ConfigError, match="float32 only"):
        engines.choose("onnxruntime", "bfloat16")


# The cache of graphs


def exported(folder: Path, load: Any, *, seed: str = "random-1") -> _graphs.Graph:
    from sortilin.embedding._onnxruntime import export

    del folder
    checkpoint = replace(tiny_model("esm2").checkpoint, revision=seed)
    return _graphs.find_or_make(checkpoint, -1, "onnxruntime", load, export)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("onnx")
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path))
    return tmp_path / "graphs"


def never() -> LoadedModel:
    pytest.fail("the model was loaded although its graph is in the cache")


def test_graph_is_exported_once_and_then_needs_no_model(fresh: Path) -> None:
    first = exported(fresh, lambda: tiny_model("esm2"))
    second = exported(fresh, never)
    assert first.path == second.path
    assert second.vocabulary.encode("MKV").tolist() == tiny_model("esm2").vocabulary.encode("MKV").tolist()
    assert [path.name for path in fresh.iterdir() if path.is_dir()] == [first.path.parent.name]


def test_graphs_of_other_revisions_stand_apart(fresh: Path) -> None:
    first = exported(fresh, lambda: tiny_model("esm2"))
    other = exported(fresh, lambda: tiny_model("esm2"), seed="random-2")
    assert first.path != other.path


@pytest.mark.parametrize("damage", ["cut", "gone", "manifest"])
def test_damaged_graph_is_made_again(fresh: Path, damage: str) -> None:
    path = exported(fresh, lambda: tiny_model("esm2")).path
    whole = path.stat().st_size
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "gone":
        path.unlink()
    else:
        (path.parent / "graph.json").write_text("{")
    assert exported(fresh, lambda: tiny_model("esm2")).path.stat().st_size == whole


def test_export_that_fails_leaves_nothing(fresh: Path) -> None:
    def broken() -> LoadedModel:
        raise ConfigError("no model")

    with pytest.raises(ConfigError):
        exported(fresh, broken)
    assert [path for path in fresh.iterdir() if path.is_dir()] == []


def test_leftover_of_a_killed_export_is_removed(fresh: Path) -> None:
    path = exported(fresh, lambda: tiny_model("esm2")).path
    (path.parent / "graph.json").unlink()
    left = path.parent.with_name(f"{path.parent.name}.partial-12345678")
    left.mkdir()
    exported(fresh, lambda: tiny_model("esm2"))
    assert not left.exists()


def test_cache_that_cannot_be_written(fresh: Path) -> None:
    fresh.parent.joinpath("graphs").write_text("a file")
    with pytest.raises(OutputError, match="SORTILIN_CACHE"):
        exported(fresh, lambda: tiny_model("esm2"))


TWO = """
import sys; sys.path.insert(0, {tests!r})
import test_embedding_engines as t
loads = []
def load():
    loads.append(1)
    return t.tiny_model("esm2")
t.exported(None, load)
print(len(loads))
"""


@pytest.mark.slow
def test_two_processes_export_once(fresh: Path) -> None:
    code = TWO.format(tests=str(Path(__file__).parent))
    environment = {**os.environ, "SORTILIN_CACHE": str(fresh.parent)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(run.communicate(timeout=120)[0].strip() for run in runs) == ["0", "1"]


@pytest.mark.slow
@with_engines
def test_published_architecture_of_esm2(name: str) -> None:
    model = language_models.from_config("esm2_t6", seed=1)
    engine = engine_of(name, model)
    for sequence in (SEQUENCES[3], LONG):
        ids, attention, _ = model.vocabulary.batch([sequence])
        assert_same(engine.hidden(ids, attention)[0], reference(model, sequence))


def test_manifest_is_readable_without_numpy_types(fresh: Path) -> None:
    path = exported(fresh, lambda: tiny_model("esm2")).path
    described = json.loads((path.parent / "graph.json").read_text())
    assert described["files"] == {path.name: path.stat().st_size}
    assert described["vocabulary"]["before"] == list(tiny_model("esm2").vocabulary.before)
