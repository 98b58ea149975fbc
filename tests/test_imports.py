"""Starts stay light: what is imported, asked of a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
HEAVY = {"numpy", "onnxruntime", "pydantic", "rich", "sklearn", "torch", "pandas", "jinja2", "requests"}
TRAINING_ONLY = {
    "accelerate",
    "joblib",
    "lightgbm",
    "matplotlib",
    "onnx",
    "onnxscript",
    "optuna",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "tensorboard",
    "torch",
    "yaml",
}
PUBLIC = {"Client", "Prediction", "Predictor", "SequenceRecord", "__version__", "load", "read_sequences"}

COMMAND = """
import json, sys
sys.argv = ["sortilin", *{args}]
from sortilin.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
"""


def imported_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after the code; its last line on stderr."""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(found.stderr.splitlines()[-1]))


def imported_by_command(*args: str) -> set[str]:
    return imported_by(COMMAND.format(args=list(args)))


def test_package_alone_imports_nothing_heavy() -> None:
    code = """
import sys, json, sortilin
assert sortilin.__version__
print(json.dumps([name.partition(".")[0] for name in sys.modules]), file=sys.stderr)
"""
    found = imported_by(code)
    assert "sortilin" in found
    assert not found & HEAVY


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["predict", "--help"], ["train", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    found = imported_by_command(*args)
    assert "click" in found
    assert not found & HEAVY


@pytest.mark.parametrize(
    ("model", "source"), [("localization", "proteins.fasta"), ("anticancer", "peptides.fasta")]
)
def test_predict_imports_nothing_that_only_training_needs(model: str, source: str, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    found = imported_by_command("predict", str(EXAMPLES / source), "-m", model, "-o", str(out))
    assert out.exists()
    assert {"numpy", "onnxruntime"} <= found
    assert not found & (TRAINING_ONLY | {"rich", "jinja2", "requests"})


def test_describing_and_listing_need_no_runtime() -> None:
    for args in (["describe", str(EXAMPLES / "proteins.fasta")], ["models", "list"]):
        assert not imported_by_command(*args) & (TRAINING_ONLY | {"onnxruntime"})


def test_public_names_are_there_and_no_others() -> None:
    import sortilin

    assert set(sortilin.__all__) == PUBLIC
    assert set(dir(sortilin)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(sortilin, name) is not None
    with pytest.raises(AttributeError, match="module 'sortilin' has no attribute 'predict'"):
        sortilin.predict  # noqa: B018
