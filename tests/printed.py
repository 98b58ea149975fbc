"""Finds figures in what is printed that stand alone: without interval or spread, or without their n.

The grammar. A text is made of paragraphs and Markdown tables, parted by empty lines. A figure is a number of
three decimals between -1 and 1 ("0.812", "+0.012", "1.000"). It may stand

    0.812 (0.790 to 0.834)     with an interval
    0.812 ± 0.012              with a spread
    (95% interval ... 0.790 to 0.834)     as the end of an interval
    0.000 (no interval)        where a convention gives the value

and needs its n: in a table a column `n`, `sequences` or `support`, or "n = 123" or "(123)" in the header of
its column or in the first cell of its row; for a table also, and for a sentence only, "n = 123", "n: 123" or
"123 sequences" (peptides, proteins, rows) in the paragraph itself, or in the one or two paragraphs before it.

No figures of a measurement, and so left out:

    p-values               columns whose header is p, "p, corrected" or begins "p-value"; "p = 0.012"
    what others published  rows whose first cell is in italics and ends in "(paper)*"; columns that end in
                           "paper" or begin with "published"
    planes                 "silhouette 0.101 before, 0.371 after"
    E-values               "an E-value of at most 0.001", "E < 0.001"
    the paper's arithmetic "SN 0.829 and SP 0.938 stand exchanged", "SN and SP do not give the accuracy"
    parameters             "a is 0.936", "b is -0.265"
    shares by design       columns of the statistics of motifs: see `OTHER_COLUMNS`
    code                   what stands between backticks, and fenced blocks
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

NUMBER = r"[+\-\N{MINUS SIGN}]?(?<![\d.,/·])(?:0\.\d{3}|1\.000)(?![\d]|\.\d)"
TO = r"(?: to |\N{EN DASH})"
END = r"[+\-\N{MINUS SIGN}]?\d+\.\d{3}"
INTERVAL = rf"{END}{TO}{END}"
SURE = (
    rf"{NUMBER} ?\((?:95\s?%(?: interval)?:? )?{INTERVAL}(?:; n = [\d,]+)?\)",
    rf"{NUMBER} ± \d\.\d{{3}}",
    rf"{NUMBER} \(no interval\)",
    INTERVAL,
)
"""What may stand, the longest first."""

NO_MEASUREMENT = (
    r"```.*?```",
    r"`[^`]*`",
    rf"\b(?:p|P)\s?[=<≥>]\s?{NUMBER}",
    rf"\b[ab] is {NUMBER}",
    rf"silhouette {NUMBER}(?: before, {NUMBER} after)?",
    r"E(?:-values?)? (?:of at most|<|up to) [\d.e-]+",
    r"\bSN\b.*\bSP\b.*(?:stand exchanged|do not give).*",
)
N = r"\bn[ =:]+[\d,]+|[\d,]+ (?:\S+ ){0,3}(?:sequences?|peptides?|proteins?|rows?)\b|\([\d,]{2,}\)"
N_COLUMNS = {"n", "sequences", "support", "n_sequences"}
P_COLUMN = r"p|p, corrected|p-value.*|E"
OTHER_COLUMNS = (
    r".*paper|published.*|must reach|attention on sites|residues in sites|residues there"
    r"|.*[Ss]ilhouette.*|Trustworthiness.*|statistic|null.*"
)
PUBLISHED_ROW = r"\*.*\(paper\)\*"


def bare(text: str) -> list[str]:
    """Each figure that stands alone, with its line, and each whose n is not told."""
    found: list[str] = []
    blocks = list(re.split(r"\n\s*\n", re.sub(NO_MEASUREMENT[0], "", text, flags=re.DOTALL)))
    for place, block in enumerate(blocks):
        lines = block.strip("\n").splitlines()
        before = " ".join(blocks[max(place - 2, 0) : place])
        if _is_table(lines):
            found += _of_table(lines, before)
        else:
            found += _of_paragraph(block, before)
    return found


def _is_table(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and lines[0].lstrip().startswith("|") and set(lines[1]) <= set("|-: ")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _of_table(lines: Sequence[str], before: str) -> Iterator[str]:
    header = _cells(lines[0])
    has_n = any(name.lower() in N_COLUMNS for name in header) or re.search(N, before)
    for line in lines[2:]:
        cells = _cells(line)
        if re.fullmatch(PUBLISHED_ROW, cells[0]):
            continue
        for name, cell in zip(header, cells, strict=True):
            if re.fullmatch(P_COLUMN, name) or re.fullmatch(OTHER_COLUMNS, name):
                continue
            if left := _alone(cell):
                yield f"{left[0]} stands alone under '{name}': {line.strip()}"
            elif _figures(cell) and not has_n and not re.search(N, f"{name} {cells[0]}"):
                yield f"{cell} under '{name}' has no n: {line.strip()}"


def _of_paragraph(block: str, before: str) -> Iterator[str]:
    for line in _items(block):
        if left := _alone(line):
            yield f"{left[0]} stands alone: {line.strip()}"
        elif _figures(line) and not re.search(N, block) and not re.search(N, before):
            yield f"no n: {line.strip()}"


def _items(block: str) -> list[str]:
    """List items and lines of their own, each whole; other lines are one text."""
    return [" ".join(item.split()) for item in re.split(r"\n(?=\s*[-*|] |\s{2,})", block)]


def _alone(text: str) -> list[str]:
    """Figures that are left when all that may stand is taken away."""
    for pattern in (*NO_MEASUREMENT, *SURE):
        text = re.sub(pattern, " ", text)
    return re.findall(NUMBER, text)


def _figures(text: str) -> list[str]:
    for pattern in NO_MEASUREMENT:
        text = re.sub(pattern, " ", text)
    return re.findall(NUMBER, text)


def of_html(page: str) -> str:
    """The text of a page, tables as Markdown, for `bare`: what stands in `<small>` follows in brackets."""
    page = re.sub(r"<(script|style|svg|pre)\b.*?</\1>", "", page, flags=re.DOTALL)
    page = re.sub(r"<small>\s*±\s*(.*?)</small>", r" ± \1", page, flags=re.DOTALL)
    page = re.sub(r"<small>(.*?)</small>", r" (\1)", page, flags=re.DOTALL)
    page = re.sub(
        r"<table.*?</table>", lambda table: "\n\n" + _table(table[0]) + "\n\n", page, flags=re.DOTALL
    )
    page = re.sub(r"</(p|h\d|li|dd|figcaption|summary)>", "\n\n", page)
    page = re.sub(r"<[^>]*>", "", page)
    return page.replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")


def _table(markup: str) -> str:
    rows = []
    for row in re.findall(r"<tr.*?</tr>", markup, flags=re.DOTALL):
        cells = re.findall(r"<t[hd]\b([^>]*)>(.*?)</t[hd]>", row, flags=re.DOTALL)
        texts: list[str] = []
        for attributes, content in cells:
            text = " ".join(re.sub(r"<[^>]*>", " ", content).split()).replace("|", "\\|")
            is_published = 'class="published"' in row.split(">", 1)[0]
            texts.append(f"*{text} (paper)*" if is_published and not texts else text)
            span = re.search(r'colspan="(\d+)"', attributes)
            texts += [""] * (int(span[1]) - 1 if span else 0)
        rows.append(texts)
    if not rows:
        return ""
    width = max(map(len, rows))
    lines = [row + [""] * (width - len(row)) for row in rows]
    lines.insert(1, ["---"] * width)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
