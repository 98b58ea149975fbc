"""The import rules, read from the source: who may import whom, and what only inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "sortilin"

FOUNDATION = {
    "component",
    "device",
    "errors",
    "files",
    "interfaces",
    "locks",
    "pool",
    "registry",
    "results",
    "seeding",
}
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(FOUNDATION, FOUNDATION),
    "sequences": FOUNDATION,
    "evaluation": FOUNDATION,
    "report": FOUNDATION,
    "artifact": FOUNDATION | {"evaluation"},
    "language_models": FOUNDATION | {"sequences"},
    "vectors": FOUNDATION | {"sequences"},
    "embedding": FOUNDATION | {"sequences", "language_models", "vectors"},
    "features": FOUNDATION | {"sequences", "language_models", "vectors", "embedding"},
    "tasks": FOUNDATION | {"sequences"},
    "datasets": FOUNDATION | {"sequences"},
    "training": FOUNDATION,
    "heads": FOUNDATION,
    "backbones": FOUNDATION | {"sequences"},
    "classifiers": FOUNDATION
    | {"sequences", "evaluation", "artifact", "language_models", "embedding", "training"},
    "audit": FOUNDATION | {"sequences", "evaluation", "datasets"},
    "trust": FOUNDATION | {"evaluation", "artifact"},
    "graph_inputs": FOUNDATION | {"sequences", "artifact", "embedding"},
    "labelling": FOUNDATION | {"sequences", "evaluation", "artifact", "trust"},
    "bundled": FOUNDATION,
    "predictor": FOUNDATION
    | {"sequences", "evaluation", "report", "artifact", "graph_inputs", "trust", "labelling", "bundled"},
    "summary": FOUNDATION | {"sequences", "labelling", "predictor"},
    "adding": FOUNDATION | {"sequences", "predictor", "trust"},
    "prediction_run": FOUNDATION | {"sequences", "labelling", "predictor", "summary", "trust", "adding"},
    "scale": FOUNDATION
    | {"sequences", "report", "vectors", "embedding", "predictor", "summary", "adding", "prediction_run"}
    | {"bundled", "labelling", "trust"},
    "motifs": FOUNDATION | {"sequences", "report"},
    "experiment": FOUNDATION
    | {
        "sequences",
        "evaluation",
        "report",
        "artifact",
        "tasks",
        "datasets",
        "language_models",
        "classifiers",
        "trust",
        "labelling",
        "predictor",
        "training",
        "audit",
        "multilabel",
    },
    "multilabel": FOUNDATION
    | {"sequences", "evaluation", "artifact", "tasks", "experiment", "predictor", "summary"},
    "benchmark": FOUNDATION
    | {"sequences", "evaluation", "report", "artifact", "datasets", "predictor", "experiment"}
    | {"audit", "language_models", "motifs", "explain"},
    "tuning": FOUNDATION
    | {"sequences", "evaluation", "report", "datasets", "tasks", "training", "experiment"},
    "explain": FOUNDATION
    | {
        "sequences",
        "evaluation",
        "features",
        "report",
        "artifact",
        "classifiers",
        "embedding",
        "labelling",
        "predictor",
    }
    | {"language_models", "summary"},
    "client": FOUNDATION,
    "serve": FOUNDATION | {"sequences", "report", "predictor", "explain", "trust"},
    "__main__": FOUNDATION | {"cli"},
    "cli": FOUNDATION
    | {"sequences", "evaluation", "report", "artifact", "datasets", "predictor", "summary", "experiment"}
    | {"multilabel", "benchmark", "tuning", "language_models", "vectors", "embedding", "audit", "motifs"}
    | {"trust", "labelling", "adding", "prediction_run", "scale", "bundled"}
    | {"serve", "explain"},
}
"""Folder or module → what of sortilin it may import, beside itself and the package root.

Variants (tasks, features, classifiers, formats) are reached through the registry only.
"""

HEAVY = {
    "accelerate",
    "captum",
    "fsspec",
    "h5py",
    "huggingface_hub",
    "lightgbm",
    "logomaker",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
    "optuna",
    "pandas",
    "peft",
    "pyarrow",
    "pyhmmer",
    "pyopal",
    "ray",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "umap",
    "yaml",
}
"""Imported inside functions only, so that nothing pays for what it does not use."""

OF_TORCH = {"backbones", "heads", "training", "classifiers/_finetuning.py", "classifiers/_network.py"}
OF_TORCH |= {"classifiers/_members.py", "explain/differentiable.py"}
"""Torch modules themselves; they in turn are imported inside functions only."""

LIGHT_IN_CLI = {"click"}
"""The command line shows its help without NumPy, pydantic or rich."""

FILES = sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    """Folder or module below the package that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a tree imports, names of `from` imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_start(tree: ast.Module) -> Iterator[str]:
    """What is imported when the module is, outside functions and `if TYPE_CHECKING`."""
    for node in tree.body:
        is_guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not is_guarded and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from imports(node)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_module_imports_only_what_its_layer_may(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    allowed = MAY_IMPORT[part] | {part}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reached = {name.split(".")[1] for name in imports(tree) if name.startswith("sortilin.")}
    assert reached - allowed - {"__version__"} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_module_starts_without_heavy_packages(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_of_torch = not {part_of(path), path.relative_to(SOURCE).as_posix()}.isdisjoint(OF_TORCH)
    allowed = {"torch"} if is_of_torch else set()
    assert {name.split(".")[0] for name in at_start(tree)} & HEAVY <= allowed


@pytest.mark.parametrize("path", sorted((SOURCE / "cli").glob("*.py")), ids=lambda p: p.name)
def test_command_module_starts_with_click_alone(path: Path) -> None:
    import sys

    tree = ast.parse(path.read_text(encoding="utf-8"))
    packages = {name.split(".")[0] for name in at_start(tree)}
    assert packages - set(sys.stdlib_module_names) <= LIGHT_IN_CLI | {"sortilin"}


def test_every_part_has_a_rule() -> None:
    parts = {part_of(path) for path in FILES} - {"__init__"}
    assert parts == set(MAY_IMPORT)


def test_variant_modules_define_a_variant() -> None:
    from sortilin import registry

    for kind in registry.FOLDERS:
        assert registry.names(kind)
        for name in registry.names(kind):
            assert registry.get(kind, name) is not None
