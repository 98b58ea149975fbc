"""The documents in step with the program: what they name exists, and what exists is named."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from safetensors import safe_open

import sortilin
from sortilin import bundled as bundled_models
from sortilin import datasets, errors, labelling, registry
from sortilin.cli.main import cli
from sortilin.report import column_names
from sortilin.results import Prediction, RunSummary
from sortilin.sequences import LABEL_HABITS
from sortilin.sequences.labels import SPLITS
from sortilin.sequences.record import CHANGES
from sortilin.sequences.table import ID_COLUMNS, LABEL_COLUMNS, SEQUENCE_COLUMNS, SPLIT_COLUMNS
from test_layers import FOUNDATION, MAY_IMPORT

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference.md"
WRITTEN = sorted(set(DOCS.glob("*.md")) - {REFERENCE})
"""The pages written by hand; the generated one names everything by itself."""

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"]
PAGES += [*WRITTEN, REFERENCE, *sorted((ROOT / "contrib").rglob("README.md"))]
FOLDERS = ("benchmarks", "configs", "contrib", "docs", "examples", "scripts", "src", "tests")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def written() -> str:
    return "\n".join(text_of(path) for path in WRITTEN)


def fences(path: Path) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    return _FENCE.findall(text_of(path))


def prose(path: Path) -> str:
    return _FENCE.sub("", text_of(path))


def code_spans(text: str) -> set[str]:
    """What stands between backticks; a span may hold several names."""
    return set(_CODE.findall(_FENCE.sub("", text)))


def commands() -> Iterator[tuple[str, click.Command]]:
    """Path and command of everything that `sortilin` can be called with."""

    def below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                yield from below(f"{path} {name}", child)

    yield from below("sortilin", cli)


COMMANDS = dict(commands())


# What exists is named


@pytest.mark.parametrize("path", COMMANDS)
def test_command_is_documented(path: str) -> None:
    assert re.search(rf"\b{re.escape(path)}\b", written())


@pytest.mark.parametrize("path", COMMANDS)
def test_options_of_command_are_documented(path: str) -> None:
    text = written()
    options = [o for p in COMMANDS[path].params if isinstance(p, click.Option) for o in p.opts]
    long = [option for option in options if option.startswith("--")]
    assert [option for option in long if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)] == []


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in registry.FOLDERS for name in registry.names(kind)]
)
def test_variant_is_documented(kind: str, name: str) -> None:
    assert name in code_spans(written())


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("features", "classifier") for name in registry.names(kind)],
)
def test_options_of_variant_are_documented(kind: str, name: str) -> None:
    spans = code_spans(text_of(DOCS / "models.md"))
    assert set(registry.get(kind, name).Config.model_fields) <= spans


@pytest.mark.parametrize("name", registry.names("format"))
def test_endings_of_format_are_documented(name: str) -> None:
    assert set(registry.get("format", name).endings) <= code_spans(text_of(DOCS / "formats.md"))


@pytest.mark.parametrize("name", [*datasets.names(), *bundled_models.names()])
def test_dataset_or_model_is_documented(name: str) -> None:
    assert name in code_spans(written())


@pytest.mark.parametrize("name", datasets.names())
def test_size_of_dataset_is_the_documented_one(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \| ([\d,]+)\b.*$", text_of(DOCS / "tasks.md"), re.MULTILINE)
    assert row == f"{datasets.get(name).n:,}"


@pytest.mark.parametrize("name", registry.names("task"))
def test_task_page_holds_classes_spellings_metric_and_limits(name: str) -> None:
    task, text = registry.get("task", name), text_of(DOCS / "tasks.md")
    assert {*task.classes, *task.aliases, task.metric} <= code_spans(text)
    said = (*task.limits, *getattr(task, "not_for", ()))
    assert [line for line in said if f"\n- {line}\n" not in text] == []


def test_label_habits_columns_and_splits_are_documented() -> None:
    columns = (*SEQUENCE_COLUMNS, *ID_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS)
    assert {*LABEL_HABITS, *columns, *SPLITS} <= code_spans(text_of(DOCS / "formats.md"))


def test_flags_and_columns_are_documented() -> None:
    spans = code_spans(text_of(DOCS / "formats.md"))
    flags = {
        labelling.SHORTER,
        labelling.LONGER,
        labelling.TRAINED_ON,
        *(f"{change}:n" for change in CHANGES),
    }
    columns = {"p_<class>" if name == "p_one" else name for name in column_names(["one"])}
    assert flags | columns <= spans


# The model folder and meta.json, key by key


@pytest.fixture(params=bundled_models.names())
def bundled(request: pytest.FixtureRequest) -> Path:
    return bundled_models.PRETRAINED / str(request.param)


def test_files_of_model_folder_are_documented(bundled: Path) -> None:
    assert {path.name for path in bundled.iterdir()} <= code_spans(text_of(DOCS / "models.md"))


def test_keys_of_model_json_are_documented(bundled: Path) -> None:
    description = json.loads(text_of(bundled / "model.json"))
    keys = set(description)
    for table in ("features", "classifier", "calibration", "training_data", "metrics"):
        keys |= set(description[table])
    assert keys <= code_spans(text_of(DOCS / "models.md"))


def test_arrays_are_documented(bundled: Path) -> None:
    with safe_open(bundled / "arrays.safetensors", framework="numpy") as stored:
        # What a member of an ensemble holds is documented with its own kind.
        kinds = {re.sub(r"^classifier\.\d+\.(of\.)?", "classifier.", key) for key in stored.keys()}  # noqa: SIM118 - no mapping
    # Weights of networks stand under their PyTorch names, as the page says.
    kinds = {kind for kind in kinds if not kind.startswith("classifier.head.")}
    assert kinds <= code_spans(text_of(DOCS / "models.md"))


def test_figures_in_models_page_are_those_of_the_card(bundled: Path) -> None:
    """The rows of the card's folds and test sets stand in the page as they are."""
    tables = [part for part in text_of(bundled / "README.md").split("\n\n") if part.startswith("| ")]
    wanted = [table for table in tables if "±" in table or table.startswith("| test set |")]
    rows = [row for table in wanted for row in table.splitlines()]
    assert len(rows) > 4
    assert [row for row in rows if row not in text_of(DOCS / "models.md").splitlines()] == []


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_headline_figure_is_that_of_the_card(bundled: Path, page: str) -> None:
    """The first metric of the card's first row with folds: macro-F1 or MCC, mean ± deviation."""
    figure = re.search(r"^\| [^|]+ \| (\d\.\d+ ± \d\.\d+) \|", text_of(bundled / "README.md"), re.MULTILINE)
    assert figure is not None
    assert figure[1] in text_of(ROOT / page)


@pytest.mark.parametrize("name", registry.names("features"))
def test_number_of_features_is_the_documented_one(name: str) -> None:
    n_features = len(registry.get("features", name)().feature_names)
    assert re.search(rf"^\| `{name}` \| {n_features}\b", text_of(DOCS / "models.md"), re.MULTILINE)


_QUOTED = re.compile(r"^(\S+)[ \t]+(\d+)[ \t]+([a-z_]+)[ \t]+(\d\.\d+)\b", re.MULTILINE)
"""A row of a table of predictions, however it is aligned: id, length, class, probability."""


@pytest.fixture(scope="module")
def predicted() -> dict[str, Prediction]:
    """Id → prediction, for all examples."""
    found: dict[str, Prediction] = {}
    for file_name, model in (("proteins.fasta", "localization"), ("peptides.fasta", "anticancer")):
        records = sortilin.read_sequences(ROOT / "examples" / file_name)
        found |= {p.id: p for p in sortilin.load(model).predict(records)}
    return found


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_quoted_predictions_are_the_present_ones(path: Path, predicted: dict[str, Prediction]) -> None:
    blocks = "".join(content for language, content in fences(path) if language == "text")
    for record_id, length, label, probability in _QUOTED.findall(blocks):
        if record_id in predicted:
            found = predicted[record_id]
            n_decimals = len(probability.partition(".")[2])
            shown = f"{found.probability:.{n_decimals}f}"
            assert (label, length, probability) == (found.label, str(found.length), shown), record_id


def test_keys_of_meta_json_are_documented(tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    source = ROOT / "examples" / "proteins.fasta"
    result = CliRunner().invoke(cli, ["predict", str(source), "-o", str(out), "--quiet"])
    assert result.exit_code == 0, result.output
    record = json.loads(text_of(Path(f"{out}.meta.json")))
    assert {field.name for field in dataclasses.fields(RunSummary)} <= set(record)
    text = text_of(DOCS / "formats.md")
    (example,) = (content for language, content in fences(DOCS / "formats.md") if language == "json")
    assert keys_of(json.loads(example)) == keys_of(record)
    nested = {f"details.{key}" for key in record["details"]} | set(record["output"])
    assert set(record) - {"details", "output"} | nested <= code_spans(text)


def keys_of(record: dict[str, Any]) -> list[str]:
    return [*record, *(f"details.{k}" for k in record["details"]), *(f"output.{k}" for k in record["output"])]


# The generated page, the error tree, the import rules


def test_reference_is_in_step() -> None:
    """In a process of its own: a command that has run keeps its help option, and shows it otherwise."""
    script = ROOT / "scripts" / "generate_docs.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_error_tree_is_the_class_tree() -> None:
    """The tree at the top of errors.py, line by line: each class below its parent."""
    drawn: dict[str, str] = {}
    above = ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"((?: {4}|│ {3}|├── |└── )+)(\w+Error) ", line)
        if match:
            depth = len(match[1]) // len("├── ")  # the root is indented by one step
            above[depth:] = [match[2]]
            drawn[match[2]] = above[depth - 1]
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert drawn == classes


def test_import_rules_are_the_tested_ones() -> None:
    section = text_of(DOCS / "architecture.md").partition("## Import rules")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", section, re.MULTILINE)
    found = {
        part: set(_CODE.findall(allowed)) | FOUNDATION
        for parts, allowed in rows
        for part in _CODE.findall(parts)
    }
    assert found == MAY_IMPORT


def test_every_part_of_the_source_is_in_the_architecture() -> None:
    section = text_of(DOCS / "architecture.md").partition("## Folders")[2].partition("\n## ")[0]
    parts = {
        path.stem for path in (ROOT / "src" / "sortilin").iterdir() if not path.name.startswith(("_", "py."))
    }
    assert parts <= code_spans(section)


# What is named exists


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    result = set()
    for heading in _HEADING.findall(prose(path)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        n_before = found.get(anchor, 0)
        found[anchor] = n_before + 1
        result.add(f"{anchor}-{n_before}" if n_before else anchor)
    return result


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_resolve(path: Path) -> None:
    broken = []
    for link in _LINK.findall(_CODE.sub("", prose(path))):
        if re.match(r"[a-z]+:", link):
            continue
        file_name, _, anchor = link.partition("#")
        target = (path.parent / file_name) if file_name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_named_paths_exist(path: Path) -> None:
    pattern = rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w"
    paths = set(re.findall(pattern, text_of(path)))
    assert sorted(p for p in paths if not (ROOT / p).exists()) == []


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_no_placeholder_is_left(path: Path) -> None:
    assert re.findall(r"@@\w*@@|\bTODO\b|\bTBD\b|\bXXX\b", prose(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    lines = [line for _, content in fences(path) for line in content.splitlines()]
    lines += code_spans(text_of(path))
    called = [word for line in lines if re.match(r"make\b", line) for word in make_words(line)]
    assert sorted(set(called) - targets) == []


def make_words(line: str) -> list[str]:
    return [word for word in shlex.split(line, comments=True)[1:] if "=" not in word and word[0] != "-"]


def shell_commands(block: str) -> Iterator[list[str]]:
    """The words of each `sortilin` call of a shell block, wherever it stands in a line."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        words.whitespace_split = True
        call: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("|&;()"):
                while call and re.match(r"\w+=", call[0]):
                    call = call[1:]
                if call and call[0] == "sortilin":
                    yield call[: call.index(">")] if ">" in call else call
                call = []
            else:
                call.append(word)


def parse(words: list[str]) -> None:
    """Parse a call as click does, without running it."""
    command: click.Command = cli
    context: click.Context | None = None
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        context = click.Context(command, parent=context, info_name=words[0])
        child = command.get_command(context, rest[0])
        assert child is not None, f"there is no command {rest[0]!r}"
        command, rest = child, rest[1:]
    try:
        command.make_context(command.name or "", rest, parent=context)
    except click.exceptions.Exit:
        assert {"--help", "-h", "--version", "-V"} & set(rest)


def call_id(call: tuple[str, list[str]]) -> str:
    return f"{call[0]}: {shlex.join(call[1])}"


CALLS = [
    (named(path), words)
    for path in PAGES
    if path != REFERENCE
    for language, content in fences(path)
    if language in {"bash", "sh", "console"}
    for words in shell_commands(content)
]
CALLS += [
    (f"{path} --help", words)
    for path, command in COMMANDS.items()
    for line in (command.epilog or "").splitlines()[2:]
    for words in shell_commands(re.split(r" {3,}", line.strip())[0])
]


@pytest.mark.parametrize("call", CALLS, ids=call_id)
def test_command_line_parses(call: tuple[str, list[str]]) -> None:
    parse(call[1])


def test_command_lines_are_found() -> None:
    """The tests above would pass on nothing."""
    assert len(CALLS) > 40
    block = "export A=1\nX=/d sortilin models list | head # of all\ncat a | sortilin predict - > out\n"
    assert list(shell_commands(block)) == [["sortilin", "models", "list"], ["sortilin", "predict", "-"]]


@pytest.mark.parametrize(
    "words", ["predict", "predict a --modle x", "models shwo", "predict a --on-error no"]
)
def test_command_line_that_is_wrong_does_not_parse(words: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        parse(["sortilin", *words.split()])


# Examples run


@pytest.mark.parametrize("name", ["quickstart.md", "python.md"])
def test_python_sessions_give_what_they_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(
        str(DOCS / name), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS
    )
    assert failed == 0
    assert tried > 0


PYTHON_BLOCKS = [
    (named(path), content)
    for path in PAGES
    for language, content in fences(path)
    if language == "python" and ">>>" not in content
]


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=lambda b: f"{b[0]}: {b[1].partition(chr(10))[0]}")
def test_python_block_is_python_and_imports_what_exists(block: tuple[str, str]) -> None:
    for node in ast.walk(ast.parse(block[1])):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sortilin"):
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize(
    ("page", "name"), [("docs/python.md", "ChargeHydropathy"), ("CONTRIBUTING.md", "VARIANT")]
)
def test_descriptor_of_a_document_does_what_one_must(page: str, name: str) -> None:
    (source,) = (content for path, content in PYTHON_BLOCKS if path == page and f"class {name}" in content)
    module = ModuleType("documented")
    exec(compile(source, page, "exec"), module.__dict__)
    variant = getattr(module, name)
    descriptor = variant(variant.Config())
    sequences = ["GIGKFLHSAKKFGKAFVGEIMNS", "X", "M", "MKTAYIAKQRQ"]
    table = descriptor.transform(sequences)
    assert table.dtype == np.float32
    assert table.shape == (len(sequences), len(descriptor.feature_names))
    assert np.isfinite(table).all()
    assert np.array_equal(np.concatenate([descriptor.transform([s]) for s in sequences]), table)


# Citation and changelog


def test_citation_names_version_and_license() -> None:
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (sortilin.__version__, "Apache-2.0")
    assert len(citation["references"]) == 2
    dois = [reference["doi"] for reference in citation["references"] if "doi" in reference]
    assert all(doi in registry.get("task", "anticancer").citation for doi in dois)


def test_changelog_names_the_version() -> None:
    assert sortilin.__version__ in text_of(ROOT / "CHANGELOG.md")
