"""The checkpoint of a run: read back as it was, refused when it is another's, whole or not there."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from sortilin.errors import ConfigError, OutputError
from sortilin.training import checkpoint

STATE: dict[str, Any] = {
    "epoch": 3,
    "history": [{"epoch": 1, "valid_loss": 0.5}],
    "model": {"weight": torch.arange(600, dtype=torch.float32).reshape(20, 30)},
    "optimizer": {"state": {0: {"step": torch.tensor(7.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
}
NAME = "checkpoint.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.save(tmp_path, STATE, "mine")
    return tmp_path


def fault_of(folder: Path, identity: str = "mine") -> str:
    with pytest.raises(ConfigError) as caught:
        checkpoint.load(folder, identity)
    return str(caught.value)


def put(folder: Path, content: Any) -> None:
    stream = io.BytesIO()
    torch.save(content, stream)
    (folder / NAME).write_bytes(stream.getvalue())


def test_state_is_read_back(folder: Path) -> None:
    found = checkpoint.load(folder, "mine")
    assert found is not None
    assert {key: found[key] for key in ("epoch", "history")} == {
        key: STATE[key] for key in ("epoch", "history")
    }
    assert torch.equal(found["model"]["weight"], STATE["model"]["weight"])
    assert found["optimizer"]["param_groups"] == STATE["optimizer"]["param_groups"]


def test_folder_without_a_checkpoint_has_no_state(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, "mine") is None
    assert checkpoint.load(tmp_path / "no", "mine") is None


def test_folder_is_made(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "deep" / "down", STATE, "mine")
    assert checkpoint.load(tmp_path / "deep" / "down", "mine") is not None


def test_checkpoint_of_another_run_is_refused(folder: Path) -> None:
    assert fault_of(folder, "yours") == (
        f"{folder / NAME} belongs to a run with another configuration, data or seed: choose another folder, "
        "or remove it to train from the start"
    )


def test_checkpoint_of_a_newer_version_is_refused(folder: Path) -> None:
    put(folder, {"format_version": 2, "identity": "mine"})
    assert fault_of(folder) == (
        f"{folder / NAME} has format version 2, this version of sortilin reads 1: "
        "remove it to train from the start"
    )


@pytest.mark.parametrize("content", [{}, {"identity": "mine"}, {"format_version": 1}])
def test_checkpoint_that_does_not_say_whose_it_is_is_refused(folder: Path, content: dict[str, Any]) -> None:
    put(folder, content)
    assert fault_of(folder).startswith(f"{folder / NAME} ")


def is_damage(message: str, folder: Path) -> bool:
    start, end = f"{folder / NAME} cannot be read (", "): remove it to train from the start"
    return message.startswith(start) and message.endswith(end) and "\n" not in message


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.99])
def test_checkpoint_that_is_cut_short_is_named(folder: Path, share: float) -> None:
    whole = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(whole[: int(share * len(whole))])
    assert is_damage(fault_of(folder), folder)


def test_changed_byte_of_a_weight_is_found(folder: Path) -> None:
    whole = bytearray((folder / NAME).read_bytes())
    weight = STATE["model"]["weight"].numpy().tobytes()
    whole[whole.index(weight) + 100] ^= 1
    (folder / NAME).write_bytes(whole)
    message = fault_of(folder)
    assert is_damage(message, folder)
    assert "bad checksum of " in message


def test_changed_byte_of_the_description_is_found(folder: Path) -> None:
    whole = bytearray((folder / NAME).read_bytes())
    whole[whole.index(b"history") + 2] ^= 0xFF
    (folder / NAME).write_bytes(whole)
    assert is_damage(fault_of(folder), folder)


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"\x80\x04K\x01.", pickle.dumps({"format_version": 1}), bytes(range(255, 191, -1))],
    ids=["text", "number", "mapping", "noise"],
)
def test_file_that_is_no_checkpoint_is_named(folder: Path, content: bytes) -> None:
    (folder / NAME).write_bytes(content)
    assert is_damage(fault_of(folder), folder)


def test_zip_of_other_things_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder / NAME, "w") as stream:
        stream.writestr("notes.txt", "mine")
    assert is_damage(fault_of(folder), folder)


def test_file_of_a_bare_list_is_named(folder: Path) -> None:
    put(folder, [1, 2])
    assert fault_of(folder) == (
        f"{folder / NAME} cannot be read (it holds a list): remove it to train from the start"
    )


class Harmful:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch harmed",))


def test_nothing_in_a_checkpoint_is_executed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    put(folder, {"format_version": 1, "identity": "mine", "model": Harmful()})
    assert is_damage(fault_of(folder), folder)
    assert not (folder / "harmed").exists()


@pytest.mark.parametrize("step", ["write", "replace"])
def test_full_disk_leaves_the_old_checkpoint(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / NAME).read_bytes()
    full = OSError(28, "No space left on device")

    def refuse(*_: Any) -> Any:
        raise full

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(os, "fsync", refuse)
        else:
            patch.setattr(Path, "replace", refuse)
        with pytest.raises(OutputError) as caught:
            checkpoint.save(folder, {**STATE, "epoch": 4}, "mine")
    assert str(caught.value) == f"{folder / NAME} cannot be written: No space left on device"
    assert (folder / NAME).read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [NAME]  # no half-written file either


def test_place_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/checkpoint\.pt cannot be written: "):
        checkpoint.save(tmp_path / "file", STATE, "mine")


def test_curves_are_a_row_an_epoch(tmp_path: Path) -> None:
    history = [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}]
    checkpoint.save_curves(tmp_path, history)
    assert (tmp_path / "curves.csv").read_text() == "epoch,train_loss\n1,0.5\n2,0.25\n"
    checkpoint.save_curves(tmp_path, history[:1])
    assert (tmp_path / "curves.csv").read_text() == "epoch,train_loss\n1,0.5\n"
