"""Where a table of predictions came from, as one record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sortilin import __version__, registry
from sortilin.results import RunSummary, count_classes

if TYPE_CHECKING:
    from sortilin.predictor import Predictor
    from sortilin.sequences import ReadReport


_ONE_CLASS = "one place for each protein"


def limits_of(task: str, *, several: bool) -> list[str]:
    """What a prediction must not be taken for; `several` leaves out what is of one class a sequence."""
    limits = registry.get("task", task).limits
    return [line for line in limits if not (several and _ONE_CLASS in line)]


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
    description, files = model.model.description, model.vector_files()
    return RunSummary(
        version=__version__,
        model=model.name,
        model_checksum=model.model.checksum,
        task=model.task,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        source=source,
        n_predicted=sum(counts.values()),
        n_skipped=report.n_skipped,
        changes=dict(report.changes),
        details={
            "counts": count_classes(counts, model.classes),
            "records_changed": dict(report.records_changed),
            "on_error": on_error,
            "warnings": [
                *report.warnings,
                *([model.words_of_shortening(n_shortened)] if n_shortened else []),
            ],
            "skipped": [{"record": s.record, "id": s.id, "reason": s.reason} for s in report.skipped],
            "trained_with": description.get("sortilin_version"),
            "training_data": description["training_data"]["name"],
            "limits": limits_of(model.task, several=model.decider is not None),
            **({"vectors": files} if files else {}),
        },
    )
