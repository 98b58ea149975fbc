"""JSON Lines: one object a sequence, with the fields of the table.

`probabilities` is an object of class → probability, `flags` a list; where the model answers questions of
two classes, `answers` is an object of question → probability of yes. Optional columns stand before the
flags: a number, a list of names, or null. Numbers are rounded to six decimals.
UTF-8, LF line ends, text as read (JSON escapes line ends by itself).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import JSONEncoder
from typing import BinaryIO

from sortilin.report._columns import FLAGS, LEADING, Extra, Row, rows
from sortilin.results import Prediction, RunSummary

ANSWERS = "answers"

_NUMBER = "%.6f"

_encode = JSONEncoder(ensure_ascii=False).encode


class JsonlFormat:
    """One JSON object a line, for programs.

    The keys are the same on every line, so that a line is a template filled in: several times as fast
    as encoding a dictionary for each.
    """

    endings = (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz", ".jsonl.zst")

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
        scores = ", ".join(f"{_encode(name).replace('%', '%%')}: {_NUMBER}" for name in self._classes)
        values = ("%s", "%d", "%s", _NUMBER, "%s")
        leading = ", ".join(f"{_encode(name)}: {value}" for name, value in zip(LEADING, values, strict=True))
        more = "".join(f"{_encode(name)}: %s, " for name in self._extra)
        self._line = f'{{{leading}, "probabilities": {{{scores}}}, {more}"{FLAGS}": %s}}\n'

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows, in order."""
        lines = map(self._filled, rows(predictions, self._classes, self._extra))
        whole = map(_with_answers, lines, (prediction.answers for prediction in predictions))
        self._stream.write("".join(whole).encode())

    def _filled(self, row: Row) -> str:
        name, length, label, top, confidence, probabilities, flags, extra = row
        return self._line % (
            _encode(name),
            length,
            _encode(label),
            top,
            _encode(confidence),
            *probabilities,
            *map(_plain, extra),
            _encode(flags) if flags else "[]",
        )

    def finish(self, summary: RunSummary) -> None:
        """Nothing stands at the end: each line is a row; the summary belongs in `OUT.meta.json`."""


def _plain(value: Extra) -> str:
    """The JSON of an optional column's value."""
    if value is None:
        return "null"
    return _encode(value) if isinstance(value, tuple | str) else _NUMBER % value


def _with_answers(line: str, answers: Mapping[str, float]) -> str:
    """The line with the answers as its last field, if there are any."""
    if not answers:
        return line
    fields = ", ".join(f"{_encode(name)}: {_NUMBER % value}" for name, value in answers.items())
    return f'{line[:-2]}, "{ANSWERS}": {{{fields}}}}}\n'


VARIANT = JsonlFormat
