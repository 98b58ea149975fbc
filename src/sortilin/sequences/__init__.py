"""Sequences in: FASTA and tables, one residue policy, labels in the habits of the field.

`read_sequences` streams, `read_labelled` gives a whole labelled set, `records_from_strings` takes
sequences that are in memory already. What any of them changes or leaves out is in the `ReadReport`.
"""

from __future__ import annotations

from sortilin.sequences.labelled import read_labelled
from sortilin.sequences.labels import LABEL_HABITS
from sortilin.sequences.reading import read_sequences, records_from_strings
from sortilin.sequences.record import ReadReport, SequenceRecord, Skipped
from sortilin.sequences.residues import clean

__all__ = [
    "LABEL_HABITS",
    "ReadReport",
    "SequenceRecord",
    "Skipped",
    "clean",
    "read_labelled",
    "read_sequences",
    "records_from_strings",
]
