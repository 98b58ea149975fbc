"""HTML page: one self-contained file for a person, with bars, a filter and a print layout.

At most `MAX_SHOWN` sequences are shown; the counts cover all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO

from sortilin.results import Prediction, RunSummary

MAX_SHOWN = 5_000


class HtmlFormat:
    """A page to read, to print and to pass on; needs no network."""

    endings = (".html", ".htm")

    def __init__(
        self, stream: BinaryIO, *, classes: Sequence[str], title: str, extra: Sequence[str] = ()
    ) -> None:
        self._stream, self._extra = stream, tuple(extra)
        self._classes = tuple(classes)
        self._title = title
        self._shown: list[Prediction] = []
        self._counts: Counter[str] = Counter()

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Count all rows and keep the first ones; the page is written at the end."""
        self._counts.update(prediction.label for prediction in predictions)
        self._shown.extend(predictions[: MAX_SHOWN - len(self._shown)])

    def finish(self, summary: RunSummary) -> None:
        """Write the page."""
        from sortilin.report._html_page import Section, build_page

        section = Section(
            title="Predictions",
            classes=self._classes,
            predictions=self._shown,
            summary=summary,
            counts=self._counts,
            extra=self._extra,
        )
        self._stream.write(build_page(self._title, "", [section]).encode())


VARIANT = HtmlFormat
