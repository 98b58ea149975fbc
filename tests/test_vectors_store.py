"""The store of vectors: what is written is found again, whatever happens to its processes and files."""

from __future__ import annotations

import errno
import mmap
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sortilin import locks
from sortilin.errors import ConfigError, MissingVectorError, OutputError, StoreError, UnknownNameError
from sortilin.files import locked
from sortilin.vectors import Shelf, Store, VectorKind, _maps, _merging, _writing, key_of, pruning, upkeep
from sortilin.vectors._index import KeyIndex

FloatArray = NDArray[np.float32]

POOLED = VectorKind(
    checkpoint="esm2_t6",
    revision="0" * 40,
    layer=-1,
    pooling="mean",
    length_policy="whole",
    precision="float32",
    width=6,
)
RESIDUES = POOLED.model_copy(update={"pooling": "none"})
HALF_POOLED, HALF_RESIDUES = (kind.model_copy(update={"dtype": "float16"}) for kind in (POOLED, RESIDUES))
KINDS = [POOLED, RESIDUES, HALF_POOLED, HALF_RESIDUES]


def sequence(number: int) -> str:
    """A sequence of its own for each number."""
    return "ACDEFGHIKL"[number % 10] * (1 + number // 10 % 7) + "M" * (1 + number)


def key(number: int) -> str:
    return key_of(sequence(number))


def vector(number: int, kind: VectorKind = POOLED) -> FloatArray:
    """What the model of these tests gives a sequence."""
    generator = np.random.default_rng(number)
    shape = (len(sequence(number)), kind.width) if kind.is_per_residue else (kind.width,)
    return generator.normal(size=shape).astype(kind.stored)


def fill(shelf: Shelf, numbers: Sequence[int]) -> None:
    shelf.append([key(n) for n in numbers], [vector(n, shelf.kind) for n in numbers])


def check(shelf: Shelf, numbers: Sequence[int]) -> None:
    for n, values in zip(numbers, shelf.get([key(n) for n in numbers]), strict=True):
        assert values.dtype == shelf.kind.stored
        np.testing.assert_array_equal(values, vector(n, shelf.kind))


def part_of(shelf: Shelf) -> Path:
    (part,) = shelf.parts()
    return part.path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(params=KINDS, ids=["pooled", "residues", "half-pooled", "half-residues"])
def shelf(request: pytest.FixtureRequest, store: Store) -> Shelf:
    return store.shelf(request.param)


def test_stores_of_before_keep_their_folders() -> None:
    assert POOLED.folder_name == "esm2_t6-layer-1-mean-whole-float32-a549de3e5e8f"
    assert HALF_POOLED.folder_name.startswith("esm2_t6-layer-1-mean-whole-float32-float16-")


def test_half_precision_takes_half_the_room(store: Store) -> None:
    single, half = (store.shelf(kind.model_copy(update={"width": 1_000})) for kind in (POOLED, HALF_POOLED))
    for shelf in (single, half):
        fill(shelf, range(20))
    sizes = [part_of(shelf).stat().st_size for shelf in (single, half)]
    assert sizes[0] - sizes[1] == pytest.approx(20 * 1_000 * 2, abs=100)  # the headers are not of one length


def test_a_shelf_takes_no_other_type(store: Store) -> None:
    with pytest.raises(StoreError, match="is float32; a store takes float16"):
        store.shelf(HALF_POOLED).append([key(0)], [vector(0, POOLED)])


# Keys and kinds -----------------------------------------------------------------------------------


def test_key_is_the_sha256_of_the_sequence_in_capitals() -> None:
    # printf MKV | sha256sum
    assert key_of("MKV") == "06101e170c22fd1e3eb5769d9ec67e9b76a226c73f20c30aa46e2436cb60abce"
    assert key_of("mkv") == key_of("MKV") != key_of("MKW")


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint": "esm2_t12"},
        {"revision": "1" * 40},
        {"layer": 3},
        {"pooling": "max"},
        {"length_policy": "head-tail:1900+100"},
        {"precision": "bfloat16"},
        {"width": 7},
        {"dtype": "float16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_kinds_are_kept_apart(store: Store, change: dict[str, Any]) -> None:
    other = POOLED.model_copy(update=change)
    fill(store.shelf(POOLED), range(3))
    assert other.folder_name != POOLED.folder_name
    assert not store.shelf(other).known([key(0)]).any()
    assert store.kinds() == [POOLED]


@pytest.mark.parametrize("name", ["facebook/esm2_t6_8M_UR50D", "/home/a b/../model", "..", "ü" * 300])
def test_folder_of_a_kind_is_one_plain_name(name: str) -> None:
    folder = POOLED.model_copy(update={"checkpoint": name}).folder_name
    assert Path(folder).name == folder
    assert not folder.startswith(".")
    assert folder.isascii()
    assert len(folder) < 120


# Adding and finding -------------------------------------------------------------------------------


def test_vectors_come_back_as_they_were_in_the_order_asked_for(shelf: Shelf) -> None:
    fill(shelf, range(40))
    fill(shelf, range(40, 60))
    order = random.Random(1).sample(range(60), 60)
    check(shelf, order)
    check(shelf, [5, 5, 41, 5])
    assert len(shelf) == 60
    assert key(3) in shelf
    assert key(99) not in shelf


def test_a_new_process_finds_them_too(shelf: Shelf, store: Store) -> None:
    fill(shelf, range(10))
    again = Store(store.path)
    assert again.kinds() == [shelf.kind]
    check(again.shelf(shelf.kind), range(10))


def test_known_says_which_are_there(shelf: Shelf) -> None:
    fill(shelf, [1, 3])
    assert shelf.known([key(n) for n in range(5)]).tolist() == [False, True, False, True, False]
    assert shelf.known([]).tolist() == []
    assert shelf.get([]) == []


def test_what_is_there_is_left_as_it_is(shelf: Shelf) -> None:
    fill(shelf, [1, 2])
    again = [vector(n, shelf.kind) + more for n, more in ((2, 1), (3, 1), (3, 2))]
    shelf.append([key(2), key(3), key(3)], again)
    check(shelf, [1, 2])
    np.testing.assert_array_equal(shelf.get([key(3)])[0], vector(3, shelf.kind) + 1)
    assert [part.n for part in shelf.parts()] == [2, 1]


def test_nothing_new_writes_no_part(shelf: Shelf) -> None:
    fill(shelf, [1, 2])
    fill(shelf, [2, 1])
    shelf.append([], [])
    assert len(shelf.parts()) == 1


def test_matrix_is_taken_as_well(store: Store) -> None:
    shelf = store.shelf(POOLED)
    shelf.append([key(n) for n in range(4)], np.stack([vector(n) for n in range(4)]))
    check(shelf, range(4))


def test_missing_vectors_are_named(shelf: Shelf) -> None:
    fill(shelf, [1])
    with pytest.raises(MissingVectorError, match=rf"no vector of 4 of 5 sequences: {key(2)}, .*\.\.\."):
        shelf.get([key(n) for n in range(1, 6)])


def test_parts_that_another_process_adds_are_picked_up(shelf: Shelf, store: Store) -> None:
    fill(shelf, range(5))
    fill(Store(store.path).shelf(shelf.kind), range(5, 9))
    assert shelf.known([key(n) for n in range(9)]).all()
    check(shelf, range(9))


def test_a_part_is_a_safetensors_file_that_says_what_it_is(shelf: Shelf) -> None:
    safetensors = pytest.importorskip("safetensors")
    fill(shelf, range(5))
    with safetensors.safe_open(part_of(shelf), framework="numpy") as stored:
        metadata = stored.metadata()
        keys = stored.get_tensor("keys")
        vectors = stored.get_tensor("vectors")
    assert metadata["format"] == "sortilin-vectors"
    assert metadata["version"] == "1"
    assert VectorKind.model_validate_json(metadata["kind"]) == shelf.kind
    assert [bytes(row).hex() for row in keys] == [key(n) for n in range(5)]
    expected = [vector(n, shelf.kind).reshape(-1, shelf.kind.width) for n in range(5)]
    np.testing.assert_array_equal(vectors, np.concatenate(expected))


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(5, np.float32), r"shape \(5,\); .* takes \(6,\)"),
        (np.zeros((3, 6), np.float32), r"shape \(3, 6\)"),
        (np.zeros(6, np.float64), "float64; a store takes float32"),
        (np.array([0, 1, 2, 3, 4, np.nan], np.float32), "not finite"),
        (np.full(6, np.inf, np.float32), "not finite"),
    ],
    ids=["width", "axes", "dtype", "nan", "inf"],
)
def test_unfit_vectors_are_refused_and_nothing_is_written(store: Store, values: Any, reason: str) -> None:
    shelf = store.shelf(POOLED)
    with pytest.raises(StoreError, match=reason):
        shelf.append([key(0), key(1)], [vector(0), values])
    assert not shelf.known([key(0)]).any()
    assert not store.path.exists()


def test_vectors_of_residues_have_two_axes_and_a_residue(store: Store) -> None:
    shelf = store.shelf(RESIDUES)
    for values in (np.zeros(6, np.float32), np.zeros((0, 6), np.float32)):
        with pytest.raises(StoreError, match=r"takes \(L, 6\)"):
            shelf.append([key(0)], [values])


def test_what_is_no_key_is_a_fault_of_the_caller(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        shelf.known(["MKV"])
    with pytest.raises(ValueError, match="2 keys for 1 vectors"):
        shelf.append([key(0), key(1)], [vector(0, shelf.kind)])


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(StoreError, match=r"is not a store of vectors: it holds thesis\.docx"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="is a file; a store of vectors is a folder"):
        Store(tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            '{"format": "sortilin-store", "format_version": 2}',
            "format version 2; this sortilin reads up to 1",
        ),
        ('{"format": "other"}', "is not of a store of vectors"),
        ("{", "is damaged: it is not JSON"),
    ],
)
def test_a_newer_or_damaged_marker_is_refused(store: Store, content: str, reason: str) -> None:
    fill(store.shelf(POOLED), [1])
    (store.path / "store.json").write_text(content)
    with pytest.raises(StoreError, match=reason):
        Store(store.path)


def test_a_newer_part_is_refused(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1])
    path = part_of(shelf)
    path.write_bytes(path.read_bytes().replace(b'"version": "1"', b'"version": "2"'))
    with pytest.raises(StoreError, match="format version 2; this sortilin reads up to 1: pip install"):
        len(store.shelf(shelf.kind))


def test_a_part_of_another_kind_is_not_read(store: Store) -> None:
    fill(store.shelf(POOLED), [1])
    other = POOLED.model_copy(update={"layer": 2})
    fill(store.shelf(other), [2])
    path = part_of(store.shelf(other))
    moved = path.rename(store.path / POOLED.folder_name / path.name)
    with pytest.raises(StoreError, match="holds vectors of another kind, esm2_t6-layer2-mean"):
        len(store.shelf(POOLED))
    assert [fault.path for fault in upkeep.verify(store)] == [moved]
    (change,) = pruning.prune(store, damaged=True)
    assert (change.path, change.is_removed, moved.exists()) == (moved, False, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_part_that_cannot_be_written_leaves_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fill(shelf, [1])
    before = sorted(shelf.folder.iterdir())

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=f"cannot be written: {os.strerror(number)}"):
        fill(shelf, [2])
    monkeypatch.undo()
    assert sorted(shelf.folder.iterdir()) == before
    fill(shelf, [2])
    check(shelf, [1, 2])


def test_a_store_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(OutputError, match="cannot be written"):
        fill(store.shelf(POOLED), [1])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_store_is_read_but_not_added_to(shelf: Shelf) -> None:
    fill(shelf, [1])
    shelf.folder.chmod(0o500)
    try:
        check(shelf, [1])
        with pytest.raises(OutputError, match="cannot be written: Permission denied"):
            fill(shelf, [2])
    finally:
        shelf.folder.chmod(0o700)


def test_default_store_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_STORE", str(tmp_path / "named"))
    assert Store().path == tmp_path / "named"
    monkeypatch.delenv("SORTILIN_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Store().path.name == "vectors"


# Memory -------------------------------------------------------------------------------------------


def is_mapped(values: Any) -> bool:
    """Whether an array is a view of a mapped file."""
    while isinstance(values, np.ndarray):
        values = values.base
    return isinstance(values, memoryview) and isinstance(values.obj, mmap.mmap)


def test_vectors_are_read_only_views_of_the_files(shelf: Shelf) -> None:
    fill(shelf, range(20))
    for values in shelf.get([key(n) for n in range(20)]):
        assert is_mapped(values)
        assert not values.flags.writeable


def test_reading_takes_less_memory_than_the_vectors(store: Store) -> None:
    kind = POOLED.model_copy(update={"width": 1024})
    shelf, keys = store.shelf(kind), [key_of("A" * (n + 1)) for n in range(4000)]
    for first in range(0, 4000, 1000):
        part = np.full((1000, 1024), first, np.float32)
        shelf.append(keys[first : first + 1000], part)
    tracemalloc.start()
    try:
        fresh = Store(store.path).shelf(kind)
        total = sum(float(values[0]) for values in fresh.get(keys))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 1000 * (0 + 1000 + 2000 + 3000)
    assert peak < 4000 * 1024 * 4 / 4  # of 16 MB


def test_many_parts_with_views_in_use_do_not_use_up_the_open_files(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_maps, "MOST_LENT", 4)
    monkeypatch.setattr(_maps, "MOST_KEPT", 2)
    shelf = store.shelf(RESIDUES)
    for n in range(10):
        fill(shelf, [n, n + 100])
    numbers = [*range(10), *range(100, 110)]
    found = shelf.get([key(n) for n in numbers])
    assert sum(map(is_mapped, found)) == 2 * 4
    for n, values in zip(numbers, found, strict=True):
        np.testing.assert_array_equal(values, vector(n, RESIDUES))
        assert not values.flags.writeable
    del found, values
    assert is_mapped(shelf.get([key(9)])[0])  # there is room again


def test_index_agrees_with_a_dictionary_also_where_keys_begin_alike() -> None:
    generator = np.random.default_rng(0)
    index, expected = KeyIndex(), dict[bytes, tuple[int, int]]()
    heads = generator.integers(0, 256, (20, 8), np.uint8)  # few, so that many keys share them
    for part in range(60):
        n = int(generator.integers(1, 40))
        keys = np.zeros((n, 32), np.uint8)
        keys[:, :8] = heads[generator.integers(0, 20, n)]
        keys[:, 31] = generator.integers(0, 12, n)
        is_new = index.add(part, keys)
        for row, packed in enumerate(map(bytes, keys)):
            assert is_new[row] == (packed not in expected)
            expected.setdefault(packed, (part, row))
    assert len(index) == len(expected)
    asked = np.frombuffer(b"".join(expected), np.uint8).reshape(-1, 32)
    parts, rows = index.find(asked)
    assert list(zip(parts.tolist(), rows.tolist(), strict=True)) == list(expected.values())
    absent = asked.copy()
    absent[:, 16] = 1
    assert (index.find(absent)[0] == -1).all()


def test_index_takes_52_bytes_a_key() -> None:
    index = KeyIndex()
    for part in range(3):
        index.add(part, np.random.default_rng(part).integers(0, 256, (1000, 32), np.uint8))
    arrays = [(run.words, run.first, run.parts, run.rows) for run in index._runs]
    assert sum(array.nbytes for run in arrays for array in run) == 52 * len(index)


# Kills and company --------------------------------------------------------------------------------

WRITER = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_vectors_store import KINDS, fill, key
from sortilin.vectors import Store

path, which, first, end, size, killed_at = Path(sys.argv[1]), *map(int, sys.argv[2:])
shelf = Store(path).shelf(KINDS[which])
n_synced, synchronize = 0, os.fsync

def fsync(descriptor):
    global n_synced
    n_synced += 1
    if n_synced == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    synchronize(descriptor)

os.fsync = fsync
print("ready", flush=True)
for start in range(first, end, size):
    numbers = range(start, min(start + size, end))
    if not shelf.known([key(n) for n in numbers]).all():
        fill(shelf, numbers)
"""


def writer(path: Path, kind: VectorKind, first: int, end: int, size: int = 5, killed_at: int = 0) -> Any:
    arguments = [str(path), *map(str, (KINDS.index(kind), first, end, size, killed_at))]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE)


def finish(process: Any) -> int:
    process.communicate(timeout=120)
    return int(process.returncode)


def partials(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.partial*"))


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("killed_at", range(1, 7))
def test_a_kill_at_any_write_loses_at_most_that_part(shelf: Shelf, store: Store, killed_at: int) -> None:
    assert finish(writer(store.path, shelf.kind, 0, 20, killed_at=killed_at)) == -signal.SIGKILL
    opened = Store(store.path)
    assert upkeep.verify(opened) == []
    known = store.shelf(shelf.kind).known([key(n) for n in range(20)])
    assert known.tolist() == sorted(known.tolist(), reverse=True)  # whole parts, in order
    assert known.sum() % 5 == 0
    check(store.shelf(shelf.kind), np.flatnonzero(known).tolist())
    for first in range(0, 20, 5):
        fill(store.shelf(shelf.kind), range(first, first + 5))
    check(store.shelf(shelf.kind), range(20))
    assert upkeep.verify(store) == []


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_a_killed_writer_left_is_removed_but_not_what_is_being_written(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, [90])
    assert finish(writer(store.path, shelf.kind, 0, 5, killed_at=1)) == -signal.SIGKILL
    (left,) = partials(shelf.folder)
    seen: list[tuple[list[Path], list[Path]]] = []
    synchronize = os.fsync

    def look(descriptor: int) -> None:
        if len(seen) == 0:
            removed = [change.path for change in pruning.prune(store)]
            seen.append((removed, partials(shelf.folder)))
        synchronize(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    fill(shelf, [91])
    monkeypatch.undo()
    (removed, present), *_ = seen
    assert removed == [left]
    assert len(present) == 1  # the one of the part that was being written
    assert partials(shelf.folder) == []
    check(shelf, [90, 91])


@pytest.mark.skipif(os.name != "posix", reason="there files are told by their age")
def test_a_writer_begins_again_if_its_new_file_is_being_pruned(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, [1])
    is_held, unlink = _writing._is_held, Path.unlink
    held: list[bool] = []

    def pruned_before(lock: Any, stream: Any) -> bool:
        """Prune after the file was made and before it is locked; lock it just before it is removed."""
        if held:
            return is_held(lock, stream)

        def locked_before(path: Path, missing_ok: bool = False) -> None:
            if path == lock.path and not held:
                held.append(is_held(lock, stream))
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", locked_before)
            removed = [change.path for change in pruning.prune(store)]
        assert removed == [lock.path]
        return held[0]

    monkeypatch.setattr(_writing, "_is_held", pruned_before)
    fill(shelf, [2])
    assert held == [False]
    check(store.shelf(shelf.kind), [1, 2])
    assert partials(shelf.folder) == []


@pytest.mark.skipif(os.name != "posix", reason="there files are told by their age")
def test_a_writer_begins_again_if_its_new_file_was_pruned_while_it_took_the_lock(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, [1])
    try_lock = locks._try_lock
    removed: list[Path] = []

    def pruned_before(descriptor: int) -> None:
        monkeypatch.setattr(locks, "_try_lock", try_lock)
        removed.extend(change.path for change in pruning.prune(store))
        try_lock(descriptor)

    monkeypatch.setattr(locks, "_try_lock", pruned_before)
    fill(shelf, [2])
    assert len(removed) == 1
    check(store.shelf(shelf.kind), [1, 2])
    assert partials(shelf.folder) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_kills_at_random_moments_and_then_an_end_equal_an_undisturbed_run(
    shelf: Shelf, tmp_path: Path
) -> None:
    path, moments = tmp_path / "store", random.Random(7)
    for _ in range(12):
        process = writer(path, shelf.kind, 0, 400, size=3)
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        finish(process)
        store = Store(path)
        assert upkeep.verify(store) == []
        known = store.shelf(shelf.kind).known([key(n) for n in range(400)])
        check(store.shelf(shelf.kind), np.flatnonzero(known).tolist())
    assert finish(writer(path, shelf.kind, 0, 400, size=3)) == 0
    store = Store(path)
    check(store.shelf(shelf.kind), range(400))
    for partial in partials(store.shelf(shelf.kind).folder):
        os.utime(partial, (0, 0))  # a description that was cut off has no lock: only its age tells it
    list(pruning.prune(store))
    assert upkeep.verify(store) == []
    assert partials(store.shelf(shelf.kind).folder) == []
    assert len(store.shelf(shelf.kind)) == 400
    check(store.shelf(shelf.kind), range(400))


def test_two_processes_on_one_shelf_lose_nothing(shelf: Shelf, store: Store) -> None:
    writers = [writer(store.path, shelf.kind, first, first + 120, size=4) for first in (0, 60)]
    assert [finish(process) for process in writers] == [0, 0]
    assert store.kinds() == [shelf.kind]
    assert len(shelf) == 180
    check(shelf, range(180))
    assert upkeep.verify(store) == []


def test_one_process_merges_while_another_reads(shelf: Shelf, store: Store) -> None:
    for n in range(6):
        fill(shelf, [n])
    views = shelf.get([key(n) for n in range(6)])
    list(pruning.prune(Store(store.path)))
    for n, values in enumerate(views):  # of files that are gone
        np.testing.assert_array_equal(values, vector(n, shelf.kind))
    assert len(shelf.parts()) == 1
    check(shelf, range(6))


def test_a_part_that_is_merged_between_looking_and_reading_is_found_elsewhere(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        fill(shelf, [n])
    look = Shelf._get
    calls: list[list[pruning.Change]] = []

    def merged_before(self: Shelf, keys: Any, asked: Any) -> Any:
        if not calls:
            calls.append(list(pruning.prune(Store(store.path))))
        return look(self, keys, asked)

    monkeypatch.setattr(Shelf, "_get", merged_before)
    check(shelf, range(3))
    assert len(calls[0]) == 3


# Damage -------------------------------------------------------------------------------------------


def cut(n_bytes: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:n_bytes]


@pytest.mark.parametrize(
    "damage",
    [
        cut(0),
        cut(5),
        cut(100),
        cut(-1),
        cut(-40),
        lambda c: c + b"\0",
        lambda c: b"\0" * len(c),
        lambda _: b"<html>",
    ],
    ids=["empty", "5 bytes", "header", "last byte", "crc", "longer", "zeros", "other"],
)
def test_a_damaged_part_is_named_with_the_command_that_mends(
    shelf: Shelf, store: Store, damage: Callable[[bytes], bytes]
) -> None:
    fill(shelf, [1, 2, 3])
    path = part_of(shelf)
    fill(shelf, [4])
    path.write_bytes(damage(path.read_bytes()))
    fresh = store.shelf(shelf.kind)
    with pytest.raises(StoreError, match=r"is damaged: .*`sortilin store prune --damaged --store ") as raised:
        fresh.get([key(1)])
    assert str(path) in str(raised.value)
    assert [fault.path for fault in upkeep.verify(store)] == [path]
    assert [change.path for change in pruning.prune(store) if not change.is_removed] == [path]
    assert path.exists()
    (change,) = pruning.prune(store, damaged=True)
    assert (change.path, change.is_removed) == (path, True)
    assert fresh.known([key(n) for n in (1, 2, 3, 4)]).tolist() == [False, False, False, True]
    fill(fresh, [1, 2, 3])
    check(fresh, [1, 2, 3, 4])
    assert upkeep.verify(store) == []


def test_commands_quote_the_path(tmp_path: Path) -> None:
    store = Store(tmp_path / "my store; rm")
    fill(store.shelf(POOLED), [1])
    path = part_of(store.shelf(POOLED))
    path.write_bytes(b"")
    path.with_name("kind.json").unlink()
    expected = f"--damaged --store '{store.path}'` "
    with pytest.raises(StoreError) as raised:
        store.shelf(POOLED).get([key(1)])
    assert expected in str(raised.value)
    with pytest.raises(StoreError) as raised:
        store.kinds()
    assert expected in str(raised.value)


def test_no_changed_byte_goes_unseen(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1, 2])
    path = part_of(shelf)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert [fault.path for fault in upkeep.verify(store)] == [path], at
        fresh = store.shelf(shelf.kind)
        for n in (1, 2):
            try:
                (values,) = fresh.get([key(n)])
            except StoreError:
                continue
            np.testing.assert_array_equal(values, vector(n, shelf.kind))


def test_a_part_that_shrinks_after_it_was_listed_is_damaged(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1])
    fresh = store.shelf(shelf.kind)
    assert key(1) in fresh
    part_of(shelf).write_bytes(b"")
    with pytest.raises(StoreError, match="is damaged: it has 0 bytes in place of"):
        fresh.get([key(1)])


@pytest.mark.parametrize(
    "content", [None, "", "{}", '{"format": "sortilin-shelf", "format_version": 1, "kind": {}}']
)
def test_a_damaged_description_is_written_again_from_the_parts(
    shelf: Shelf, store: Store, content: str | None
) -> None:
    fill(shelf, [1])
    described = shelf.folder / "kind.json"
    before = described.read_text()
    described.unlink() if content is None else described.write_text(content)
    with pytest.raises(StoreError, match=r"kind\.json"):
        store.kinds()
    assert [fault.path for fault in upkeep.verify(store)] == [described]
    assert list(pruning.prune(store, damaged=True)) == []
    assert described.read_text() == before
    assert store.kinds() == [shelf.kind]


def test_a_description_of_another_kind_is_told(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1])
    shelf.folder.rename(shelf.folder.with_name("renamed"))
    with pytest.raises(StoreError, match="which is another folder"):
        store.kinds()


# Pruning ------------------------------------------------------------------------------------------


def with_copies(shelf: Shelf, store: Store) -> None:
    """Three parts, the second with what stands in the first, as two processes may leave it."""
    fill(shelf, [1, 2, 3])
    other = Store(store.path.with_name("other")).shelf(shelf.kind)
    fill(other, [2, 3, 4])
    part_of(other).rename(shelf.folder / part_of(other).name)
    fill(shelf, [5])


def test_pruning_merges_small_parts_without_copies(shelf: Shelf, store: Store) -> None:
    with_copies(shelf, store)
    before = {part.path for part in shelf.parts()}
    changes = list(pruning.prune(store))
    assert {change.path for change in changes} == before
    assert "merged into a larger part, without 2 sequences that stand in other parts too" in {
        change.reason for change in changes
    }
    (part,) = shelf.parts()
    assert part.n == 5
    check(shelf, range(1, 6))
    assert upkeep.verify(store) == []
    assert list(pruning.prune(store)) == []


def test_pruning_leaves_large_parts_and_limits_merged_ones(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in range(0, 50, 10):
        fill(shelf, range(first, first + 10))
    sizes = [part.n_bytes for part in shelf.parts()]
    monkeypatch.setattr(_merging, "SMALL_BYTES", min(sizes))
    assert list(pruning.prune(store)) == []
    monkeypatch.setattr(_merging, "SMALL_BYTES", max(sizes) + 1)
    monkeypatch.setattr(_merging, "MOST_BYTES", sum(sizes[:2]))
    list(pruning.prune(store))
    assert 1 < len(shelf.parts()) < 5
    check(shelf, range(50))


def test_a_dry_run_says_the_same_and_changes_nothing(shelf: Shelf, store: Store) -> None:
    with_copies(shelf, store)
    before = {path: path.stat().st_mtime_ns for path in store.path.rglob("*")}
    said = list(pruning.prune(store, dry_run=True))
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*")} == before
    assert list(pruning.prune(store)) == said


def test_a_damaged_row_is_not_merged_away(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1])
    path = part_of(shelf)
    fill(shelf, [2])
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the last vector
    path.write_bytes(content)
    (change,) = pruning.prune(store)
    assert (change.path, change.is_removed) == (path, False)
    assert len(store.shelf(shelf.kind).parts()) == 2
    assert partials(shelf.folder) == []


def test_a_whole_shelf_goes_by_name_or_age_and_no_other(store: Store) -> None:
    for kind in (POOLED, RESIDUES):
        fill(store.shelf(kind), [1])
    assert list(pruning.prune(store, older_than_days=1)) == []
    old = part_of(store.shelf(POOLED))
    os.utime(old, (time.time() - 3 * 86_400,) * 2)
    (status,) = [status for status in upkeep.statuses(store) if status.kind == POOLED]
    assert 2.9 < status.days < 3.1
    gone = [change.path for change in pruning.prune(store, older_than_days=1)]
    assert gone == [old, old.with_name("kind.json")]
    assert not old.parent.exists()
    assert store.kinds() == [RESIDUES]
    list(pruning.prune(store, kind=RESIDUES.folder_name))
    assert store.kinds() == []
    fill(store.shelf(POOLED), [1])  # and it goes on from there
    check(store.shelf(POOLED), [1])


def test_merging_does_not_make_a_shelf_look_new(shelf: Shelf, store: Store) -> None:
    with_copies(shelf, store)
    now = time.time()
    for days, part in zip((9, 5, 7), shelf.parts(), strict=True):
        os.utime(part.path, (now - days * 86_400,) * 2)
    (before,) = [status.days for status in upkeep.statuses(store)]
    list(pruning.prune(store))
    assert len(store.shelf(shelf.kind).parts()) == 1
    (after,) = [status.days for status in upkeep.statuses(store)]
    assert after == pytest.approx(before, abs=0.1)
    assert list(pruning.prune(store, older_than_days=6)) == []
    assert list(pruning.prune(store, older_than_days=4)) != []


def test_an_unknown_shelf_is_refused_with_near_names(store: Store) -> None:
    fill(store.shelf(POOLED), [1])
    with pytest.raises(
        UnknownNameError, match=f"unknown kind of vectors .*did you mean '{POOLED.folder_name}'"
    ):
        list(pruning.prune(store, kind=POOLED.folder_name[:-1]))


def test_pruning_waits_for_nobody(shelf: Shelf, store: Store) -> None:
    fill(shelf, [1])
    with locked(shelf.folder), pytest.raises(ConfigError, match="another run is working in"):
        list(pruning.prune(store))


def test_figures_of_a_shelf_count_copies_once(shelf: Shelf, store: Store) -> None:
    with_copies(shelf, store)
    (status,) = upkeep.statuses(store)
    assert (status.n_sequences, status.n_parts, status.faults) == (5, 3, ())
    assert status.n_bytes == sum(path.stat().st_size for path in shelf.folder.iterdir())
