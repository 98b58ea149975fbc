"""The embedder: each sequence once, from the store or computed, in input order, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import tiny
from sortilin.embedding import (
    Embedder,
    EmbeddingConfig,
    NotEmbeddedError,
    _batches,
    _filling,
    embedder,
    engines,
)
from sortilin.embedding.failures import is_out_of_memory
from sortilin.errors import ConfigError, UnknownNameError
from sortilin.language_models import LoadedModel, Vocabulary
from sortilin.sequences import SequenceRecord
from sortilin.vectors import Store, key_of
from sortilin.vectors.upkeep import verify
from test_embedding_engines import FAMILIES, reference, tiny_model

SEQUENCES = tiny.random_sequences(3, 12, longest=50)
Vector = NDArray[np.float32]


class FakeEngine:
    """Hidden states that are made of the tokens, and memory for so many tokens."""

    name: ClassVar[str] = "torch"
    n_workers = 1

    def __init__(self, vocabulary: Vocabulary, *, room: float = np.inf, pads: bool = True) -> None:
        self.vocabulary, self.room, self.pads = vocabulary, room, pads
        self.batches: list[tuple[int, ...]] = []
        self.n_recovered = 0
        self.error: Exception = MemoryError()
        self.value = 1.0

    def hidden(self, ids: NDArray[np.int64], attention: NDArray[np.bool_]) -> Vector:
        assert attention.any(axis=1).all()
        if ids.size > self.room:
            raise self.error
        self.batches.append(ids.shape)
        return self.value * np.repeat(ids[:, :, None], 32, axis=2).astype(np.float32)

    def recover(self) -> None:
        self.n_recovered += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine = FakeEngine(tiny_model("esm2").vocabulary)
    monkeypatch.setattr(engines, "make", lambda *_, **__: engine)
    return engine


def embedder_of(
    *, family: str = "esm2", store: Store | None = None, most: int | None = None, **options: Any
) -> Embedder:
    model = tiny_model(family)
    if most is not None:
        model = LoadedModel(
            replace(model.checkpoint, most_residues=most), model.vocabulary, model.module, model.folder
        )
    config = EmbeddingConfig.model_validate({"backbone": "esm2_t6", "engine": "torch", **options})
    return Embedder.of(config, model=model, store=store, threads=1)


def expected(sequence: str) -> float:
    """What the fake engine's mean is."""
    return float(tiny_model("esm2").vocabulary.encode(sequence)[1:-1].mean())


def records_of(sequences: Sequence[str]) -> list[SequenceRecord]:
    return [SequenceRecord(f"p{n}", sequence) for n, sequence in enumerate(sequences)]


# What a vector is


@pytest.mark.parametrize("family", FAMILIES)
def test_mean_is_that_of_the_residues(family: str) -> None:
    model = tiny_model(family)
    first, n_after = len(model.vocabulary.before), len(model.vocabulary.after)
    found = embedder_of(family=family).embed(SEQUENCES)
    for sequence, vector in zip(SEQUENCES, found, strict=True):
        states = reference(model, sequence)
        mean = states[first : len(states) - n_after].mean(axis=0)
        np.testing.assert_allclose(vector, mean, atol=2e-5, rtol=1e-5)
        assert vector.shape == (32,)
        assert vector.dtype == np.float32


def test_vectors_of_residues_have_their_lengths() -> None:
    for sequence, vectors in zip(SEQUENCES, embedder_of(pooling="none").embed(SEQUENCES), strict=True):
        assert vectors.shape == (len(sequence), 32)
        np.testing.assert_allclose(vectors, reference(tiny_model("esm2"), sequence)[1:-1], atol=2e-5)


def test_last_layer_by_its_number_is_the_last() -> None:
    by_number = embedder_of(layer=2)
    assert by_number.kind.layer == -1
    np.testing.assert_array_equal(by_number.embed(["MKV"])[0], embedder_of().embed(["MKV"])[0])


def test_windows_beyond_the_positions_of_the_model() -> None:
    sequence = tiny.random_sequences(4, 1, shortest=900, longest=900)[0]
    found = embedder_of(family="protbert", length_policy="windows:300,50", pooling="none").embed([sequence])[
        0
    ]
    states = reference(tiny_model("protbert"), sequence[:300])[1:-1]
    np.testing.assert_allclose(found[:250], states[:250], atol=5e-5)
    assert found.shape == (900, 32)


def test_no_sequences() -> None:
    assert embedder_of().embed([]) == []
    assert list(embedder_of().embed_stream([])) == []


def test_unknown_backbone_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'esm2_t6'"):
        Embedder.of(EmbeddingConfig(backbone="esm2_t7", engine="torch"))


def test_layer_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"has no layer 7; allowed: 0 \(the embedding\) to 2, or -1"):
        embedder_of(layer=7)


def test_t5_has_no_cls_and_says_so_before_it_is_loaded() -> None:
    with pytest.raises(ConfigError, match="prott5 has no summary token"):
        Embedder.of(EmbeddingConfig(backbone="prott5", pooling="cls", engine="torch"))


def test_threads_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="threads must be at least 1"):
        Embedder.of(EmbeddingConfig(backbone="esm2_t6"), model=tiny_model("esm2"), threads=0)


# Scheduling


@pytest.mark.parametrize("pads", [True, False])
def test_each_distinct_sequence_once_and_in_input_order(fake: FakeEngine, pads: bool) -> None:
    fake.pads = pads
    asked = [*SEQUENCES, *SEQUENCES[::-1], SEQUENCES[0]]
    used = embedder_of()
    found = used.embed(asked)
    assert sum(n for n, _ in fake.batches) == len(set(SEQUENCES))
    assert [float(vector[0]) for vector in found] == pytest.approx([expected(s) for s in asked])
    assert (used.report.n_sequences, used.report.n_computed) == (len(asked), len(set(SEQUENCES)))
    assert used.report.n_known == len(asked) - len(set(SEQUENCES))


def test_longest_first_and_without_pads_unlike_lengths_stand_apart(fake: FakeEngine) -> None:
    fake.pads = False
    embedder_of().embed(["MKV", "MK", "MKVL", "ACD", "AC", "A" * 40])
    assert fake.batches == [(1, 42), (1, 6), (2, 5), (2, 4)]


@pytest.mark.parametrize("pads", [True, False])
def test_batches_hold_each_piece_once_within_their_budget(pads: bool) -> None:
    lengths = [*range(1, 60), *[25] * 200, 3_000, 20_000]
    pieces = [_batches.Piece(_batches.Task(str(n), ""), 0, "A" * n, True) for n in lengths]
    cut = _batches.batches(pieces, pads=pads)
    assert sorted(len(piece.residues) for batch in cut for piece in batch) == sorted(lengths)
    budget = _batches.PADDED_TOKENS if pads else _batches.GROUPED_TOKENS
    for batch in cut:
        assert len(batch) == 1 or len(batch) * max(len(piece.residues) for piece in batch) <= budget
        assert pads or len({len(piece.residues) for piece in batch}) == 1


def test_progress_is_in_residues(fake: FakeEngine) -> None:
    seen: list[tuple[str, int, int]] = []
    embedder_of().embed(["MKV", "MKVL", "MKV"], on_progress=lambda *at: seen.append(at))
    assert seen[-1] == ("embedding, residues", 7, 7)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_stream_is_drawn_in_chunks_and_keeps_its_order(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder, "CHUNK_SEQUENCES", 4)
    drawn: list[str] = []

    def records() -> Iterator[SequenceRecord]:
        for record in records_of(SEQUENCES + SEQUENCES):
            drawn.append(record.id)
            yield record

    used = embedder_of()
    stream = used.embed_stream(records())
    first, _ = next(stream)
    assert (first.id, len(drawn)) == ("p0", 4)
    rest = list(stream)
    assert [record.id for record, _ in rest] == [f"p{n}" for n in range(1, 24)]
    assert [float(v[0]) for _, v in rest] == pytest.approx([expected(r.sequence) for r, _ in rest])
    assert used.report.n_computed == len(set(SEQUENCES))  # equal ones of later chunks too


def test_stream_without_a_store_leaves_nothing_behind(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert len(list(embedder_of().embed_stream(records_of(SEQUENCES)))) == len(SEQUENCES)
    assert list(tmp_path.iterdir()) == []


# The store


def test_known_vectors_are_not_computed_again(fake: FakeEngine, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = embedder_of(store=store).embed(SEQUENCES)
    fake.batches.clear()
    again = embedder_of(store=store)
    second = again.embed([*SEQUENCES, "MKVMKV"])
    assert fake.batches == [(1, 8)]
    assert again.report.n_known == len(SEQUENCES)
    for a, b in zip(first, second, strict=False):
        np.testing.assert_array_equal(a, b)


def test_model_is_not_loaded_if_all_is_known(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    embedder_of(store=store).embed(SEQUENCES)
    monkeypatch.setattr(engines, "make", lambda *_, **__: pytest.fail("an engine was made"))
    assert len(embedder_of(store=store).embed(SEQUENCES)) == len(SEQUENCES)


@pytest.mark.parametrize(
    "other",
    [
        {"pooling": "max"},
        {"layer": 1},
        {"length_policy": "windows"},
        {"precision": "bfloat16"},
        {"pooling": "none"},
    ],
)
def test_other_kinds_stand_apart(fake: FakeEngine, tmp_path: Path, other: dict[str, Any]) -> None:
    store = Store(tmp_path / "store")
    embedder_of(store=store).embed(["MKV"])
    used = embedder_of(store=store, **other)
    used.embed(["MKV"])
    assert used.report.n_computed == 1
    assert len(store.kinds()) == 2


def test_parts_are_written_as_they_are_done(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_filling, "PART_BYTES", 32 * 4 * 3)
    fake.pads = False
    store = Store(tmp_path / "store")
    used = embedder_of(store=store)
    used.embed(SEQUENCES)
    assert len(store.shelf(used.kind).parts()) == -(-len(set(SEQUENCES)) // 3)


def test_interrupt_keeps_what_was_done(fake: FakeEngine, tmp_path: Path) -> None:
    fake.pads = False
    store = Store(tmp_path / "store")
    used = embedder_of(store=store)

    def stop(_stage: str, done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        used.embed(SEQUENCES, on_progress=stop)
    n_kept = len(store.shelf(used.kind))
    assert 0 < n_kept < len(set(SEQUENCES))


# What does not fit


ERRORS = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("Exception from src/inference: std::bad_alloc"),
    RuntimeError("Failed to allocate memory for requested buffer of size 13728000000"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_errors_of_memory_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("no"), KeyboardInterrupt()])
def test_other_errors_are_no_errors_of_memory(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_torch_itself_is_understood() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_batch_that_does_not_fit_is_split(fake: FakeEngine, error: Exception) -> None:
    fake.room, fake.error = 150, error
    used = embedder_of()
    found = used.embed(SEQUENCES)
    assert [float(vector[0]) for vector in found] == pytest.approx([expected(s) for s in SEQUENCES])
    assert used.report.n_splits > 0
    assert fake.n_recovered == used.report.n_splits
    assert any("batches split in two" in warning for warning in used.report.warnings)


def test_sequence_that_does_not_fit_alone_is_named_and_the_others_done(
    fake: FakeEngine, tmp_path: Path
) -> None:
    fake.room = 60
    store = Store(tmp_path / "store")
    used = embedder_of(store=store)
    with pytest.raises(
        NotEmbeddedError,
        match="1 of 3 sequences have no vector: sequence 2: does not fit into memory with its 99",
    ):
        used.embed(["MKV", "A" * 99, "MKVL"])
    assert store.shelf(used.kind).known([key_of(s) for s in ("MKV", "A" * 99, "MKVL")]).tolist() == [
        True,
        False,
        True,
    ]


def test_other_errors_are_raised_as_they_are(fake: FakeEngine) -> None:
    fake.room, fake.error = 1, ZeroDivisionError("a fault of the engine")
    with pytest.raises(ZeroDivisionError):
        embedder_of().embed(["MKV"])


def test_sequence_beyond_the_positions_is_named_and_the_others_done(fake: FakeEngine) -> None:
    used = embedder_of(most=30)
    stream = used.embed_stream(records_of(["MKV", "A" * 31, "MKVL"]))
    assert [next(stream)[0].id, next(stream)[0].id] == ["p0", "p2"]
    with pytest.raises(
        NotEmbeddedError,
        match=r"1 of 3 .*p1: has 31 residues, and esm2_t6 takes at most 30; use .* head-tail",
    ) as caught:
        next(stream)
    assert list(caught.value.failed) == ["p1"]


@pytest.mark.parametrize("policy", ["head-tail:20,10", "windows:30,5"])
def test_other_policies_take_what_is_too_long(fake: FakeEngine, policy: str) -> None:
    used = embedder_of(most=30, length_policy=policy)
    assert len(used.embed(["A" * 95])) == 1
    assert sum(used.report.flags.values()) == 1
    assert used.flag("A" * 95) != ""


def test_windows_that_are_too_large_themselves(fake: FakeEngine) -> None:
    with pytest.raises(NotEmbeddedError, match="takes at most 30"):
        embedder_of(most=30, length_policy="windows:40,5").embed(["A" * 95])


def test_failures_are_told_one_by_one_if_asked(fake: FakeEngine) -> None:
    told: list[str] = []
    stream = embedder_of(most=3).embed_stream(
        records_of(["MKVL", "MKV", "MKVL"]), on_failure=lambda record, _reason: told.append(record.id)
    )
    assert [record.id for record, _ in stream] == ["p1"]
    assert told == ["p0", "p2"]


@pytest.mark.parametrize("pooling", ["mean", "none"])
def test_half_precision_is_the_rounded_vector_with_and_without_a_store(tmp_path: Path, pooling: str) -> None:
    single = embedder_of(pooling=pooling).embed(SEQUENCES)
    store = Store(tmp_path)
    options: dict[str, Any] = {"pooling": pooling, "store_dtype": "float16"}
    filled = embedder_of(store=store, **options)
    found = [embedder_of(**options).embed(SEQUENCES), filled.embed(SEQUENCES), filled.embed(SEQUENCES)]
    streamed = [vector for _, vector in embedder_of(**options).embed_stream(records_of(SEQUENCES))]
    for vectors in (*found, streamed):
        for vector, other in zip(vectors, single, strict=True):
            assert vector.dtype == np.float16
            np.testing.assert_array_equal(vector, other.astype(np.float16))
    assert filled.report.n_computed == len(set(SEQUENCES))
    embedder_of(store=store, pooling=pooling).embed(["MKV"])
    assert {kind.dtype for kind in store.kinds()} == {"float16", "float32"}


def test_values_beyond_half_precision_are_no_vector(fake: FakeEngine) -> None:
    fake.value = 1e5
    assert np.isfinite(embedder_of().embed(["MKV"])[0]).all()
    with pytest.raises(NotEmbeddedError, match="beyond the range of float16; leave out --half"):
        embedder_of(store_dtype="float16").embed(["MKV"])


def test_values_that_are_not_finite_are_no_vector(fake: FakeEngine, tmp_path: Path) -> None:
    fake.value = np.nan
    with pytest.raises(NotEmbeddedError, match="not finite"):
        embedder_of(store=Store(tmp_path / "store")).embed(["MKV"])


def test_shortened_sequences_are_counted(fake: FakeEngine) -> None:
    used = embedder_of(length_policy="head-tail:4,2")
    used.embed(["MKV", "MKVLATG", "A" * 30])
    assert used.report.flags == {"shortened_to:6": 2}
    assert "middle left out, 6 residues kept: 2 sequences" in used.report.warnings


def test_shortened_sequences_are_counted_wherever_their_vectors_come_from(
    fake: FakeEngine, tmp_path: Path
) -> None:
    asked = ["MKV", "MKVLATG", "MKVLATG", "A" * 30]
    for _ in range(2):
        used = embedder_of(length_policy="head-tail:4,2", store=Store(tmp_path / "store"))
        used.embed(asked)
        assert used.report.flags == {"shortened_to:6": 3}
    assert used.report.n_computed == 0


# Several processes


WORK = """
import sys; sys.path.insert(0, {tests!r})
import time
import test_embedding as t
from sortilin.embedding import _filling
_filling.PART_BYTES = 200
class Slow(t.FakeEngine):
    def hidden(self, ids, attention):
        time.sleep(0.02)
        return super().hidden(ids, attention)
t.engines.make = lambda *_, **__: Slow(t.tiny_model("esm2").vocabulary, pads=False)
t.embedder_of(store=t.Store(t.Path(sys.argv[1]))).embed(t.tiny.random_sequences(9, 80, longest=60))
"""


def start(store: Path) -> subprocess.Popen[bytes]:
    code = WORK.format(tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", code, str(store)], env={**os.environ})


def assert_whole(folder: Path) -> None:
    """All vectors are there, as an undisturbed run gives them."""
    sequences = tiny.random_sequences(9, 80, longest=60)
    shelf = Store(folder).shelf(embedder_of().kind)
    vectors = shelf.get([key_of(sequence) for sequence in sequences])
    assert [float(v[0]) for v in vectors] == pytest.approx([expected(s) for s in sequences])


@pytest.mark.slow
def test_killed_and_started_again_is_as_undisturbed(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    process = start(folder)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*/part-*.safetensors"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_kept = len(Store(folder).shelf(embedder_of().kind))
    assert 5 <= n_kept < 80
    assert start(folder).wait(timeout=60) == 0
    assert_whole(folder)


@pytest.mark.slow
def test_killed_at_ten_random_moments_is_as_undisturbed(tmp_path: Path) -> None:
    folder, generator = tmp_path / "store", np.random.default_rng(3)
    kept = [0]
    for _ in range(10):
        n_before = len(list(folder.glob("*/part-*.safetensors")))
        process = start(folder)
        deadline = time.monotonic() + 60
        while len(list(folder.glob("*/part-*.safetensors"))) == n_before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept.append(len(Store(folder).shelf(embedder_of().kind)))
    assert kept == sorted(set(kept))  # each went on where the one before was
    assert kept[-1] < 80
    assert start(folder).wait(timeout=60) == 0
    assert_whole(folder)
    assert verify(Store(folder)) == []


@pytest.mark.slow
def test_two_processes_at_once(tmp_path: Path) -> None:
    running = [start(tmp_path / "store") for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert_whole(tmp_path / "store")
