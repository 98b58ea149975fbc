"""A graph's weights, mapped from their file and given back while an engine makes copies of its own.

An engine packs weights in the order in which its kernels read them, and keeps the graph as it was read beside
them. What was read stays in memory as pages of the file, so that a model takes its size twice. These
pages can be given back at any moment: should one be read again, it comes from the file again.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SECONDS = 0.01
"""Between two times that pages are given back: in that time some ten megabytes are read."""


class MappedWeights:
    """The bytes of a file, which nobody writes to.

    Attributes:
        bytes: (N,) uint8 over the mapped file; valid as long as this object is.

    Raises:
        OSError: The file cannot be read or mapped.
        ValueError: It is empty.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            # A copy on write, which never happens: OpenVINO takes no memory that is read-only.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Within it, pages that were read are given back again and again; at its end, all of them.

        Where the system cannot do that, nothing is done.
        """
        if not hasattr(self._map, "madvise"):  # Windows
            yield
            return
        is_over = threading.Event()
        thread = threading.Thread(target=self._give_back, args=(is_over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _give_back(self, is_over: threading.Event) -> None:
        while True:
            was_over = is_over.wait(_SECONDS)
            with suppress(OSError):  # memory is not saved then, and all else is as it should be
                self._map.madvise(mmap.MADV_DONTNEED)
            if was_over:
                return
