"""One file = one question asked of a sequence: its classes, its data, and what counts as good.

`resolve` takes a label as a person wrote it to a class of a task; `classes_of` finds the classes of a
person's own data.
"""

from __future__ import annotations

from sortilin.tasks._labels import classes_of, resolve

__all__ = ["classes_of", "resolve"]
