"""Model folders: what is written is read back, what is wrong is said, nothing is left half-written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sortilin import artifact
from sortilin.artifact import ModelFolder
from sortilin.errors import ModelFolderError, OutputError

ARRAYS: dict[str, Any] = {
    "calibration.weights": np.array([[-0.5, 0.5]]),
    "calibration.bias": np.array([0.25, -0.25]),
    "training_hashes": np.array([1, 2**63], dtype=np.uint64),
    "classifier.gamma": np.array(0.125, dtype=np.float32),
    "classifier.transposed": np.arange(6, dtype=np.int32).reshape(2, 3).T,
}
DESCRIBED: dict[str, Any] = {
    "sortilin_version": "0.1.0",
    "task": "custom",
    "classes": ["a", "b"],
    "features": {"name": "length", "config": {}, "n_features": 1},
    "classifier": {"name": "svm", "config": {}, "chosen": {}},
    "training_data": {"name": "Größe.csv", "lengths": [5, 50]},
    "seed": 1,
    "metrics": {"macro_f1": 0.5},
}
FILES = {"model.onnx", "arrays.safetensors", "README.md", "config.yaml"}


def write(path: Path, **changes: Any) -> ModelFolder:
    given = {"graph": b"a graph", "arrays": ARRAYS, "card": "# Card é\n", "extra": {"config.yaml": "x: 1\n"}}
    return artifact.write(path, DESCRIBED, **{**given, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model").path


def listing(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def described_as(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rewrite model.json after a change to its content."""
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))


def fault_of(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as caught:
        artifact.read(folder)
    return str(caught.value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = write(tmp_path / "deep" / "down" / "model")
    found = artifact.read(written.path)
    assert found == written
    assert found.graph == b"a graph"
    assert found.card == "# Card é\n"
    assert {key: found.description[key] for key in DESCRIBED} == DESCRIBED
    assert found.description["format"] == "sortilin-model"
    assert found.description["format_version"] == 5
    assert set(found.description["files"]) == FILES
    for name, array in ARRAYS.items():
        assert found.array(name).dtype == array.dtype
        assert np.array_equal(found.array(name), array)
    assert np.array_equal(found.calibration().weights, ARRAYS["calibration.weights"])
    assert np.array_equal(found.calibration().bias, ARRAYS["calibration.bias"])


def test_checksum_is_that_of_the_description_and_covers_every_file(folder: Path, tmp_path: Path) -> None:
    checksum = artifact.read(folder).checksum
    assert checksum == hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
    assert write(tmp_path / "same").checksum == checksum
    for change in ({"graph": b"another"}, {"card": "#"}, {"arrays": {**ARRAYS, "more": np.ones(1)}}):
        assert write(tmp_path / "other", **change).checksum != checksum


def test_folder_holds_no_pickle(folder: Path) -> None:
    assert set(listing(folder)) == FILES | {"model.json"}
    assert set(load_file(folder / "arrays.safetensors")) == set(ARRAYS)


def test_object_array_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="object"):
        write(tmp_path / "model", arrays={"x": np.array([{}])})
    assert listing(tmp_path) == []


# --- what is wrong is said


def test_absent_folder_is_named(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "no") == f"{tmp_path / 'no'} is not a model folder: it does not exist"


def test_file_in_place_of_a_folder_is_named(folder: Path) -> None:
    path = folder / "model.json"
    assert fault_of(path) == f"{path} is not a model folder: it is a file"


def test_folder_without_description_is_named(tmp_path: Path) -> None:
    assert fault_of(tmp_path) == f"{tmp_path} is not a model folder: it holds no model.json"


def test_description_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    assert fault_of(tmp_path) == f"{tmp_path / 'model.json'} cannot be read: Is a directory"


@pytest.mark.parametrize("content", [b"", b'{"format": "sortilin-mod', b"\xff\xfe\x00", b"MZ\x90\x00"])
def test_description_that_is_no_json_is_damaged(folder: Path, content: bytes) -> None:
    (folder / "model.json").write_bytes(content)
    assert fault_of(folder).startswith(f"{folder / 'model.json'} is damaged: not JSON (")


@pytest.mark.parametrize("content", ["{}", "[]", "null", '"sortilin-model"', '{"format": "onnx"}'])
def test_description_of_something_else_is_foreign(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content)
    expected = 'does not describe a sortilin model: no "format": "sortilin-model"'
    assert fault_of(folder) == f"{folder / 'model.json'} {expected}"


def test_newer_version_says_who_wrote_it_and_the_remedy(folder: Path) -> None:
    described_as(folder, lambda d: d.update(format_version=6, sortilin_version="9.1"))
    assert fault_of(folder) == (
        f"{folder / 'model.json'} has format version 6, written by sortilin 9.1; "
        "this one reads up to 5: pip install --upgrade sortilin"
    )


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_this_and_the_older_version_are_read(folder: Path, version: int) -> None:
    described_as(folder, partial(dict.update, format_version=version))
    assert artifact.read(folder).description["format_version"] == version


TOKENS = {"max_residues": 2_000, "keep_last": 100}


@pytest.mark.parametrize("policy", [TOKENS, {"max_residues": None, "keep_last": 0}])
def test_model_may_take_tokens_in_place_of_features(folder: Path, policy: dict[str, Any]) -> None:
    described_as(folder, lambda d: (d.pop("features"), d.update(tokens=policy)))
    assert artifact.read(folder).description["tokens"] == policy


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("features"),
        lambda d: d.update(features=None),
    ],
)
def test_model_takes_features_or_tokens(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    described_as(folder, change)
    assert fault_of(folder) == f"{folder / 'model.json'} is damaged: it needs features, tokens or residues"


LANGUAGE_MODEL = {
    "mode": "frozen",
    "backbone": "esm2_t6",
    "layer": -1,
    "name": "esm2_t6",
    "hub_id": "facebook/esm2_t6_8M_UR50D",
    "revision": "c731040fcd8d73dceaa04b0a8e6329b345b0f5df",
    "width": 320,
}


def of_residues(described: dict[str, Any]) -> None:
    described.pop("features")
    described.update(residues=TOKENS, language_model=LANGUAGE_MODEL)


def test_model_may_take_residue_vectors(folder: Path) -> None:
    described_as(folder, of_residues)
    assert artifact.read(folder).description["language_model"] == LANGUAGE_MODEL


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.pop("language_model"), "residues are of a language model, and it names none"),
        (lambda d: d.update(tokens=TOKENS), "residues stand alone, and it has features or tokens as well"),
        (
            lambda d: d.update(language_model={**LANGUAGE_MODEL, "mode": "half"}),
            "language_model.mode: Input should be 'frozen', 'full' or 'lora'",
        ),
    ],
)
def test_model_of_residue_vectors_says_of_which(
    folder: Path, change: Callable[[dict[str, Any]], Any], fault: str
) -> None:
    described_as(folder, of_residues)
    described_as(folder, change)
    assert fault_of(folder) == f"{folder / 'model.json'} is damaged: {fault}"


# --- files in sub-folders


def put_two(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)


def test_files_of_sub_folders_are_written_and_checked(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", folders={"backbone": put_two}).path
    names = {"backbone/config.json", "backbone/model.safetensors"}
    assert set(artifact.read(folder).description["files"]) == FILES | names
    assert listing(folder / "backbone") == ["config.json", "model.safetensors"]
    weights = folder / "backbone" / "model.safetensors"
    weights.write_bytes(b"\x00" * 99 + b"\x01")
    assert fault_of(folder).startswith(f"{weights} is damaged: its SHA-256 is ")
    weights.unlink()
    assert fault_of(folder) == f"the model folder {folder} is damaged: backbone/model.safetensors is missing"


def test_checksum_covers_sub_folders(tmp_path: Path) -> None:
    def other(folder: Path) -> None:
        put_two(folder)
        (folder / "config.json").write_text("[]")

    found = [
        write(tmp_path / str(n), folders={"backbone": fill})
        for n, fill in enumerate((put_two, put_two, other))
    ]
    assert found[0].checksum == found[1].checksum != found[2].checksum


def test_sub_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        put_two(folder)
        raise OSError(28, "No space left on device")

    old = write(tmp_path / "model")
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path / "model", folders={"backbone": refuse})
    assert listing(tmp_path) == ["model"]
    assert artifact.read(tmp_path / "model") == old


def test_older_folder_goes_with_its_sub_folders(tmp_path: Path) -> None:
    write(tmp_path / "model", folders={"backbone": put_two})
    write(tmp_path / "model", folders={"adapter": put_two})
    assert set(listing(tmp_path / "model")) == FILES | {"model.json", "adapter"}


def test_model_may_take_features_neighbours_and_tokens(folder: Path) -> None:
    neighbours = {"columns": ["nearest"]}
    described_as(folder, lambda d: d.update(tokens=TOKENS, neighbours=neighbours))
    assert artifact.read(folder).description["neighbours"] == neighbours
    described_as(folder, lambda d: d.pop("features"))
    assert (
        fault_of(folder) == f"{folder / 'model.json'} is damaged: neighbours follow features, and it has none"
    )


@pytest.mark.parametrize("key", ["task", "classes", "seed", "metrics"])
def test_missing_key_is_named(folder: Path, key: str) -> None:
    described_as(folder, lambda d: d.pop(key))
    assert fault_of(folder) == f"{folder / 'model.json'} is damaged: {key}: Field required"


@pytest.mark.parametrize(
    ("key", "inner"),
    [
        ("features", ("name", "config", "n_features")),
        ("training_data", ("name", "lengths")),
        ("classifier", ("name",)),
        ("tokens", ("max_residues", "keep_last")),
    ],
)
def test_missing_key_of_a_nested_table_is_named(folder: Path, key: str, inner: tuple[str, ...]) -> None:
    described_as(folder, partial(dict.update, **{key: {}}))
    expected = "; ".join(f"{key}.{name}: Field required" for name in inner)
    assert fault_of(folder) == f"{folder / 'model.json'} is damaged: {expected}"
    described_as(folder, partial(dict.update, **{key: []}))
    assert fault_of(folder).startswith(f"{folder / 'model.json'} is damaged: {key}: Input should be a valid ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": ["a", "a"]}, "classes: a class stands there twice"),
        ({"classes": ["a"]}, "classes: List should have at least 2 items"),
        ({"classes": "ab"}, "classes: Input should be a valid list"),
        (
            {"training_data": {"name": "x", "lengths": [5]}},
            "training_data.lengths: List should have at least",
        ),
        ({"files": {}}, "files: it lacks model.onnx, arrays.safetensors, README.md"),
        ({"files": {"model.onnx": "", "README.md": ""}}, "files: it lacks arrays.safetensors"),
        ({"files": None}, "files: Input should be a valid dictionary"),
        ({"files": ["model.onnx"]}, "files: Input should be a valid dictionary"),
        ({"files": {"model.onnx": 1}}, "files.model.onnx: Input should be a valid string"),
        ({"seed": "42"}, "seed: Input should be a valid integer"),
        ({"tokens": {"max_residues": 0, "keep_last": 0}}, "tokens.max_residues: Input should be greater"),
        ({"tokens": {"max_residues": 9, "keep_last": -1}}, "tokens.keep_last: Input should be greater"),
    ],
)
def test_value_that_is_not_allowed_is_named(folder: Path, changes: dict[str, Any], expected: str) -> None:
    described_as(folder, partial(dict.update, **changes))
    assert fault_of(folder).startswith(f"{folder / 'model.json'} is damaged: {expected}")


def test_key_that_a_later_version_adds_is_no_fault(folder: Path) -> None:
    described_as(folder, partial(dict.update, later="x", features={**DESCRIBED["features"], "later": 1}))
    assert artifact.read(folder).description["later"] == "x"


@pytest.mark.parametrize("version", [None, 0, -1, True, "1", 1.0])
def test_version_that_is_none_is_refused(folder: Path, version: Any) -> None:
    described_as(folder, partial(dict.update, format_version=version))
    assert f"has format version {version}, written by sortilin 0.1.0; " in fault_of(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert fault_of(folder) == f"the model folder {folder} is damaged: {name} is missing"


@pytest.mark.parametrize("name", sorted(FILES))
def test_changed_byte_is_found_and_both_checksums_are_shown(folder: Path, name: str) -> None:
    expected = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    assert fault_of(folder) == (
        f"{folder / name} is damaged: its SHA-256 is {found[:12]}…, model.json expects {expected[:12]}…"
    )


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/hostname",
        "./model.onnx",
        "sub/../model.onnx",
        "..",
        ".",
        "",
        "a\0b",
        "sub//x",
        "C:x",
        "sub\\x",
    ],
)
def test_file_outside_of_the_folder_is_never_read(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_text("secret")
    known = hashlib.sha256(b"secret").hexdigest()
    described_as(folder, lambda d: d["files"].update({name: known}))
    assert fault_of(folder) == f"the model folder {folder} is damaged: {name} is missing"


def test_array_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"arrays\.safetensors: cannot read 'classifier\.nothing'"):
        artifact.read(folder).array("classifier.nothing")


def test_arrays_that_are_no_safetensors_are_named(folder: Path) -> None:
    (folder / "arrays.safetensors").write_bytes(b"\x80\x04K\x01.")  # a pickle
    digest = hashlib.sha256(b"\x80\x04K\x01.").hexdigest()
    described_as(folder, lambda d: d["files"].update({"arrays.safetensors": digest}))
    with pytest.raises(ModelFolderError, match=r"arrays\.safetensors: cannot read 'calibration\.weights'"):
        artifact.read(folder).calibration()


# --- nothing is left half-written


def test_new_folder_takes_the_place_of_the_old_one_whole(folder: Path) -> None:
    (folder / "notes.txt").write_text("of the old one")
    write(folder, card="# New\n")
    assert artifact.read(folder).card == "# New\n"
    assert listing(folder.parent) == ["model"]
    assert "notes.txt" not in listing(folder)


def refuse_after(n_calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, but the disk is full from the given call on."""
    calls = iter(range(n_calls))

    def refusing(*args: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise OSError(28, "No space left on device")
        return real(*args, **options)

    return refusing


@pytest.mark.parametrize(
    ("method", "n_calls"),
    [("mkdir", 1), ("write_bytes", 0), ("write_bytes", 3), ("rename", 0), ("rename", 1)],
)
def test_failure_keeps_the_old_folder_and_leaves_nothing_else(
    folder: Path, method: str, n_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = artifact.read(folder)
    real = getattr(Path, method)
    with monkeypatch.context() as patch:
        patch.setattr(Path, method, refuse_after(n_calls, real))
        with pytest.raises(OutputError) as caught:
            write(folder, card="# New\n")
    assert str(caught.value) == f"the model folder {folder} cannot be written: No space left on device"
    assert artifact.read(folder) == before
    assert listing(folder.parent) == ["model"]


def test_interrupt_keeps_the_old_folder_and_leaves_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path, _content: bytes) -> int:
        raise KeyboardInterrupt

    before = artifact.read(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(folder, card="# New\n")
    assert artifact.read(folder) == before
    assert listing(folder.parent) == ["model"]


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"the model folder .*file/model cannot be written: "):
        write(tmp_path / "file" / "model")


def test_moved_folder_is_still_whole(folder: Path, tmp_path: Path) -> None:
    checksum = artifact.read(folder).checksum
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert artifact.read(moved).checksum == checksum


def test_hashes_tell_sequences_apart_and_stay_what_they_are() -> None:
    hashes = artifact.sequence_hashes(["MKV", "MKVL", "MKV"])
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[2] != hashes[1]
    # Stored in model folders: another value would lose every `trained_on` flag.
    assert hashes[0] == int.from_bytes(hashlib.blake2b(b"MKV", digest_size=8).digest(), "little")
