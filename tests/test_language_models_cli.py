"""`sortilin backbones`: the list, fetching, and where they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from sortilin import language_models
from sortilin.cli.main import cli

if TYPE_CHECKING:
    from hub import Hub


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["backbones", *words])


def test_list_names_each_and_whether_it_is_fetched(hub: Hub) -> None:
    hub.publish("esm2_t6")
    header, *rows = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert header == ["name", "hub_id", "width", "layers", "parameters", "download_mb", "licence", "fetched"]
    assert [row[0] for row in rows] == list(language_models.names())
    assert {row[-1] for row in rows} == {"no"}
    language_models.fetch("esm2_t6")
    rows = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert [row[-1] for row in rows].count("yes") == 1


def test_list_as_json_says_all(hub: Hub) -> None:
    hub.publish("esm2_t6")
    folder = language_models.fetch("esm2_t6")
    found = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert found["esm2_t6"]["folder"] == str(folder)
    assert found["prott5"]["folder"] is None
    assert found["prott5"]["half_precision"] is True
    assert {row["licence"] for row in found.values()} == {"MIT", "AFL-3.0"}


def test_fetch_prints_the_folder_alone(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.publish("protbert")
    result = run("fetch", "esm2_t6", "protbert")
    assert result.exit_code == 0, result.output
    folders = [f"{name}\t{language_models.locate(name)}" for name in ("esm2_t6", "protbert")]
    assert result.stdout.splitlines() == folders
    assert "esm2_t6 model.safetensors: " in result.stderr
    assert run("fetch", "esm2_t6", "--quiet").stderr == ""
    assert run("path", "esm2_t6").stdout == f"{language_models.locate('esm2_t6')}\n"


def test_unknown_name_is_refused_before_anything_is_fetched(hub: Hub) -> None:
    result = run("fetch", "esm2_t6", "esm2_t7")
    assert "did you mean 'esm2_t6'" in str(result.exception)
    assert hub.requests == []


def test_path_of_what_is_not_there_is_an_error(hub: Hub) -> None:
    result = run("path", "esm2_t6")
    assert "sortilin backbones fetch esm2_t6" in str(result.exception)
