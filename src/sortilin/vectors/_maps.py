"""Mapped parts: few at a time, because each holds a file open as long as a view of it is in use."""

from __future__ import annotations

import mmap
from collections import OrderedDict
from pathlib import Path
from weakref import WeakValueDictionary

from sortilin.vectors._part import Part
from sortilin.vectors.kind import VectorArray

MOST_KEPT = 16
MOST_LENT = 128
"""Parts with views in use; of further ones copies are given, so that files do not run out."""


class Maps:
    """The maps of a shelf's parts."""

    def __init__(self) -> None:
        self._lent: WeakValueDictionary[Path, mmap.mmap] = WeakValueDictionary()
        self._kept: OrderedDict[Path, mmap.mmap] = OrderedDict()

    def of(self, part: Part) -> mmap.mmap:
        """The part in memory, page by page as it is read.

        Raises:
            FileNotFoundError: It was removed.
            StoreError: It is damaged.
        """
        content = self._lent.get(part.path)
        if content is None:
            content = part.map()
            if len(self._lent) >= MOST_LENT:
                return content
            self._lent[part.path] = content
        self._kept[part.path] = content
        self._kept.move_to_end(part.path)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return content

    def release(self) -> None:
        """Keep no part in memory that nobody has a view of."""
        self._kept.clear()

    def lend(self, part: Part, view: VectorArray) -> VectorArray:
        """The view itself, or a copy where too many parts have views in use."""
        if part.path in self._lent:
            return view
        copy = view.copy()
        copy.flags.writeable = False
        return copy
