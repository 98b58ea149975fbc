"""The picture of selective prediction: accuracy over the share of sequences that is answered."""

from __future__ import annotations

import importlib.util
import io

from sortilin.evaluation.selective import Selective
from sortilin.report.benchmark import _drawing, _palette

PICTURE = "selective.svg"

_SIZE = (4.4, 3.0)


def draw(found: Selective) -> str | None:
    """The curve as SVG, equal for equal figures; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    with _drawing.style():
        figure = _drawing.new_figure(*_SIZE)
        axes = figure.subplots()
        shares, accuracies = zip(*found.curve, strict=True)
        axes.plot(shares, accuracies, color=_palette.CLASS_COLOURS[0], lw=1.6)
        axes.axhline(found.asked, color=_palette.SOFT, lw=1, ls=":")
        if found.share > 0:
            label = f"{found.share:.0%} answered at {found.asked:.0%}"
            axes.plot([found.share], [found.asked], "o", color=_palette.CLASS_COLOURS[1], ms=6, label=label)
            axes.legend(loc="lower left")
        low = min(*accuracies, found.asked) - 0.03
        axes.set(xlim=(0, 1.01), ylim=(low, 1.005), xlabel="Share answered", ylabel="Accuracy of answers")
        axes.grid(color=_palette.RULE, lw=0.6, alpha=0.7)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return stream.getvalue().decode()
