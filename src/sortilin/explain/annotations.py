"""Features of sequences from the files that annotators and UniProt write → signals by id.

GFF3 (sequenceontology.org), UniProt's GFF, its JSON (one entry, a list, a search result, or the Proteins
API), its text format with `FT` lines, and its tables with feature columns ("Signal peptide", "Domain [FT]");
plain or compressed. Which one it is stands in the file, not in its name. Places whose ends are unknown (`?`)
and those of another isoform are left out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sortilin.errors import FormatError, InputError, escape_controls
from sortilin.explain.signals import Signal
from sortilin.sequences import SequenceRecord
from sortilin.sequences.source import opened

KINDS = ("GFF3", "UniProt JSON", "UniProt text", "UniProt table")

_OF_TWO_ENDS = {"disulfid", "disulfide bond", "crosslnk", "cross-link"}
"""Features that join two residues, and say nothing of those between."""

_FT_KEY = re.compile(r"FT   (\S+)\s+(\S+:)?([<>?]?\d*\??)(?:\.\.|\s+)?([<>?]?\d*)\s*(.*)$")
_CELL = re.compile(
    r"(?:^|;\s*)([A-Z][A-Z_]+) ([<>?]?\d*)(?:\.\.([<>?]?\d*))?((?:;\s*/\w+=(?:\"[^\"]*\"|[^;]*))*)"
)
_NOTE = re.compile(r'/note="([^"]*)"')
_ID_COLUMNS = ("entry", "accession", "id")


@dataclass(frozen=True, slots=True)
class Found:
    """A feature, and where it stands.

    Attributes:
        ids: Those of its entry, the first one for messages.
        signal: The feature, its places from 0.
        where: Line or entry of the file.
    """

    ids: tuple[str, ...]
    signal: Signal
    where: str


class Features:
    """Features by id, and the entries that no record had.

    Args:
        path: The file, for messages.
        found: What stands in it.
    """

    def __init__(self, path: str, found: Iterable[Found]) -> None:
        self.path, self._n = path, 0
        self._by_id: dict[str, list[Found]] = {}
        self._unused: set[str] = set()
        for one in found:
            self._n += 1
            self._unused.add(one.ids[0])
            for name in dict.fromkeys(one.ids):
                self._by_id.setdefault(name, []).append(one)

    def __len__(self) -> int:
        return self._n

    def of(self, record: SequenceRecord) -> list[Signal]:
        """Features of a record, by place: those of its id, or of the parts of `sp|ACCESSION|NAME`.

        Raises:
            InputError: One ends behind the sequence.
        """
        names = (record.id, *record.id.split("|")[1:])
        found = list(dict.fromkeys(one for name in names for one in self._by_id.get(name, ())))
        for one in found:
            self._unused.discard(one.ids[0])
            if one.signal.end > len(record.sequence):
                raise InputError(
                    f"{escape_controls(self.path)}, {one.where}: '{escape_controls(one.signal.name)}' of "
                    f"'{escape_controls(one.ids[0])}' is at {one.signal.start + 1} to {one.signal.end}, but "
                    f"the sequence has {len(record.sequence):,} residues"
                )
        return sorted((one.signal for one in found), key=lambda s: (s.start, s.end, s.name))

    def unused(self) -> list[str]:
        """Ids of the file that no record had, sorted."""
        return sorted(self._unused)


def read(path: str | Path) -> Features:
    """The features of a file.

    Raises:
        InputError: The file is missing or cannot be read.
        FormatError: It is of no known format, or a line of it is damaged.
    """
    name = str(path)
    with opened(path, escape_controls(name)) as stream:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FormatError(f"{escape_controls(name)}: is not UTF-8 text") from None
    return Features(name, _parsed(text, escape_controls(name)))


def _parsed(text: str, name: str) -> list[Found]:
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip()[:1] in ("{", "["):
        return list(_of_json(text, name))
    if re.match(r"(ID|AC|FT)   ", first):
        return list(_of_text(lines, name))
    header = [cell.strip().lower() for cell in first.split("\t")]
    if not first.startswith("#") and set(_ID_COLUMNS) & set(header):
        return list(_of_table(lines, name))
    if first.startswith("#") or len(header) in (8, 9):
        return list(_of_gff(lines, name))
    raise FormatError(f"{name}: is no file of features; allowed: {', '.join(KINDS)}")


def _ends(first: str, last: str, where: str) -> tuple[int, int] | None:
    """Places from 0, or None where an end is unknown."""
    if "?" in first + last or not first.strip("<>"):
        return None
    bare = first.strip("<>"), (last or first).strip("<>")
    if not all(end.isdecimal() for end in bare):
        raise FormatError(f"{where}: a feature at '{first}' to '{last or first}', which are no whole numbers")
    start, end = map(int, bare)
    if not 1 <= start <= end:
        raise FormatError(
            f"{where}: a feature at {start} to {end}; places begin at 1, and end behind their start"
        )
    return start - 1, end


def _made(
    ids: Sequence[str], name: str, ends: tuple[int, int] | None, detail: str, where: str
) -> Iterator[Found]:
    """The feature; of one that joins two residues, both."""
    if ends is None:
        return
    start, end = ends
    spans = [(start, end)]
    if name.lower() in _OF_TWO_ENDS and end - start > 1:
        spans = [(start, start + 1), (end - 1, end)]
    for a, b in spans:
        yield Found(tuple(ids), Signal(name, a, b, detail), where)


# GFF3


def _of_gff(lines: Iterable[str], name: str) -> Iterator[Found]:
    for number, line in enumerate(lines, 1):
        if line.startswith(("##FASTA", ">")):
            return
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.rstrip("\t\n").split("\t")
        where = f"{name}, line {number}"
        if len(cells) not in (8, 9):
            raise FormatError(f"{where}: has {len(cells)} columns; GFF3 has 9")
        if not (cells[3].isdigit() and cells[4].isdigit()):
            if "?" in cells[3] + cells[4] or "." in (cells[3], cells[4]):
                continue
            raise FormatError(f"{where}: start '{cells[3]}' and end '{cells[4]}' are no whole numbers")
        notes = dict(part.split("=", 1) for part in (*cells[8:], "")[0].split(";") if "=" in part)
        detail = unquote(notes.get("Note", notes.get("Name", ""))).strip()
        kind = unquote(cells[2]).replace("_", " ")
        ends = _ends(cells[3], cells[4], where)
        yield from _made([unquote(cells[0])], kind, ends, detail, f"line {number}")


# UniProt's text format


def _of_text(lines: Iterable[str], name: str) -> Iterator[Found]:
    ids: list[str] = []
    pending: tuple[str, tuple[int, int] | None, str, list[str]] | None = None
    for number, line in enumerate([*lines, "//"], 1):
        match = _FT_KEY.match(line)
        if pending and (match or not line.startswith("FT ")):
            kind, ends, where, notes = pending
            yield from _made(ids, _named(kind), ends, _note(notes), where)
            pending = None
        if line.startswith("ID   "):
            ids = [line.split()[1]]
        elif line.startswith("AC   "):
            ids += [part.strip() for part in line[5:].split(";") if part.strip()]
        elif line.startswith("//"):
            ids = []
        elif match:
            if not ids:
                raise FormatError(f"{name}, line {number}: a feature before any ID or AC line")
            where = f"line {number}"
            is_other = match[2] is not None  # P01308-2:3..5 counts along another isoform
            ends = None if is_other else _ends(match[3], match[4], f"{name}, {where}")
            pending = (match[1], ends, where, [match[5]])
        elif line.startswith("FT ") and pending:
            pending[3].append(line[5:].strip())


def _note(lines: Iterable[str]) -> str:
    found = _NOTE.search(" ".join(lines))
    return found[1] if found else ""


# UniProt's JSON


def _of_json(text: str, name: str) -> Iterator[Found]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise FormatError(f"{name}: is no JSON: {error}") from None
    entries = content.get("results", [content]) if isinstance(content, Mapping) else content
    if not isinstance(entries, list):
        raise FormatError(f"{name}: holds no UniProt entries")
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("features", []), list):
            raise FormatError(f"{name}: holds no UniProt entries")
        ids = [
            str(entry[key])
            for key in ("primaryAccession", "accession", "uniProtkbId", "id")
            if entry.get(key)
        ]
        if not ids:
            raise FormatError(f"{name}: an entry has no accession")
        for feature in entry.get("features", []):
            where = f"entry {ids[0]}"
            kind, ends = _json_feature(feature, f"{name}, {where}")
            yield from _made(ids, _named(kind), ends, str(feature.get("description", "")), where)


def _json_feature(feature: Mapping[str, Any], where: str) -> tuple[str, tuple[int, int] | None]:
    try:
        kind = str(feature["type"])
        if "location" not in feature:
            return kind, _ends(str(feature["begin"]), str(feature["end"]), where)
        places = [feature["location"][end].get("value") for end in ("start", "end")]
    except (KeyError, TypeError, AttributeError):
        raise FormatError(f"{where}: a feature without type and location") from None
    return kind, None if None in places else _ends(str(places[0]), str(places[1]), where)


# UniProt's tables


def _of_table(lines: Iterable[str], name: str) -> Iterator[Found]:
    rows = csv.reader(lines, delimiter="\t")
    header = [cell.strip() for cell in next(rows)]
    lower = [cell.lower() for cell in header]
    ids = [lower.index(column) for column in (*_ID_COLUMNS, "entry name") if column in lower]
    for number, row in enumerate(rows, 2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise FormatError(f"{name}, line {number}: has {len(row)} columns, the header has {len(header)}")
        for place, cell in enumerate(row):
            if place in ids:
                continue
            for kind, first, last, notes in _CELL.findall(cell):
                ends = _ends(first, last, f"{name}, line {number}")
                yield from _made([row[i] for i in ids], _named(kind), ends, _note([notes]), f"line {number}")


_NAMES = {
    "SIGNAL": "Signal peptide",
    "TRANSIT": "Transit peptide",
    "PROPEP": "Propeptide",
    "CHAIN": "Chain",
    "PEPTIDE": "Peptide",
    "TRANSMEM": "Transmembrane",
    "INTRAMEM": "Intramembrane",
    "TOPO_DOM": "Topological domain",
    "DOMAIN": "Domain",
    "REGION": "Region",
    "MOTIF": "Motif",
    "COMPBIAS": "Compositional bias",
    "COILED": "Coiled coil",
    "ZN_FING": "Zinc finger",
    "DNA_BIND": "DNA binding",
    "REPEAT": "Repeat",
    "BINDING": "Binding site",
    "ACT_SITE": "Active site",
    "SITE": "Site",
    "MOD_RES": "Modified residue",
    "LIPID": "Lipidation",
    "CARBOHYD": "Glycosylation",
    "DISULFID": "Disulfide bond",
    "CROSSLNK": "Cross-link",
    "VARIANT": "Natural variant",
    "MUTAGEN": "Mutagenesis",
    "CONFLICT": "Sequence conflict",
    "HELIX": "Helix",
    "STRAND": "Beta strand",
    "TURN": "Turn",
    "INIT_MET": "Initiator methionine",
    "Signal": "Signal peptide",
}
"""UniProt's keys → its words."""


def _named(kind: str) -> str:
    return _NAMES.get(kind, kind)
