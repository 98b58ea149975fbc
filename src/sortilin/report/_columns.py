"""Column names and row values: the one place that all formats take them from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter

from sortilin.errors import escape_controls
from sortilin.results import Prediction, confidence_level

LEADING = ("id", "length", "prediction", "probability", "confidence")
FLAGS = "flags"


Extra = float | str | tuple[str, ...] | None
"""A value of an optional column: a number, a name, names, or nothing where it is not known."""

EXTRA: Mapping[str, Callable[[Prediction], Extra]] = {
    "spread": attrgetter("spread"),
    "disagreement": attrgetter("disagreement"),
    "set": attrgetter("set"),
    "nearest": attrgetter("nearest"),
    "nearest_identity": attrgetter("nearest_identity"),
}
"""Optional column → its value; a table has those that the model and the run have."""

NAMES = frozenset({"set"})
"""Those of them whose values are several names, not numbers."""

ONE_NAME = frozenset({"nearest"})
"""Those whose value is one name."""

JOINT = "|"
"""Between the names of one value."""

Row = tuple[str, int, str, float, str, tuple[float, ...], tuple[str, ...], tuple[Extra, ...]]
"""What a format says of one sequence: the values of `LEADING`, the probabilities in class order, the flags,
the values of the optional columns.

A plain tuple, not a named one: tables of millions of rows are unpacked from it. The confidence is decided
on the unrounded probability.
"""


def probability_columns(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the per-class columns, in class order."""
    return tuple(f"p_{name}" for name in classes)


def column_names(classes: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of all columns of a table, in order."""
    return (*LEADING, *probability_columns(classes), *extra, FLAGS)


def rows(
    predictions: Iterable[Prediction], classes: Sequence[str], extra: Sequence[str] = ()
) -> Iterator[Row]:
    """One row a prediction, in order; `extra` names the optional columns."""
    in_order = _picker(classes)
    values = [EXTRA[name] for name in extra]
    for prediction in predictions:
        probability = prediction.probability
        yield (
            prediction.id,
            prediction.length,
            prediction.label,
            probability,
            confidence_level(probability),
            in_order(prediction.probabilities),
            prediction.flags,
            tuple([value(prediction) for value in values]),
        )


def extra_text(value: Extra, number: str = "%.4f") -> str:
    """A value of an optional column as text; empty where there is none."""
    if value is None or isinstance(value, str):
        return value or ""
    return JOINT.join(value) if isinstance(value, tuple) else number % value


def _picker(classes: Sequence[str]) -> Callable[[Mapping[str, float]], tuple[float, ...]]:
    if len(classes) > 1:
        return itemgetter(*classes)
    return lambda probabilities: tuple(probabilities[name] for name in classes)  # itemgetter makes no 1-tuple


def escape(text: str) -> str:
    """The text with all that could break a table or steer a terminal percent-escaped.

    Tab, line feed, carriage return, the other control characters and a quote at the beginning become
    `%09`, `%0A`, `%0D`, ..., `%22`; everything else, a percent sign too, stays as it is.
    """
    escaped = escape_controls(text)
    # A quote breaks a table only where a field begins with it: pandas and R then read on to the next quote.
    return f"%22{escaped[1:]}" if escaped[:1] == '"' else escaped
