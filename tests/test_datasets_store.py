"""Files of a dataset in a folder of the user's, and in the cache."""

from __future__ import annotations

import hashlib
from functools import partial
from io import BufferedReader
from pathlib import Path

import pytest

from sortilin import datasets
from sortilin.datasets import catalog
from sortilin.errors import DatasetError, UnknownNameError

CONTENT = {"toy/one.fasta": b">a\nMKV\n", "toy/two.fasta": b">b\nGGG\n"}
SHA256 = {path: hashlib.sha256(content).hexdigest() for path, content in CONTENT.items()}
URL = "https://example.invalid/commit"


def cache_of(folder: Path, app: str, *, appauthor: bool) -> str:
    return str(folder)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = tuple(datasets.RemoteFile(path, f"{URL}/{path}", SHA256[path], 1) for path in CONTENT)
    dataset = datasets.Dataset("toy", "Toy", "", URL, "", "", "fasta", files)
    monkeypatch.setitem(catalog.CATALOG, "toy", dataset)
    monkeypatch.delenv("SORTILIN_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", partial(cache_of, tmp_path / "cache"))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of the user's that holds all files."""
    root = tmp_path / "own"
    (root / "toy").mkdir(parents=True)
    for path, content in CONTENT.items():
        (root / path).write_bytes(content)
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(root))
    return root


def test_status_of_an_empty_cache_is_missing(tmp_path: Path) -> None:
    status = datasets.status("toy")
    assert status.files == dict.fromkeys(CONTENT, "missing")
    assert status.folder == tmp_path / "cache" / "datasets" / "toy"
    assert (status.is_ready, status.is_own_folder) == (False, False)


def test_own_folder_is_ready_and_nothing_is_fetched(own: Path) -> None:
    status = datasets.status("toy")
    assert status.files == dict.fromkeys(CONTENT, "ready")
    assert (status.is_ready, status.is_own_folder) == (True, True)
    assert datasets.path("toy") == datasets.fetch("toy") == own / "toy"


def test_path_without_the_files_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        datasets.path("toy")
    assert str(caught.value) == (
        f"dataset 'toy' needs toy/one.fasta, missing in the cache {tmp_path / 'cache' / 'datasets'}; "
        "download it with sortilin.datasets.fetch('toy')"
    )


def test_file_missing_in_own_folder_is_named(own: Path) -> None:
    (own / "toy/two.fasta").unlink()
    with pytest.raises(DatasetError) as caught:
        datasets.fetch("toy")
    assert str(caught.value) == (
        f"dataset 'toy' needs toy/two.fasta, missing in {own} (SORTILIN_DATA_DIR); put the file from "
        f"{URL}/toy/two.fasta there, or unset SORTILIN_DATA_DIR to download it"
    )
    assert datasets.status("toy").files["toy/two.fasta"] == "missing"


def test_other_file_in_own_folder_is_told_by_its_checksum(own: Path) -> None:
    damaged = own / "toy/one.fasta"
    damaged.write_bytes(b"something else")
    with pytest.raises(DatasetError) as caught:
        datasets.path("toy")
    assert str(caught.value) == (
        f"{damaged} is not the file that dataset 'toy' needs: its SHA-256 is "
        f"{hashlib.sha256(b'something else').hexdigest()}, expected {SHA256['toy/one.fasta']}; put the "
        f"file from {URL}/toy/one.fasta there, or unset SORTILIN_DATA_DIR to download it"
    )
    assert datasets.status("toy").files["toy/one.fasta"] == "damaged"


def test_own_folder_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError) as caught:
        datasets.status("toy")
    assert str(caught.value) == (
        f"SORTILIN_DATA_DIR is '{tmp_path / 'nowhere'}', which is not a folder; set it to the folder that "
        "holds the datasets (psl/cyto.fasta, acp/Train.fasta, ...), or unset it to download them"
    )


def test_checksum_is_computed_once_as_long_as_the_file_stays(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    digest = hashlib.file_digest

    def counted(stream: BufferedReader, name: str) -> object:
        computed.append(name)
        return digest(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    for _ in range(3):
        datasets.path("toy")
    assert len(computed) == len(CONTENT)
    (own / "toy/one.fasta").write_bytes(b"a longer content than before")
    datasets.status("toy")
    assert len(computed) == len(CONTENT) + 1


def test_unreadable_file_is_an_error_of_the_dataset(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hashlib, "file_digest", refused)
    (own / "toy/one.fasta").write_bytes(b"never seen before, so not in memory")
    with pytest.raises(DatasetError, match=r"one\.fasta cannot be read: Permission denied"):
        datasets.status("toy")


@pytest.mark.parametrize("ask", [datasets.status, datasets.path, datasets.fetch, datasets.load])
def test_unknown_dataset_is_refused(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UnknownNameError, match="unknown dataset 'nothing'"):
        ask("nothing")
