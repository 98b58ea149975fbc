"""The table of public data."""

from __future__ import annotations

import re

import pytest

from sortilin import datasets
from sortilin.errors import UnknownNameError

FILES = [file for name in datasets.names() for file in datasets.get(name).files]


def test_names_are_the_published_datasets() -> None:
    assert datasets.names() == ("psl", "psl-blind", "acp", "acp-ml", "acp-hard")


@pytest.mark.parametrize("name", datasets.names())
def test_dataset_says_what_it_is_and_on_what_terms(name: str) -> None:
    dataset = datasets.get(name)
    assert dataset.name == name
    for text in (dataset.title, dataset.description, dataset.license, dataset.citation):
        assert text.strip() == text != ""
    assert "licence" in dataset.license
    assert dataset.source.startswith("https://github.com/")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_file_is_pinned_to_a_commit_and_a_checksum(file: datasets.RemoteFile) -> None:
    assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/\S+", file.url)
    assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    written, fetched = file.path.rpartition("/")[2], file.url.rpartition("/")[2]
    assert written == fetched or (written.endswith(".csv") and fetched.endswith(".xlsx"))


def test_files_differ_in_path_and_checksum() -> None:
    assert len({file.path for file in FILES}) == len({file.sha256 for file in FILES}) == len(FILES)


def test_files_of_a_dataset_stand_in_one_folder() -> None:
    for name in datasets.names():
        assert len({file.path.partition("/")[0] for file in datasets.get(name).files}) == 1


def test_counts_are_those_of_the_papers() -> None:
    psl = datasets.get("psl")
    assert psl.counts == {"cytosol": 2463, "secreted": 1236, "mitochondrion": 1023, "nucleus": 2736}
    assert psl.n == 7458
    assert datasets.get("psl-blind").n == 20
    assert datasets.get("psl-blind").counts == {}
    acp = {file.split: (file.n, file.counts["anticancer"]) for file in datasets.get("acp").files}
    assert acp == {"train": (1966, 487), "test1": (495, 135), "test2": (256, 99)}
    assert datasets.get("acp-hard").counts == {"antimicrobial": 689, "anticancer": 689}


def test_counts_of_a_file_add_up() -> None:
    assert all(sum(file.counts.values()) == file.n for file in FILES if file.counts)


def test_splits_are_named_in_order() -> None:
    assert datasets.get("acp").splits == datasets.get("acp-ml").splits == ("train", "test1", "test2")
    assert datasets.get("psl").splits == ()


def test_unknown_dataset_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        datasets.get("pls")
    assert str(caught.value) == (
        "unknown dataset 'pls'; did you mean 'psl'? choose from: acp, acp-hard, acp-ml, psl, psl-blind"
    )
