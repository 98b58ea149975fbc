"""Tab-separated table: `id, length, prediction, probability, confidence, p_<class>…, flags`.

Optional columns (`spread`, say) stand before the flags, where the model has them.

One header line, no comment lines, UTF-8, LF line ends. Probabilities have four decimals; each is
rounded by itself, so that a row of C classes adds up to 1 within C x 0.00005. Flags are joined by `;`.
What could break the table (a tab or a line end within an id, a quote at its beginning) is
percent-escaped: see `_columns.escape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from sortilin.report._columns import column_names, escape, extra_text, rows
from sortilin.results import Prediction, RunSummary

FLAG_SEPARATOR = ";"


class TsvFormat:
    """Tab-separated table, for spreadsheets, pandas, R and the shell.

    The header goes out at once, so that a run without a single prediction still leaves a table.
    """

    endings = (".tsv", ".tsv.gz", ".tsv.bz2", ".tsv.xz", ".tsv.zst")

    def __init__(
        self,
        stream: BinaryIO,
        *,
        classes: Sequence[str],
        title: str,  # noqa: ARG002
        extra: Sequence[str] = (),
    ) -> None:
        self._stream, self._extra = stream, tuple(extra)
        self._classes = tuple(classes)
        self._labels = {name: escape(name) for name in self._classes}
        self._line = "%s\t%d\t%s\t%.4f\t%s" + "\t%.4f" * len(self._classes) + "%s\t%s\n"
        header = "\t".join(escape(name) for name in column_names(self._classes, self._extra))
        stream.write(f"{header}\n".encode())

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows, in order."""
        line, labels = self._line, self._labels
        text = "".join(
            line
            % (
                escape(name),
                length,
                labels.get(label) or escape(label),  # several classes are joined
                top,
                confidence,
                *probabilities,
                "".join([f"\t{escape(extra_text(value))}" for value in extra]),
                _joined(flags),
            )
            for name, length, label, top, confidence, probabilities, flags, extra in rows(
                predictions, self._classes, self._extra
            )
        )
        self._stream.write(text.encode())

    def finish(self, summary: RunSummary) -> None:
        """Nothing stands at the end of a table; the summary belongs in `OUT.meta.json`."""


def _joined(flags: tuple[str, ...]) -> str:
    return escape(FLAG_SEPARATOR.join(flags)) if flags else ""


VARIANT = TsvFormat
