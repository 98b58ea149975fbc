"""Variants by name: seen without import, third parties beside the built-in ones, errors that help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from sortilin import registry
from sortilin.errors import UnknownNameError

BUILTIN = {
    "task": {"activity", "anticancer", "custom", "localization"},
    "features": {"composition", "embedding", "length", "paper71", "peptide", "precomputed", "targeting"},
    "classifier": {
        "boosting",
        "calibrated",
        "ensemble",
        "fine_tuned",
        "head",
        "linear",
        "neural",
        "one_vs_rest",
        "svm",
    },
    "backbone": {"onehot"},
    "head": {"cnn_attention", "cnn_lstm", "light_attention", "linear", "lstm", "mlp"},
    "language_model": {"esm2", "huggingface", "protalbert", "protbert", "prott5", "protxlnet"},
    "format": {"html", "jsonl", "parquet", "tsv"},
    "explainer": {"attention", "integrated_gradients", "mutagenesis", "occlusion", "rollout", "saliency"},
}

CLASSIFIERS = (
    "choose from: boosting, calibrated, ensemble, fine_tuned, head, linear, neural, one_vs_rest, svm"
)
HEADS = "choose from: cnn_attention, cnn_lstm, light_attention, linear, lstm, mlp"


class Somebodys:
    """A descriptor set of another package."""


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def entry_points(*, group: str) -> list[EntryPoint]:
        points = [
            EntryPoint("somebodys", f"{__name__}:Somebodys", "sortilin.features"),
            EntryPoint("paper71", f"{__name__}:Somebodys", "sortilin.features"),
        ]
        return [point for point in points if point.group == group]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    registry._third_party.cache_clear()
    yield
    registry._third_party.cache_clear()


@pytest.mark.parametrize("kind", registry.FOLDERS)
def test_names_are_sorted_and_hold_the_builtin_ones(kind: str) -> None:
    names = registry.names(kind)
    assert list(names) == sorted(names)
    assert set(names) >= BUILTIN[kind]
    assert not any(name.startswith("_") for name in names)


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in BUILTIN.items() for n in sorted(names)])
def test_every_builtin_variant_is_the_class_of_its_file(kind: str, name: str) -> None:
    variant = registry.get(kind, name)
    assert isinstance(variant, type)
    assert variant.__module__ == f"sortilin.{registry.FOLDERS[kind].replace('/', '.')}.{name}"


def test_every_folder_of_variants_is_registered() -> None:
    package = Path(registry.__file__).parent
    assert all((package / folder).is_dir() for folder in registry.FOLDERS.values())
    assert set(registry.FOLDERS) == set(BUILTIN)


def test_names_import_no_variant() -> None:
    code = """
import sys
from sortilin import registry
for kind in registry.FOLDERS:
    assert registry.names(kind)
folders = tuple(f"sortilin.{folder.replace('/', '.')}" for folder in registry.FOLDERS.values())
print([name for name in sys.modules if name.startswith(folders) or name == "numpy"])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "task",
            "localisation",
            (
                "unknown task 'localisation'; did you mean 'localization'? "
                "choose from: activity, anticancer, custom, localization"
            ),
        ),
        ("classifier", "forest", f"unknown classifier 'forest'; {CLASSIFIERS}"),
        ("classifier", "_onnx", f"unknown classifier '_onnx'; {CLASSIFIERS}"),
        ("head", "lsmt", f"unknown head 'lsmt'; did you mean 'lstm'? {HEADS}"),
        ("backbone", "_store", "unknown backbone '_store'; choose from: onehot"),
        ("format", "", "unknown format ''; choose from: html, jsonl, parquet, tsv"),
    ],
)
def test_unknown_name_offers_the_nearest(kind: str, name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get(kind, name)
    assert str(caught.value) == message
    assert (caught.value.kind, caught.value.name) == (kind, name)


def test_variant_of_another_package_is_found(third_party: None) -> None:
    assert "somebodys" in registry.names("features")
    assert "somebodys" not in registry.names("task")
    assert registry.get("features", "somebodys") is Somebodys


def test_variant_of_another_package_does_not_replace_a_builtin_one(third_party: None) -> None:
    assert registry.names("features").count("paper71") == 1
    variant: Any = registry.get("features", "paper71")
    assert variant is not Somebodys
