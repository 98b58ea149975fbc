"""Write docs/reference.md from the program itself; with --check, say whether it is in step.

python scripts/generate_docs.py [--check]
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel

from sortilin import bundled, datasets, errors, registry
from sortilin.cli.main import cli

REFERENCE = Path(__file__).parents[1] / "docs" / "reference.md"
HEADER = """\
# Reference

Written by `make docs` from the program itself; `make check` fails if it is out of step.
"""
KIND_TITLES = {
    "task": "Tasks",
    "features": "Descriptor sets",
    "classifier": "Classifiers",
    "backbone": "Backbones",
    "head": "Heads",
    "format": "Output formats",
    "explainer": "Explainers",
}


def main() -> None:
    """Write the file, or compare it."""
    text = render()
    if "--check" not in sys.argv:
        REFERENCE.write_text(text, encoding="utf-8")
        return
    found = REFERENCE.read_text(encoding="utf-8") if REFERENCE.exists() else ""
    if found != text:
        difference = difflib.unified_diff(
            found.splitlines(), text.splitlines(), "docs", "program", lineterm=""
        )
        print("\n".join(difference))
        sys.exit("docs/reference.md is out of step: make docs")


def render() -> str:
    """The whole page."""
    parts = [HEADER, "## Commands", *commands(), "## Variants", *variants(), "## Datasets", dataset_table()]
    parts += ["## Bundled models", f"`{'`, `'.join(bundled.names())}`", "## Errors", error_tree()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def commands() -> Iterator[str]:
    """The help text of every command, as `sortilin … --help` prints it."""
    yield from help_of(cli, "sortilin", None)


def help_of(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """A command's help, then its subcommands'."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    path = context.command_path
    yield f"### `{path}`\n\n```text\n{command.get_help(context).strip()}\n```"
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from help_of(child, child_name, context)


def variants() -> Iterator[str]:
    """A table of every kind: name, what it is, its options."""
    for kind, title in KIND_TITLES.items():
        rows = [
            f"| `{name}` | {about(kind, name)} | {options(kind, name)} |" for name in registry.names(kind)
        ]
        yield "\n".join([f"### {title}", "", "| name | what | options |", "| --- | --- | --- |", *rows])


def about(kind: str, name: str) -> str:
    """First line of the variant's docstring."""
    variant = registry.get(kind, name)
    text = inspect.getdoc(variant) or ""
    return text.partition("\n")[0]


def options(kind: str, name: str) -> str:
    """Its options with defaults, the classes of a task, or the endings of a format."""
    variant = registry.get(kind, name)
    if kind == "task":
        return "classes: " + (", ".join(variant.classes) or "yours")
    if kind == "format":
        return ", ".join(f"`{ending}`" for ending in variant.endings)
    config: type[BaseModel] = variant.Config
    return ", ".join(f"`{key}` = {field.default!r}" for key, field in config.model_fields.items()) or "none"


def dataset_table() -> str:
    """Name, size, classes, source and licence of every dataset."""
    lines = ["| name | sequences | classes | source | licence |", "| --- | --- | --- | --- | --- |"]
    for name in datasets.names():
        dataset = datasets.get(name)
        classes = ", ".join(f"{label} {n:,}" for label, n in dataset.counts.items()) or "none"
        lines.append(f"| `{name}` | {dataset.n:,} | {classes} | {dataset.source} | {dataset.license} |")
    return "\n".join(lines)


def error_tree() -> str:
    """The tree drawn at the top of errors.py."""
    return f"```text\n{inspect.cleandoc(errors.__doc__ or '')}\n```"


if __name__ == "__main__":
    main()
