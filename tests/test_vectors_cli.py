"""`sortilin store`: what it prints, what it leaves alone, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sortilin.cli.main import cli
from sortilin.errors import SortilinError
from sortilin.vectors import Store, VectorKind, key_of

KIND = VectorKind(
    checkpoint="esm2_t6",
    revision="0" * 40,
    layer=-1,
    pooling="mean",
    length_policy="whole",
    precision="float32",
    width=4,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    for part in ("AC", "DE"):
        store.shelf(KIND).append([key_of(letter) for letter in part], np.ones((2, 4), np.float32))
    return store


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["store", *map(str, arguments)])


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def damage(store: Store) -> Path:
    path = store.shelf(KIND).parts()[0].path
    path.write_bytes(path.read_bytes()[:-1])
    return path


def test_list_says_what_is_there(store: Store) -> None:
    result = run("list", "--store", store.path)
    assert result.exit_code == 0
    cells = result.stdout.rstrip("\n").split("\t")
    assert cells[:3] == [KIND.folder_name, "4 sequences", "2 parts"]
    assert cells[-1] == "sound headers"
    (shelf,) = document(run("list", "--store", store.path, "--json"))["shelves"]
    assert VectorKind.model_validate(shelf["kind"]) == KIND
    assert (shelf["name"], shelf["sequences"], shelf["parts"]) == (KIND.folder_name, 4, 2)


def test_list_of_a_default_store_that_is_not_there_yet_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORTILIN_STORE", str(tmp_path / "none"))
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"no vectors in {tmp_path / 'none'}" in result.stderr
    assert document(run("list", "--json"))["shelves"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["list", "verify", "prune"])
def test_a_store_that_is_named_must_be_there(tmp_path: Path, command: str) -> None:
    result = run(command, "--store", tmp_path / "typo")
    assert isinstance(result.exception, SortilinError)
    assert "there is no store" in str(result.exception)


def test_verify_passes_a_whole_store(store: Store) -> None:
    result = run("verify", "--store", store.path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"{store.path} is whole" in result.stderr


def test_verify_names_what_is_damaged_and_fails(store: Store) -> None:
    path = damage(store)
    result = run("verify", "--store", store.path, "--quiet")
    assert result.stdout.startswith(f"{path}\tdamaged: it has ")
    assert isinstance(result.exception, SortilinError)
    assert f"1 file is damaged; `sortilin store prune --damaged --store {store.path}`" in str(
        result.exception
    )
    result = run("verify", "--store", store.path, "--quiet", "--json")
    assert [fault["path"] for fault in json.loads(result.stdout)["damaged"]] == [str(path)]
    assert "damaged, see `sortilin store verify`" in run("list", "--store", store.path).stdout


def test_commands_quote_the_path(tmp_path: Path) -> None:
    store = Store(tmp_path / "my store")
    store.shelf(KIND).append([key_of("A")], np.ones((1, 4), np.float32))
    damage(store)
    result = run("verify", "--store", store.path, "--quiet")
    assert f"`sortilin store prune --damaged --store '{store.path}'`" in str(result.exception)
    result = run("list", "--store", tmp_path / "no store")
    assert f"`sortilin embed --store '{tmp_path / 'no store'}'`" in str(result.exception)


def test_prune_says_every_file_that_goes(store: Store) -> None:
    paths = [part.path for part in store.shelf(KIND).parts()]
    dry = run("prune", "--store", store.path, "--dry-run")
    assert [line.split("\t")[:2] for line in dry.stdout.splitlines()] == [
        [str(path), "would be removed"] for path in paths
    ]
    assert all(path.exists() for path in paths)
    files = document(run("prune", "--store", store.path, "--json"))["files"]
    assert [(entry["path"], entry["removed"]) for entry in files] == [(str(path), True) for path in paths]
    assert not any(path.exists() for path in paths)
    assert len(store.shelf(KIND)) == 4
    assert "nothing to remove" in run("prune", "--store", store.path).stderr


def test_prune_leaves_damaged_parts_unless_told(store: Store) -> None:
    path = damage(store)
    result = run("prune", "--store", store.path)
    assert result.stdout.split("\t")[:2] == [str(path), "left"]
    assert "--damaged removes damaged parts" in result.stderr
    assert path.exists()
    assert run("prune", "--store", store.path, "--damaged").stdout.split("\t")[:2] == [str(path), "removed"]
    assert not path.exists()
    assert run("verify", "--store", store.path).exit_code == 0


def test_prune_of_a_shelf_takes_that_shelf(store: Store) -> None:
    other = KIND.model_copy(update={"layer": 3})
    store.shelf(other).append([key_of("A")], np.ones((1, 4), np.float32))
    assert run("prune", "--store", store.path, "--kind", other.folder_name).exit_code == 0
    assert store.kinds() == [KIND]
    assert "nothing to remove" in run("prune", "--store", store.path, "--older-than", 1).stderr
    result = run("prune", "--store", store.path, "--kind", "esm2")
    assert "unknown kind of vectors 'esm2'" in str(result.exception)


def test_prune_refuses_contradictions(store: Store) -> None:
    result = run("prune", "--store", store.path, "--damaged", "--older-than", 3)
    assert result.exit_code == 2
    assert "--damaged goes with neither" in result.stderr
    assert run("prune", "--store", store.path, "--older-than", -1).exit_code == 2


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("precious")
    result = run("prune", "--store", tmp_path)
    assert "is not a store of vectors" in str(result.exception)
    assert (tmp_path / "thesis.docx").read_text() == "precious"


@pytest.mark.parametrize("command", [[], ["list"], ["verify"], ["prune"]])
def test_help_has_examples(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert "sortilin store" in result.stdout
