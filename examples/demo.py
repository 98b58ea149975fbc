"""Predict the examples with both bundled models, say which it got right, and write one page.

    python examples/demo.py [PAGE.html]

Needs the base install only. The known class of each example stands in its header (`TARGET=`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import sortilin
from sortilin.report import open_output
from sortilin.report._html_page import ExpectedNote, Section, build_page
from sortilin.results import Prediction
from sortilin.sequences import ReadReport, SequenceRecord
from sortilin.summary import summarize

HERE = Path(__file__).parent
RUNS = (("proteins.fasta", "localization"), ("peptides.fasta", "anticancer"))
INTRO = """\
Well-known proteins and peptides whose compartment or activity is textbook knowledge, each with the \
class that it is known for and what the bundled model says from its sequence alone.

Where a sequence stood in the training data, being right proves little; the page says so.
"""


def main() -> None:
    """Print a table a model, write the page, say where it is."""
    page_path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo.html")
    console = Console(width=None if sys.stdout.isatty() else 110)
    sections = []
    for file_name, model_name in RUNS:
        section = predict(HERE / file_name, model_name)
        sections.append(section)
        console.print(as_table(section))
        console.print(score(section), "\n")
    with open_output(page_path) as stream:
        stream.write(build_page("sortilin: the examples", INTRO, sections).encode())
    console.print(f"wrote {page_path}: open it in a browser")


def predict(path: Path, model_name: str) -> Section:
    """Predictions for one file beside what is known of it."""
    model, report = sortilin.load(model_name), ReadReport()
    records = list(sortilin.read_sequences(path, labels="biotrainer", report=report))
    predictions = model.predict(records)
    is_known = model.was_trained_on([record.sequence for record in records])
    counts = Counter(prediction.label for prediction in predictions)
    return Section(
        title=f"{model_name}: {path.name}",
        classes=model.classes,
        predictions=predictions,
        summary=summarize(model, f"examples/{path.name}", report, counts, on_error="fail"),
        expected={
            record.id: ExpectedNote(str(record.label), about(record), bool(known))
            for record, known in zip(records, is_known, strict=True)
        },
    )


def about(record: SequenceRecord) -> str:
    """Name, species and accession, from the header."""
    return f"{record.description.partition(' TARGET=')[0]}, {record.id}"


def as_table(section: Section) -> Table:
    """One row a sequence: what it is, what is known, what was predicted."""
    table = Table(title=section.title, title_justify="left", box=None, header_style="bold")
    for column in ("", "sequence", "known", "predicted", "probability", "confidence", "in training"):
        table.add_column(column, justify="right" if column == "probability" else "left", overflow="fold")
    for prediction in section.predictions:
        assert section.expected is not None
        known = section.expected[prediction.id]
        table.add_row(
            "✓" if known.label == prediction.label else "✗",
            known.note,
            known.label,
            prediction.label,
            f"{prediction.probability:.2f}",
            prediction.confidence,
            "yes" if known.is_in_training else "no",
        )
    return table


def score(section: Section) -> str:
    """How many are as expected, and how many of those the model had not seen."""
    assert section.expected is not None
    new = [p for p in section.predictions if not section.expected[p.id].is_in_training]
    return (
        f"{n_right(section, section.predictions)} of {len(section.predictions)} as expected; "
        f"{n_right(section, new)} of {len(new)} that were not in the training data"
    )


def n_right(section: Section, predictions: Sequence[Prediction]) -> int:
    """Number of predictions that agree with what is known."""
    assert section.expected is not None
    return sum(section.expected[p.id].label == p.label for p in predictions)


if __name__ == "__main__":
    main()
