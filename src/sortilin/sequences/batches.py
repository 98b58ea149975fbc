"""A stream of records, cut into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sortilin.sequences.record import SequenceRecord


def batched(
    records: Iterable[SequenceRecord], *, max_residues: int, max_sequences: int
) -> Iterator[list[SequenceRecord]]:
    """Cut a stream by residues and by count; a single longer sequence is a batch of its own."""
    batch: list[SequenceRecord] = []
    n_residues = 0
    for record in records:
        length = len(record.sequence)
        if batch and (n_residues + length > max_residues or len(batch) == max_sequences):
            yield batch
            batch, n_residues = [], 0
        batch.append(record)
        n_residues += length
    if batch:
        yield batch
