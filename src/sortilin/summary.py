"""Where a table of predictions came from, as one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sortilin import __version__, registry
from sortilin.labelling import SHORTENED
from sortilin.results import RunSummary, count_classes

if TYPE_CHECKING:
    from sortilin.predictor import Predictor
    from sortilin.sequences import ReadReport


_ONE_CLASS = "one place for each protein"


def limits_of(task: str, *, several: bool) -> list[str]:
    """What a prediction must not be taken for; `several` leaves out what is of one class a sequence."""
    limits = registry.get("task", task).limits
    return [line for line in limits if not (several and _ONE_CLASS in line)]


def notes_of(model: Predictor) -> dict[str, Any]:
    """What a summary says of a model, as plain values."""
    description, files = model.model.description, model.vector_files()
    return {
        "model": model.name,
        "model_checksum": model.model.checksum,
        "task": model.task,
        "classes": list(model.classes),
        "trained_with": description.get("sortilin_version"),
        "training_data": description["training_data"]["name"],
        "limits": limits_of(model.task, several=model.decider is not None),
        "kept_when_shortened": model.kept_when_shortened,
        **({"vectors": files} if files else {}),
    }


def words_of_shortening(n: int, kept: Sequence[int]) -> str:
    """That n sequences were not read whole, and how many of their first and last residues were."""
    return (
        f"longer than the model reads: {n:,} sequence{'s' * (n != 1)}, of which only the first "
        f"{kept[0]:,} and the last {kept[1]:,} residues count (flag {SHORTENED})"
    )


def summarize(
    model: Predictor,
    source: str,
    report: ReadReport,
    counts: Mapping[str, int],
    *,
    on_error: str,
    n_shortened: int = 0,
) -> RunSummary:
    """The summary of a run that has ended.

    Args:
        model: What predicted.
        source: What was read, as given.
        report: What reading changed and left out.
        counts: Label → sequences predicted so.
        on_error: The policy for faulty records.
        n_shortened: Sequences that the model did not read whole.
    """
    return summary_of(notes_of(model), source, report, counts, on_error=on_error, n_shortened=n_shortened)


def summary_of(
    notes: Mapping[str, Any],
    source: str,
    report: ReadReport,
    counts: Mapping[str, int],
    *,
    on_error: str,
    n_shortened: int = 0,
) -> RunSummary:
    """`summarize`, by what is to be said of the model rather than the model itself; see `notes_of`."""
    shortened = [words_of_shortening(n_shortened, notes["kept_when_shortened"])] if n_shortened else []
    return RunSummary(
        version=__version__,
        model=notes["model"],
        model_checksum=notes["model_checksum"],
        task=notes["task"],
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        source=source,
        n_predicted=sum(counts.values()),
        n_skipped=report.n_skipped,
        changes=dict(report.changes),
        details={
            "counts": count_classes(counts, notes["classes"]),
            "records_changed": dict(report.records_changed),
            "on_error": on_error,
            "warnings": [*report.warnings, *shortened],
            "skipped": [{"record": s.record, "id": s.id, "reason": s.reason} for s in report.skipped],
            "trained_with": notes["trained_with"],
            "training_data": notes["training_data"],
            "limits": notes["limits"],
            **({"vectors": notes["vectors"]} if "vectors" in notes else {}),
        },
    )
