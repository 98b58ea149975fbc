"""`sortilin audit`: what test sets share with the training set."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sortilin.audit import Audit, AuditOptions
    from sortilin.audit.reading import ReadSet
    from sortilin.interfaces import OnProgress
    from sortilin.sequences.policy import OnError

LEAKS = 3
"""Exit code where `--fail-above` is reached."""


@click.command(
    epilog="""\b
Examples:
  sortilin audit train.fasta test.fasta
  sortilin audit acp:train acp:test1 acp:test2 --html audit.html
  sortilin audit train.csv test.csv --fail-above 0.9 --json audit.json
  sortilin audit train.fasta test1.fasta test2.fasta --write-clean clean/ --pairs pairs.tsv
  sortilin audit data.fasta                      splits in the headers, or one set by itself
"""
)
@click.argument("train")
@click.argument("tests", nargs=-1)
@click.option("--train", "more", multiple=True, help="A further training file or dataset; may be repeated.")
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in files.")
@click.option(
    "--identity",
    type=float,
    default=0.9,
    show_default=True,
    help="Near copies share so much of the shorter one's residues.",
)
@click.option(
    "--coverage",
    type=float,
    default=0.0,
    show_default=True,
    help="Smallest share of the longer one's residues that the alignment spans; 0 counts fragments.",
)
@click.option(
    "--aligner",
    type=click.Choice(["auto", "mmseqs", "builtin"]),
    default="auto",
    show_default=True,
    help="MMseqs2 where it is installed, always, or never.",
)
@click.option("--no-homologues", is_flag=True, help="Copies and near copies only.")
@click.option("--no-shortcuts", is_flag=True, help="No models of length alone and of composition alone.")
@click.option("--json", "as_json", help="Write all figures as JSON to a file, or - instead of the text.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page.")
@click.option("--pairs", type=click.Path(path_type=Path), help="Write who leaks from whom as TSV.")
@click.option(
    "--fail-above",
    type=float,
    help="Exit with 3 if a test sequence reaches this identity with a training sequence.",
)
@click.option(
    "--write-clean",
    type=click.Path(path_type=Path),
    help="Write test sets without copies and near copies: a file, or a folder for several.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a faulty record, or leave it out and count it.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=42,
    show_default=True,
    help="Seed of the shortcuts' folds and fits.",
)
@click.option("--threads", type=int, help="Threads of searches.  [default: one a core]")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def audit(
    train: str,
    tests: tuple[str, ...],
    *,
    more: tuple[str, ...],
    labels: str,
    on_error: OnError,
    quiet: bool,
    **options: Any,
) -> None:
    """Say what TESTS share with TRAIN: copies, near copies, homologues, labels, shortcuts.

    TRAIN and TESTS are files or datasets (name or name:split). One file or dataset alone is taken apart by
    its own splits, a folder by the names of its files (train*, test*). Exit codes: 0 done, 3 a test sequence
    reaches --fail-above, 1 an error. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.audit import run
    from sortilin.audit.reading import distinct_names, merged

    asked, place, limit = _asked(options), options["write_clean"], options["fail_above"]
    with _console.progress(quiet=quiet) as on_progress:
        training, read_tests = _read(
            (train, *tests), more, labels=labels, on_error=on_error, tell=on_progress
        )
        named = distinct_names([*training, *read_tests])
        training, read_tests = named[: len(training)], named[len(training) :]
        _tell_of_reading(named)
        _check_place(place, read_tests)
        sets = [one.audited for one in read_tests]
        found = run(merged(training), sets, asked, on_progress=on_progress)
    _write(found, as_json=options["as_json"], html=options["html"], pairs=options["pairs"])
    if place is not None:
        _write_clean(found, read_tests, place)
    if limit is not None:
        _fail(found, limit)


def _asked(options: dict[str, Any]) -> AuditOptions:
    from sortilin.audit import AuditOptions

    return AuditOptions(
        identity=options["identity"],
        coverage=options["coverage"],
        limit=options["fail_above"],
        aligner=options["aligner"],
        homologues=not options["no_homologues"],
        shortcuts=not options["no_shortcuts"],
        seed=options["seed"],
        threads=options["threads"],
    )


def _read(
    sources: Sequence[str], more: Sequence[str], *, labels: str, on_error: OnError, tell: OnProgress
) -> tuple[list[ReadSet], list[ReadSet]]:
    """What is trained on, one or more, and the test sets."""
    from sortilin.audit import reading

    if len(sources) == 1 and not more and Path(sources[0]).is_dir():
        sources = reading.of_folder(Path(sources[0]))
    read = [
        reading.read(source, labels=labels, on_error=on_error, on_progress=tell)
        for source in (sources[0], *more, *sources[1:])
    ]
    if len(read) == 1:
        read = reading.by_split(read[0])
    return read[: 1 + len(more)], read[1 + len(more) :]


def _tell_of_reading(sets: Sequence[ReadSet]) -> None:
    for one in sets:
        for warning in one.warnings:
            _console.warn(f"{one.name}: {warning}")
        if one.unlabelled is not None:
            _console.note(f"{one.name} is read without labels: {one.unlabelled}")


def _check_place(place: Path | None, tests: Sequence[ReadSet]) -> None:
    """Refuse before long work what cannot be written, or would replace what was read."""
    from sortilin.errors import OutputError

    if place is None:
        return
    if not tests:
        raise click.UsageError("--write-clean writes test sets, and there is none")
    for one in tests:
        path = _clean_path(place, one, tests)
        if path.exists() and Path(one.source).exists() and path.samefile(one.source):
            raise OutputError(f"--write-clean would replace {one.source}: choose another place")
    names = [one.file_name for one in tests]
    if len(set(names)) < len(names):
        raise OutputError(f"--write-clean: two test sets would be written as {max(names, key=names.count)}")


def _clean_path(place: Path, one: ReadSet, tests: Sequence[ReadSet]) -> Path:
    """The file itself for one test set, unless a folder is there; else a file in the folder."""
    is_folder = len(tests) > 1 or place.is_dir() or str(place).endswith("/")
    return place / one.file_name if is_folder else place


def _write(found: Audit, *, as_json: str | None, html: Path | None, pairs: Path | None) -> None:
    from sortilin import files
    from sortilin.audit import pairs as table
    from sortilin.audit import text

    figures = found.as_dict() if as_json or html else {}
    if as_json == "-":
        click.echo(_json(figures))
    else:
        click.echo(text.of(found))
        if as_json:
            files.replace(Path(as_json), f"{_json(figures)}\n".encode())
    if html is not None:
        from sortilin.report._audit_page import build_page

        command = shlex.join(["sortilin", *sys.argv[1:]])
        files.replace(html, build_page(figures, command=command).encode())
    if pairs is not None:
        files.replace(pairs, table.tsv(found))
    for path in (as_json, html, pairs):
        if path and path != "-":
            _console.note(f"wrote {path}")


def _json(figures: dict[str, Any]) -> str:
    return json.dumps(figures, indent=1, allow_nan=False, ensure_ascii=False)


def _write_clean(found: Audit, tests: Sequence[ReadSet], place: Path) -> None:
    from sortilin import files

    for one in tests:
        keep = found.is_clean(one.name).tolist()
        path = _clean_path(place, one, tests)
        files.replace(path, one.without(keep))
        _console.note(f"wrote {path}: {sum(keep):,} of {len(keep):,} records of {one.name}")


def _fail(found: Audit, limit: float) -> None:
    reached = found.reaches(limit)
    for name, n in reached.items():
        _console.warn(f"{n:,} of {name} reach an identity of {limit:g} with training (--fail-above)")
    if reached:
        click.get_current_context().exit(LEAKS)
