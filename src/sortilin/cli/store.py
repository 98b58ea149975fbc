"""`sortilin store`: the vectors that were computed before."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.vectors import Store
    from sortilin.vectors.pruning import Change
    from sortilin.vectors.upkeep import ShelfStatus

_store_option = click.option(
    "--store",
    "path",
    type=click.Path(path_type=Path),
    help="Folder of the store. [default: SORTILIN_STORE, or the user's cache]",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group(
    epilog="""\b
Examples:
  sortilin store list
  sortilin store verify --store /data/vectors
  sortilin store prune --dry-run
  sortilin store prune --damaged
  sortilin store prune --older-than 90
"""
)
def store() -> None:
    """List, check or shrink the store of vectors.

    Language models are slow, so the vector of each sequence is kept: once for every checkpoint, layer,
    pooling, length policy and precision.
    """


@store.command("list", epilog="\b\nExample:\n  sortilin store list --json")
@_store_option
@_json_option
def list_shelves(path: Path | None, *, as_json: bool) -> None:
    """Kind, sequences, parts and size of each shelf."""
    from sortilin.vectors import upkeep

    opened = _open(path)
    shelves = upkeep.statuses(opened)
    if as_json:
        _print({"store": str(opened.path), "shelves": [_shelf_record(shelf) for shelf in shelves]})
        return
    for shelf in shelves:
        click.echo(
            f"{shelf.folder.name}\t{shelf.n_sequences:,} sequences\t{shelf.n_parts:,} parts\t"
            f"{_size(shelf.n_bytes)}\tlast added {shelf.days:.0f} days ago\t{_state(shelf)}"
        )
    if not shelves:
        _console.note(f"no vectors in {opened.path}")


@store.command("verify", epilog="\b\nExample:\n  sortilin store verify")
@_store_option
@_json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def verify(path: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Read every part from end to end; exit code 1 if one is damaged.

    Damaged parts are named. `sortilin store prune --damaged` removes them.
    """
    from sortilin.errors import StoreError
    from sortilin.vectors import upkeep

    opened = _open(path)
    with _console.progress(quiet=quiet) as on_progress:
        faults = upkeep.verify(opened, on_progress=on_progress)
    if as_json:
        found = [{"path": str(fault.path), "reason": fault.reason} for fault in faults]
        _print({"store": str(opened.path), "damaged": found})
    else:
        for fault in faults:
            click.echo(f"{fault.path}\tdamaged: {fault.reason}")
    if faults:
        files = "1 file is" if len(faults) == 1 else f"{len(faults)} files are"
        raise StoreError(
            f"{opened.path}: {files} damaged; "
            f"`sortilin store prune --damaged --store {shlex.quote(str(opened.path))}` removes what is"
        )
    _console.note(f"{opened.path} is whole")


@store.command(
    "prune",
    epilog="""\b
Examples:
  sortilin store prune --dry-run               what would go
  sortilin store prune                         merge small parts, remove leftovers and copies
  sortilin store prune --damaged               damaged parts as well
  sortilin store prune --kind NAME             one shelf, by its name in `sortilin store list`
  sortilin store prune --older-than 90         shelves that nothing was added to for 90 days
""",
)
@_store_option
@_json_option
@click.option("--kind", metavar="NAME", help="Remove this whole shelf, and nothing else.")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Remove whole shelves that nothing was added to for so long, and nothing else.",
)
@click.option("--damaged", is_flag=True, help="Remove damaged parts too; reads every part.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
def prune(
    path: Path | None, *, as_json: bool, kind: str | None, days: float | None, damaged: bool, dry_run: bool
) -> None:
    """Merge small parts, and remove leftovers, copies, or whole shelves; prints every file that goes."""
    from sortilin.vectors import pruning

    if damaged and (kind is not None or days is not None):
        raise click.UsageError(
            "--damaged goes with neither --kind nor --older-than: those remove whole shelves"
        )
    opened = _open(path)
    n_changes = n_left = 0
    records = []
    try:
        for change in pruning.prune(
            opened, kind=kind, older_than_days=days, damaged=damaged, dry_run=dry_run
        ):
            n_changes, n_left = n_changes + 1, n_left + (not change.is_removed)
            records.append(_change_record(change))
            if not as_json:
                word = ("would be removed" if dry_run else "removed") if change.is_removed else "left"
                click.echo(f"{change.path}\t{word}\t{_size(change.n_bytes)}\t{change.reason}")
    finally:  # what is gone is said, also if the rest failed
        if as_json:
            _print({"store": str(opened.path), "dry_run": dry_run, "files": records})
    if n_left:
        _console.warn(f"left as they are: {n_left}; --damaged removes damaged parts")
    if not n_changes:
        _console.note(f"nothing to remove in {opened.path}")


def _open(path: Path | None) -> Store:
    from sortilin.errors import StoreError
    from sortilin.vectors import Store

    opened = Store(path)
    if path is not None and not opened.path.is_dir():
        raise StoreError(
            f"there is no store {path}; `sortilin embed --store {shlex.quote(str(path))}` would make it"
        )
    return opened


def _state(shelf: ShelfStatus) -> str:
    return "damaged, see `sortilin store verify`" if shelf.faults else "sound headers"


def _shelf_record(shelf: ShelfStatus) -> dict[str, Any]:
    return {
        "name": shelf.folder.name,
        "kind": shelf.kind and shelf.kind.model_dump(),
        "sequences": shelf.n_sequences,
        "parts": shelf.n_parts,
        "bytes": shelf.n_bytes,
        "days": round(shelf.days, 2),
        "damaged": [{"path": str(fault.path), "reason": fault.reason} for fault in shelf.faults],
    }


def _change_record(change: Change) -> dict[str, Any]:
    return {
        "path": str(change.path),
        "reason": change.reason,
        "bytes": change.n_bytes,
        "removed": change.is_removed,
    }


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
