"""`report.md`: the tables of a benchmark with test sets as Markdown, with its main figures, for a repository.

It stands beside `figures/`, from which it takes its pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sortilin.report.benchmark import _inside, _kinds, _pairs, _paper, _sections, _tests
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._comparison import comparison
from sortilin.report.benchmark._drawing import Picture
from sortilin.report.benchmark._results import Results, scored

FILE = "report.md"
PICTURES = ("tests", "representation", "attention")
"""Topics whose figures it shows."""


def markdown(results: Results, pictures: Sequence[Picture]) -> str:
    """The whole file."""
    parts = [f"# {results['title']}: benchmark", *_head(results), *_audit(results), *_comparison(results)]
    parts += [*_kinds_table(results), *_shown(pictures, _kinds.TOPIC)]
    parts += [*_pair_table(results), *_test_sets(results), *_shown(pictures, "tests")]
    parts += [*_paper_tables(results)]
    parts += [*_representation(results), *_shown(pictures, "representation")]
    parts += [*_attention(results), *_shown(pictures, "attention")]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _head(results: Results) -> Iterator[str]:
    yield from _kinds.first(results)
    yield " ".join(_sections.best_sentences(results))
    said = [f"{line['name']}: {line['value']}" for line in _sections.origin(results)]
    yield "\n".join(f"- {line}" for line in said)
    if results.get("command"):
        yield f"```bash\n{results['command']}\n```"


def _audit(results: Results) -> Iterator[str]:
    summary = (results.get("audit") or {}).get("summary")
    if summary:
        yield "## Leakage"
        yield _bullets(summary)


def _comparison(results: Results) -> Iterator[str]:
    found = comparison(results)
    yield "## Comparison"
    n = words.count(results["data"]["n_holdout"], scored(results))
    yield f"On {n}, with 95 % intervals ({words.INTERVALS})."
    rows = [
        [row["title"] + " (baseline)" * row["is_baseline"], *(_cell(c) for c in row["cells"].values())]
        for row in found["models"] + found["baselines"]
    ]
    width = len(found["metrics"])
    rows = [row[: 1 + width] for row in rows]
    rows += [[row["title"], f"not run: {row['reason']}", *[""] * (width - 1)] for row in found["not_run"]]
    rows += [[f"*{row['name']} (paper)*", *row["values"]] for row in found["published"]]
    yield _table(["model", *(name for _, name in found["metrics"])], rows)


def _cell(cell: Results) -> str:
    return f"{cell['value']} ({cell['span']})" if cell["span"] else str(cell["value"])


def _kinds_table(results: Results) -> Iterator[str]:
    found = _kinds.view(results)
    if found is None:
        return
    yield f"## {_kinds.TITLE}"
    came_to = found["reached"]
    if came_to:
        yield " ".join(came_to["sentences"])
    if found["models"]:
        yield (
            f"Each model fitted and scored twice: stratified ({found['on']['stratified']}) and by homology "
            f"({found['on']['homology']}). Difference: by homology minus stratified, with its 95 % interval "
            f"({found['how']}). The other sections are of the split by homology."
        )
        sides = ("stratified", "homology", "difference")
        header = [f"{name}, {side}" for name in found["metrics"] for side in sides]
        rows = [
            [row["title"] + " (baseline)" * row["is_baseline"]]
            + [_spanned(cell[side]["value"], cell[side]["span"]) for cell in row["cells"] for side in sides]
            for row in found["models"]
        ]
        yield _table(["model", *header], rows)
    for part in came_to["tables"] if came_to else ():
        yield f"{part['heading']}: sequences of each class in each part. {part['said']}"
        yield _table(part["head"], part["rows"])


def _pair_table(results: Results) -> Iterator[str]:
    found = _pairs.pairs(results)
    if found is None:
        return
    over_folds = found["n_folds"]
    yield "## Pairs of models"
    yield found["summary"]
    yield (
        f"First minus second in {found['metric']} on the same sequences (n = {found['n']}), with 95 % "
        "intervals of a paired bootstrap; right by the one alone and the other alone, with McNemar's mid-p"
        + (f"; the mean difference over {over_folds} folds with the corrected t-test" if over_folds else "")
        + f". p-values are corrected over {words.count(found['n_pairs'], 'pair')} (Holm)."
    )
    header = ["first", "second", "difference", "p", "right alone", "p"]
    rows = [
        [row["first"], row["second"], _spanned(row["difference"], row["span"]), row["p_value"], row["alone"]]
        + [row["mcnemar"]]
        + ([_spanned(row["folds"], row["folds_span"]), row["folds_p"]] if over_folds else [])
        for row in found["rows"]
    ]
    yield _table(header + (["over folds", "p"] if over_folds else []), rows)
    if found["n_left_out"]:
        yield f"{words.count(found['n_left_out'], 'pair')} more in `{_pairs.FILE}`."


def _spanned(value: str, span: str) -> str:
    return f"{value} ({span})" if span else value


def _test_sets(results: Results) -> Iterator[str]:
    for view in _tests.tests(results) or ():
        yield f"## {view['heading']}"
        if view["counts"]:
            yield view["counts"]
        yield f"n = {view['n']}, with 95 % intervals ({words.INTERVALS})."
        width = len(view["metrics"])
        rows = [
            [row["title"] + " (baseline)" * row["is_baseline"], *(_cell(cell) for cell in row["cells"])]
            for row in view["rows"]
        ]
        rows += [[row["title"], f"not run: {row['reason']}", *[""] * (width - 1)] for row in view["not_run"]]
        rows += [[f"*{row['name']} (paper)*", *row["values"]] for row in view["published"]]
        yield _table(["model", *(name for _, name in view["metrics"])], rows)
        if view["notes"]:
            yield f"{view['table']}. Of its figures:"
            yield _bullets(view["notes"])


def _paper_tables(results: Results) -> Iterator[str]:
    for view in _paper.tables(results) or ():
        yield f"## {view['heading']}"
        yield (
            f"Ours: mean ± standard deviation over {words.count(results['folds'], 'fold')} of "
            f"{words.count(results['data']['n'], 'sequence')}. The paper's folds are its own."
        )
        names = view["metrics"]
        yield _table(
            ["row", *(f"{name}, paper" for name in names), *(f"{name}, here" for name in names)],
            [_paper_row(row, len(names)) for row in view["rows"]],
        )
        if view["notes"]:
            yield _bullets(view["notes"])


def _paper_row(row: Results, width: int) -> list[str]:
    if row["ours"]:
        ours = [f"{cell['value']} {cell['spread']}".strip() for cell in row["ours"]]
    else:
        first = f"; first `{row['command']}`" if row["command"] else ""
        ours = [row["why"] + first, *[""] * (width - 1)]
    return [row["name"], *row["published"], *ours]


def _representation(results: Results) -> Iterator[str]:
    found = _inside.representation(results)
    if found is None:
        return
    yield "## Before and after the head"
    yield f"The test sets in {found['title']}."
    if found["rows"]:
        rows = [[row["name"], *row["values"]] for row in found["rows"]]
        yield _table(["vectors", *found["columns"]], rows)


def _attention(results: Results) -> Iterator[str]:
    found = _inside.attention(results)
    if found is None:
        return
    yield "## Attention and motifs"
    yield (
        f"Attention of {found['title']}; motifs of {found['n_positives']:,} positives against "
        f"{found['n_controls']:,} negatives of the training data, found by {found['program']}."
    )
    names = ["name", "pattern", "positives", "controls", "p_value", "e_value"]
    if found["motifs"]:
        rows = [[f"`{m[name]}`" if name == "pattern" else m[name] for name in names] for m in found["motifs"]]
        yield _table(["motif", "pattern", "positives with it", "negatives with it", "p", "E"], rows)
    if found["agreement"]:
        keys = ["test", "motif", "n", "mass", "expected", "statistic", "null", "p_value"]
        header = ["test set", "motif", "peptides", "attention on sites", "residues in sites", "statistic"]
        rows = [[row[key] for key in keys] for row in found["agreement"]]
        yield _table([*header, "null, mean ± SD", "p"], rows)


def _shown(pictures: Sequence[Picture], topic: str) -> Iterator[str]:
    for picture in pictures:
        if picture.topic == topic:
            yield f"![{picture.alt}](figures/{picture.name}.png)"
            yield f"*{picture.caption}*"
