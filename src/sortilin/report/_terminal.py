"""A table of predictions for a person at a terminal.

Column widths are settled by the first batch and the width of the terminal, so that rows can be printed
as they come. What a flag says stands in words on a line of its own below the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, OverflowMethod
from rich.text import Text

from sortilin.report._columns import Row, escape, extra_text, rows
from sortilin.report._flags import flag_words
from sortilin.results import Prediction, RunSummary, classes_of, count_classes

ROWS_PER_BLOCK = 1_000
"""Rows that are laid out and printed at once."""

CLASS_STYLES = ("bright_blue", "yellow", "green", "magenta", "cyan", "bright_red", "bright_yellow", "white")
"""Colour of a class by its place in the model's class order; the name is always there too."""

_CONFIDENCE_STYLES = {"High": "bold", "Medium": "", "Low": "dim"}
_GAP = "  "
_BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MIN_ID, _MAX_ID = 10, 40
_MAX_CLASS, _MAX_SEVERAL = 20, 40
_LENGTH_CELLS = len("length")
_SCORE_CELLS = len("0.00")


class TerminalTable:
    """The same shape as a `Format`, but for a console: `write` in batches, then `finish`.

    Per-class probabilities are shown if the terminal is wide enough, long ids end in an ellipsis.

    Args:
        classes: Class names, in the model's order.
        title: Line above the table; may be empty.
        console: Where to print.
        extra: Optional columns; they stand last.
    """

    def __init__(
        self, classes: Sequence[str], title: str, console: Console, extra: Sequence[str] = ()
    ) -> None:
        self._classes, self._extra = tuple(classes), tuple(extra)
        self._title = title
        self._console = console
        self._is_ascii = console.options.ascii_only
        self._styles = {
            name: CLASS_STYLES[index % len(CLASS_STYLES)] for index, name in enumerate(self._classes)
        }
        self._counts: Counter[str] = Counter()
        self._class_cells = min(_MAX_CLASS, max(map(cell_len, ("prediction", *self._classes))))
        self._score_cells: tuple[int, ...] = ()
        self._id_cells = 0

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Print rows, in order."""
        if not predictions:
            return
        if not self._id_cells:
            self._settle_widths(predictions)
            self._print_head()
        for start in range(0, len(predictions), ROWS_PER_BLOCK):
            block = predictions[start : start + ROWS_PER_BLOCK]
            self._counts.update(prediction.label for prediction in block)
            lines = [line for row in rows(block, self._classes, self._extra) for line in self._row_lines(row)]
            self._print(Text("\n").join(lines))

    def finish(self, summary: RunSummary) -> None:
        """Print the last line: how many sequences each class was predicted for, and how many skipped."""
        n_total, counts = sum(self._counts.values()), count_classes(self._counts, self._classes)
        line = Text(f"{n_total:,} {'sequence' if n_total == 1 else 'sequences'}")
        for index, name in enumerate(self._classes):
            line.append(", " if index else ": ")
            line.append(escape(name), style=self._styles[name])
            line.append(f" {counts[name]:,}")
        if summary.n_skipped:
            line.append(f"; {summary.n_skipped:,} skipped")
        if n_total:
            self._console.print()
        self._console.print(line, overflow="fold", highlight=False)

    def _settle_widths(self, predictions: Sequence[Prediction]) -> None:
        several = [cell_len(escape(p.label)) for p in predictions if p.label not in self._styles]
        self._class_cells = max([self._class_cells, *(min(n, _MAX_SEVERAL) for n in several)])
        fixed = _LENGTH_CELLS + self._class_cells + _SCORE_CELLS + 1 + _BAR_CELLS + len("confidence")
        fixed += sum(cell_len(name) + len(_GAP) for name in self._extra)
        room = self._console.width - fixed - 4 * len(_GAP)
        longest = max(cell_len(escape(prediction.id)) for prediction in predictions)
        self._id_cells = max(_MIN_ID, min(longest, room, _MAX_ID))
        scores = tuple(max(cell_len(name), _SCORE_CELLS) for name in self._classes)
        if sum(scores) + len(_GAP) * len(scores) <= room - self._id_cells:
            self._score_cells = scores

    def _print_head(self) -> None:
        if self._title:
            self._print(Text(escape(self._title), style="bold"))
        cells = [
            self._fit("id", self._id_cells),
            "length".rjust(_LENGTH_CELLS),
            self._fit("prediction", self._class_cells),
            self._fit("probability", _SCORE_CELLS + 1 + _BAR_CELLS),
            "confidence",
        ]
        scores = zip(self._classes, self._score_cells, strict=False)
        cells += [" " * (width - cell_len(name)) + name for name, width in scores]
        cells += self._extra
        self._print(Text(_GAP.join(cells), style="dim"))

    def _row_lines(self, row: Row) -> list[Text]:
        record_id, length, label, top, confidence, probabilities, flags, extra = row
        named = classes_of(label, self._styles)
        chances = dict(zip(self._classes, probabilities, strict=True))
        style = self._styles[max(named, key=chances.__getitem__)]
        line = Text(self._fit(escape(record_id), self._id_cells) + _GAP)
        line.append(f"{length:>{_LENGTH_CELLS}}{_GAP}")
        line.append(self._fit(escape(label), self._class_cells) + _GAP, style=style)
        line.append(f"{top:.2f} ")
        line.append(self._bar(top) + _GAP, style=style)
        line.append(f"{confidence:<{len('confidence')}}", style=_CONFIDENCE_STYLES[confidence])
        for name, width, p in zip(self._classes, self._score_cells, probabilities, strict=False):
            line.append(f"{_GAP}{p:>{width}.2f}", style=self._styles[name] if name in named else "dim")
        for name, value in zip(self._extra, extra, strict=True):
            line.append(_GAP + escape(extra_text(value, "%.3f")).ljust(cell_len(name)))
        line.rstrip()
        notes = (Text(f"    {escape(flag_words(flag))}", style="dim italic") for flag in flags)
        return [line, *notes]

    def _bar(self, probability: float) -> str:
        eighths = round(min(max(probability, 0.0), 1.0) * _BAR_CELLS * 8)
        if self._is_ascii:
            return ("#" * round(eighths / 8)).ljust(_BAR_CELLS)
        full, rest = divmod(eighths, 8)
        return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR_CELLS)

    def _print(self, text: Text) -> None:
        overflow: OverflowMethod = "crop" if self._is_ascii else "ellipsis"
        self._console.print(text, no_wrap=True, overflow=overflow, highlight=False)

    def _fit(self, text: str, cells: int) -> str:
        """The text in exactly that many terminal cells; one that is too long ends in an ellipsis."""
        if cell_len(text) <= cells:
            return set_cell_size(text, cells)
        return set_cell_size(text, cells - 1) + ("~" if self._is_ascii else "…")
