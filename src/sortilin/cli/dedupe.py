"""`sortilin dedupe`: a set without near copies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sortilin.audit.reading import ReadSet
    from sortilin.sequences.dedupe import Deduped


@click.command(
    epilog="""\b
Examples:
  sortilin dedupe peptides.fasta -o clean.fasta --min-length 5 --max-length 50
  sortilin dedupe peptides.csv -o clean.csv --identity 0.8 --clusters clusters.tsv
  sortilin dedupe acp:train -o train.fasta --per-label --method builtin
"""
)
@click.argument("source", metavar="IN")
@click.option("--output", "-o", required=True, help="File for what stays, in the format of IN; - for output.")
@click.option(
    "--identity",
    type=float,
    default=0.9,
    show_default=True,
    help="Near copies share so much of the shorter one's residues.",
)
@click.option("--min-length", type=int, default=1, show_default=True, help="Shorter sequences go.")
@click.option("--max-length", type=int, help="Longer sequences go.")
@click.option(
    "--method",
    type=click.Choice(["auto", "cd-hit", "mmseqs", "builtin"]),
    default="auto",
    show_default=True,
    help="CD-HIT or else MMseqs2 where they are installed; or by name.",
)
@click.option("--per-label", is_flag=True, help="Cluster each label by itself.")
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in a file.")
@click.option(
    "--clusters", type=click.Path(path_type=Path), help="Write every record with what stays for it."
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a faulty record, or leave it out.",
)
@click.option("--threads", type=int, help="Threads of CD-HIT or MMseqs2.  [default: one a core]")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def dedupe(source: str, *, output: str, clusters: Path | None, quiet: bool, **options: Any) -> None:
    """Leave out of IN, a file or dataset, what is too short, too long, or a near copy.

    Greedy clusters as CD-HIT makes them: the longest sequence of each stays. Records keep their headers or
    cells. What went and why is counted on standard output, and listed with --clusters.
    """
    from sortilin import files
    from sortilin.audit.reading import read
    from sortilin.sequences.dedupe import Rules
    from sortilin.sequences.dedupe import dedupe as found_in

    rules = Rules(
        identity=options["identity"],
        min_residues=options["min_length"],
        max_residues=options["max_length"],
        method=options["method"],
        per_label=options["per_label"],
    )
    one = read(source, labels=options["labels"], on_error=options["on_error"])
    labels = one.audited.labels
    _check(one, output, per_label=rules.per_label and labels is None)
    for warning in one.warnings:
        _console.warn(f"{one.name}: {warning}")
    with _console.progress(quiet=quiet) as on_progress:
        found = found_in(
            one.audited.sequences, labels, rules, threads=options["threads"], on_progress=on_progress
        )
    content = one.without(found.keep.tolist())
    if output == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        files.replace(Path(output), content)
    if clusters is not None:
        files.replace(clusters, "".join(f"{line}\n" for line in _clusters(one, found)).encode())
    click.echo("\n".join(_text(one, found)), err=output == "-")


def _check(one: ReadSet, output: str, *, per_label: bool) -> None:
    from sortilin.errors import LabelError, OutputError

    if per_label:
        raise LabelError(
            f"{one.name} has no labels, which --per-label needs; name where they stand: --labels"
        )
    if Path(output).exists() and Path(one.source).exists() and Path(output).samefile(one.source):
        raise OutputError(f"{output} is what is read: choose another name for what stays")


def _text(one: ReadSet, found: Deduped) -> Iterator[str]:
    from sortilin.sequences.dedupe import COPY, LONG, NEAR, SHORT

    yield f"{one.name}: {int(found.keep.sum()):,} of {len(found.keep):,} records stay"
    for reason in (SHORT, LONG, COPY, NEAR):
        if found.n(reason):
            yield f"  {reason}: {found.n(reason):,}"
    if found.conflicts:
        n = len(found.conflicts)
        yield f"  stay for records of another label: {n:,} (see --clusters, or use --per-label)"
    yield f"  compared by {found.tool}"


def _clusters(one: ReadSet, found: Deduped) -> Iterator[str]:
    """A line a record, in order: what became of it, and which record stays for it."""
    from sortilin.errors import escape_controls

    went = {left.row: left for left in found.left_out}
    yield "\t".join(("id", "label", "length", "kept", "reason", "representative", "its_label", "identity"))
    for row, record in enumerate(one.records):
        left = went.get(row)
        stays = one.records[left.kept if left is not None and left.kept is not None else row]
        has_one = left is None or left.kept is not None
        cells = (
            record.id,
            record.label or "",
            str(len(record.sequence)),
            "no" if left else "yes",
            left.reason if left else "",
            stays.id if has_one else "",
            (stays.label or "") if has_one else "",
            "" if left is None or left.identity is None else f"{left.identity:.4f}",
        )
        yield "\t".join(map(escape_controls, cells))
