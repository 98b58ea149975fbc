"""One run of a model over the records of a source: predictions, in order, and counts of what was met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from sortilin.adding import Adding
from sortilin.labelling import SHORTENED
from sortilin.predictor import Predictor
from sortilin.results import Prediction, RunSummary
from sortilin.sequences import ReadReport, SequenceRecord
from sortilin.sequences.left_out import LeftOut
from sortilin.summary import summarize
from sortilin.trust import FAR


class PredictionRun:
    """Predicts records, and counts.

    Args:
        model: What predicts.
        source: What is read, for messages.
        on_error: What becomes of a record that the model cannot read: "fail" or "skip".
        adding: What is added to each prediction.

    Attributes:
        report: What reading and the model left out; to be given to what reads the source.
        left_out: Tells each record that is left out, in the order of the source.
        counts: Label → sequences predicted so.
        n_residues: Of the sequences predicted.
        n_shortened: Sequences that the model did not read whole.
        n_far: Sequences far from the training data.
    """

    def __init__(self, model: Predictor, source: str, on_error: str, adding: Adding) -> None:
        self.model, self.source, self.on_error, self.adding = model, source, on_error, adding
        self.report = ReadReport()
        self.left_out = LeftOut(self.report, source)
        self.counts: Counter[str] = Counter()
        self.n_residues = self.n_shortened = self.n_far = 0

    def batches(self, records: Iterator[SequenceRecord]) -> Iterator[list[Prediction]]:
        """Predictions in the order of the records, which are read with `report`, a batch at a time."""
        on_failure = self.left_out.add if self.on_error == "skip" else None
        read = self.adding.read(self.left_out.read(records))
        for batch in map(self.adding, self.model.predict_batches(read, on_failure=on_failure)):
            self.left_out.done(prediction.id for prediction in batch)
            self.counts.update(prediction.label for prediction in batch)
            self.n_residues += sum(prediction.length for prediction in batch)
            self.n_shortened += sum(SHORTENED in flag for p in batch for flag in p.flags)
            self.n_far += sum(FAR in p.flags for p in batch)
            yield batch
        self.left_out.end()

    def summary(self) -> RunSummary:
        """Where the predictions came from, once all are made."""
        found = summarize(
            self.model,
            self.source,
            self.report,
            self.counts,
            on_error=self.on_error,
            n_shortened=self.n_shortened,
        )
        n_far = self.n_far if "far" in self.model.model.description else None
        return replace(found, details={**found.details, "n_far": n_far, **self.adding.described()})
