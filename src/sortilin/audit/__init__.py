"""Leakage audit: what a test set shares with the training set, and what gives its labels away for nothing.

`run` looks at everything, `of_labelled` at what a training run or a benchmark says of its own data: copies,
near copies, conflicting labels and class balance, in seconds for thousands of proteins.
"""

from __future__ import annotations

from sortilin.audit.findings import Audit, Conflict, Overlap, Within
from sortilin.audit.options import AuditOptions
from sortilin.audit.run import of_labelled, run
from sortilin.audit.sets import AuditedSet
from sortilin.audit.shortcuts import Shortcut

__all__ = [
    "Audit",
    "AuditOptions",
    "AuditedSet",
    "Conflict",
    "Overlap",
    "Shortcut",
    "Within",
    "of_labelled",
    "run",
]
