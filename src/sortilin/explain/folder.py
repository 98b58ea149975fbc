"""The folder of a run, put together from its batches, each file whole or not there.

residues.tsv         a row a residue (and class): id, position, residue, class, a column a method
explanations.jsonl   an object a sequence and class, with all values
substitutions.tsv    a row a residue with the effect of each substitution, where mutagenesis ran
pictures/            a picture of each of the first sequences, as SVG and PNG
report.html          how to read it, whether it is true, and the pictures, on one page
summary.json         figures over all sequences
skipped.tsv          what was left out, if anything was; of records that cannot be read the first 1,000
meta.json            where it came from; written last
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import numpy as np

from sortilin import files
from sortilin.evaluation.proportions import wilson
from sortilin.explain import checks, lines, sections
from sortilin.explain.attribution import Attribution
from sortilin.explain.lines import Line
from sortilin.explain.opened import Opened
from sortilin.explain.parts import LINES, META, PAGE, RESIDUES, SKIPPED, SUBSTITUTIONS, SUMMARY, Parts
from sortilin.explain.settings import Settings
from sortilin.features._encoding import ALPHABET
from sortilin.interfaces import Explainer, OnProgress
from sortilin.labelling import SHORTENED
from sortilin.report import escape
from sortilin.report._summary import summary_record, to_json
from sortilin.summary import summarize

MAX_SHOWN = 200
"""Rows of the page's table; the files hold all."""

MAX_SET = 10_000
"""Sequences of a whole-set explanation at most, the first ones."""

NO_LABELS = "none"
"""Of `Asked.labels`: none were asked for."""

TOLERANCE = 0.01
"""Completeness error that counts as right."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A run whose batches are all there: see `run.run`."""

    opened: Opened
    asked: Any
    made: Mapping[str, Explainer]
    options: Settings
    identity: Mapping[str, Any]
    parts: Parts
    paths: Sequence[Path]
    on_progress: OnProgress | None


@dataclass(slots=True)
class _Counted:
    """What is known of all lines after one pass over them."""

    n: int = 0
    predicted: Counter[str] = field(default_factory=Counter)
    n_shortened: int = 0
    errors: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, list[int]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    shown: list[Line] = field(default_factory=list)
    checked: list[Line] = field(default_factory=list)
    whole_set: list[tuple[str, str, str | None]] = field(default_factory=list)
    _last: str = ""

    def add(self, line: Line, options: Settings) -> None:
        is_new = line["id"] != self._last  # all classes of a sequence stand together
        self._last = line["id"]
        self.n += 1
        for name, said in line["methods"].items():
            if said["completeness"] is not None:
                self.errors.setdefault(name, []).append(said["completeness"])
            if "steps" in said["details"]:
                self.steps.setdefault(name, []).append(int(said["details"]["steps"]))
        if len(self.shown) < MAX_SHOWN or line["picture"]:
            self.shown.append(line)
        if not is_new:
            return
        self.predicted[line["prediction"]] += 1
        self.n_shortened += any(SHORTENED in flag for flag in line["flags"])
        if len(self.checked) < options.checked:
            self.checked.append(line)
        if len(self.whole_set) < MAX_SET:
            self.whole_set.append((line["id"], line["sequence"], line["label"]))


def write(whole: Whole) -> dict[str, Any]:
    """Write all files.

    Returns:
        Content of `summary.json`.

    Raises:
        OutputError: A file cannot be written.
    """
    from sortilin.report.explain._page import build

    out, counted = whole.parts.out, _Counted()
    files.replace_with(out / LINES, lambda stream: _write_lines(whole, stream, counted))
    files.replace_with(out / RESIDUES, lambda stream: _write_residues(whole, stream))
    if any(path.with_suffix(".tsv").exists() for path in whole.paths):
        files.replace_with(out / SUBSTITUTIONS, lambda stream: _write_substitutions(whole, stream))
    skipped = [(one.id, one.reason) for one in whole.asked.report.skipped] + counted.skipped
    if skipped:
        rows = "".join(f"{escape(name)}\t{escape(why)}\n" for name, why in skipped)
        files.replace(out / SKIPPED, f"id\treason\n{rows}".encode())
    truth = checks.measured(whole.opened, whole.made, counted.checked, whole.options, whole.on_progress)
    extra = sections.explained(whole.opened, counted.whole_set, out, whole.asked.sections, whole.on_progress)
    found = _summary(whole, counted, truth, {one.key: one.values for one in extra})
    found["notes"] = sections.notes(
        whole.opened, counted.whole_set, whole.asked.sections, is_labelled=whole.asked.labels != NO_LABELS
    )
    files.replace(out / SUMMARY, (to_json(found, indent=1) + "\n").encode())
    titles = {name: (one.title, one.signed) for name, one in whole.made.items()}
    page = build(found, counted.shown, out, titles, [(one.title, one.html) for one in extra])
    files.replace(out / PAGE, page.encode())
    _write_meta(whole, counted)
    return found


def _write_lines(whole: Whole, stream: BinaryIO, counted: _Counted) -> None:
    for line in whole.parts.lines(whole.paths):
        if "skipped" in line:
            counted.skipped.append((line["id"], line["skipped"]))
            continue
        counted.add(line, whole.options)
        stream.write(lines.encoded(line).encode())


def _write_residues(whole: Whole, stream: BinaryIO) -> None:
    names = list(whole.made)
    stream.write(("\t".join(("id", "position", "residue", "class", *names)) + "\n").encode())
    for line in whole.parts.lines(whole.paths):
        if "skipped" not in line:
            stream.write("".join(_residue_rows(line, names)).encode())


def _residue_rows(line: Line, names: Sequence[str]) -> Iterator[str]:
    record_id, label = escape(line["id"]), escape(line["class"])
    columns = [line["methods"][name]["values"] for name in names]
    for place, (residue, *values) in enumerate(zip(line["sequence"], *columns, strict=True), 1):
        cells = "\t".join("" if v is None else f"{v:.6g}" for v in values)
        yield f"{record_id}\t{place}\t{residue}\t{label}\t{cells}\n"


def _write_substitutions(whole: Whole, stream: BinaryIO) -> None:
    stream.write(("\t".join(("id", "position", "residue", "class", *ALPHABET)) + "\n").encode())
    for path in whole.paths:
        rows = path.with_suffix(".tsv")
        if rows.exists():
            stream.write(rows.read_bytes())


def substitution_rows(one: Attribution) -> str:
    """Rows of `substitutions.tsv`: change of the log-odds by each residue; empty where none was tried."""
    assert one.substitutions is not None
    before = (escape(one.id), escape(one.label))
    rows = []
    for place, (residue, values) in enumerate(zip(one.sequence, one.substitutions.tolist(), strict=True), 1):
        cells = "\t".join(f"{v:.6g}" if np.isfinite(v) else "" for v in values)
        rows.append(f"{before[0]}\t{place}\t{residue}\t{before[1]}\t{cells}\n")
    return "".join(rows)


def _summary(
    whole: Whole, counted: _Counted, truth: Mapping[str, Any], extra: Mapping[str, Any]
) -> dict[str, Any]:
    opened, asked = whole.opened, whole.asked
    return {
        "format": whole.identity["format"],
        "format_version": whole.identity["format_version"],
        "model": opened.name,
        "model_checksum": opened.predictor.model.checksum,
        "classes": list(opened.classes),
        "source": asked.source,
        "command": asked.command,
        "settings": whole.identity["settings"],
        "n_sequences": sum(counted.predicted.values()),
        "n_explanations": counted.n,
        "n_skipped": asked.report.n_skipped + len(counted.skipped),
        "predicted": {**dict.fromkeys(opened.classes, 0), **counted.predicted},
        "completeness": {name: _complete(found) for name, found in counted.errors.items()},
        "steps": {name: {"median": median(n), "most": max(n)} for name, n in counted.steps.items()},
        "truth": truth,
        "sections": extra,
    }


def _complete(errors: Sequence[float]) -> dict[str, Any]:
    """Share of explanations whose values sum to the change of the log-odds within one per cent."""
    n_right = sum(error < TOLERANCE for error in errors)
    low, high = wilson(n_right, len(errors))
    return {
        "tolerance": TOLERANCE,
        "n": len(errors),
        "n_within": n_right,
        "share": n_right / len(errors),
        "interval": [low, high],
        "median_error": median(errors),
        "largest_error": max(errors),
    }


def _write_meta(whole: Whole, counted: _Counted) -> None:
    asked = whole.asked
    found = summarize(
        whole.opened.predictor,
        asked.source,
        asked.report,
        counted.predicted,
        on_error=asked.on_error,
        n_shortened=counted.n_shortened,
    )
    more = {"command": asked.command, "identity": dict(whole.identity)}
    found = dataclasses.replace(
        found, n_skipped=found.n_skipped + len(counted.skipped), details={**found.details, **more}
    )
    files.replace(whole.parts.out / META, (to_json(summary_record(found), indent=2) + "\n").encode())
