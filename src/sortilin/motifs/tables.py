"""Motifs and their sites as TSV and as JSON.

`motifs.tsv` has a row for each significant motif, `sites.tsv` one for each occurrence among the positives,
with positions from 1. Numbers are plain; a cell is empty where a value is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sortilin.motifs._enrichment import Counts
from sortilin.motifs.attention import Agreement
from sortilin.motifs.motif import Motif
from sortilin.report import escape
from sortilin.sequences import SequenceRecord

MOTIF_COLUMNS = (
    *("name", "consensus", "pattern", "width", "n_sites", "n_distinct", "p_value", "e_value", "threshold"),
    *("held_out_positives", "held_out_n_positives", "held_out_controls", "held_out_n_controls"),
    *("positives", "n_positives", "controls", "n_controls", "ratio"),
)
AGREEMENT_COLUMNS = (
    *("attention_excess", "attention_null_mean", "attention_null_sd", "attention_p_value"),
    *("attention_n_sequences", "attention_in_sites", "share_of_positions"),
)
SITE_COLUMNS = ("motif", "id", "start", "end", "score", "site")


def record(motif: Motif, agreement: Agreement | None = None) -> dict[str, Any]:
    """All that is known of a motif, as JSON holds it: NaN and infinity as None."""
    found = {
        "name": motif.name,
        "consensus": motif.consensus,
        "pattern": motif.pattern,
        "width": motif.width,
        "n_sites": motif.n_sites,
        "n_distinct": motif.n_distinct,
        "p_value": motif.p_value,
        "e_value": motif.e_value,
        "threshold": motif.threshold,
        "held_out": None if motif.held_out is None else asdict(motif.held_out),
        "counts": {**asdict(motif.counts), "ratio": motif.counts.ratio},
        "information": motif.information.tolist(),
        "matrix": motif.matrix.tolist(),
        "agreement": None if agreement is None else asdict(agreement),
    }
    return {key: _finite(value) for key, value in found.items()}


def motifs_tsv(motifs: Sequence[Motif], agreements: Mapping[str, Agreement]) -> str:
    """One row a motif; columns on attention only where an agreement is given."""
    columns = MOTIF_COLUMNS + (AGREEMENT_COLUMNS if agreements else ())
    rows = [_motif_cells(motif, agreements.get(motif.name)) for motif in motifs]
    return _tsv(columns, [[row.get(column) for column in columns] for row in rows])


def sites_tsv(motifs: Sequence[Motif], records: Sequence[SequenceRecord]) -> str:
    """One row an occurrence, by motif and then in the order of the records; start and end from 1."""
    rows: list[list[Any]] = []
    for motif in motifs:
        for site in motif.sites([one.sequence for one in records]):
            one, end = records[site.row], site.start + motif.width
            word = one.sequence[site.start : end]
            rows.append([motif.name, one.id, site.start + 1, end, round(site.score, 3), word])
    return _tsv(SITE_COLUMNS, rows)


def _motif_cells(motif: Motif, agreement: Agreement | None) -> dict[str, Any]:
    known = record(motif)
    cells = {column: known.get(column) for column in MOTIF_COLUMNS}
    cells |= {"ratio": motif.counts.ratio, **asdict(motif.counts)}
    if motif.held_out is not None:
        cells |= {f"held_out_{key}": value for key, value in asdict(motif.held_out).items()}
    if agreement is not None:
        values = (agreement.statistic, agreement.null_mean, agreement.null_sd, agreement.p_value)
        more = (agreement.n_sequences, agreement.mass, agreement.expected)
        cells |= dict(zip(AGREEMENT_COLUMNS, (*values, *more), strict=True))
    return cells


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tsv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, *([_cell(value) for value in row] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))


def held(counts: Counts) -> str:
    """Counts for a person: "44 of 97 against 8 of 296"."""
    return f"{counts.positives} of {counts.n_positives} against {counts.controls} of {counts.n_controls}"
