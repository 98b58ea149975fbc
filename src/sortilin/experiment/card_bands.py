"""What a card says of sequences far from the training data, and of short and long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sortilin.evaluation import intervals
from sortilin.evaluation.bounded import HOW
from sortilin.experiment.bands import FEWEST, Band
from sortilin.experiment.markdown import TITLES, cell, table
from sortilin.sequences import clusters, homology, peptides

NOT_SEARCHED = (
    "Not measured: homologues were not searched. `sortilin train config.yaml --homology -o FOLDER` searches "
    "them, and says here how good the model is by likeness to what it learned from."
)

FOLDS = {"stratified": "stratified", "grouped": "grouped by homology"}


def far(by_identity: Mapping[str, Sequence[Band]], tool: str | None, classes: Sequence[str]) -> str:
    """By likeness to the training data; one line on how to get it where nothing was searched.

    Args:
        by_identity: Folds → bands, as `HeldOut` has them.
        tool: What searched; None where nothing did.
        classes: C class names.
    """
    if tool is None:
        return NOT_SEARCHED
    how = (
        "Held-out sequences by their identity to the nearest sequence that their fold's model learned from: "
        f"the one with the most equal residues in an alignment that {tool} found, with an E-value of at most "
        f"{homology.MAX_E_VALUE:g} (peptides of at most {peptides.MAX_RESIDUES} residues also by the shorter "
        f"one's equal residues). {_caution()}"
    )
    named = [(FOLDS[name], band) for name, bands in by_identity.items() for band in bands if band.n]
    return "\n\n".join(
        [
            how,
            table(
                ["folds", "identity to the nearest", *_header(classes)],
                [[folds, *_cells(band, classes)] for folds, band in named],
            ),
            f"Folds grouped by homology are made so that none reaches {clusters.MIN_IDENTITY * 100:.0f} %.",
            _too_sure([(f"{folds}, {band.name}", band) for folds, band in named]),
        ]
    )


def lengths(by_length: Sequence[Band], classes: Sequence[str], *, of: str = "the stratified folds") -> str:
    """By length, on the folds of the first cross-validation.

    Args:
        by_length: The bands.
        classes: C class names.
        of: What those folds are called.
    """
    return "\n\n".join(
        [
            f"Held-out sequences of {of} by their number of residues. {_caution()}",
            table(["residues", *_header(classes)], [_cells(band, classes) for band in by_length]),
            _too_sure([(band.name, band) for band in by_length]),
        ]
    )


def _caution() -> str:
    return (
        f"In brackets {intervals.LEVEL:.0%} intervals ({HOW}). Bands of fewer than {FEWEST} have no figures; "
        "chance makes the ECE of few sequences larger; each band has its own mix of classes, which "
        "`metrics.json` counts:"
    )


def _metrics(classes: Sequence[str]) -> tuple[str, ...]:
    shown = (
        ("mcc", "accuracy", "sensitivity", "specificity") if len(classes) == 2 else ("macro_f1", "accuracy")
    )
    return *shown, "confidence", "ece"


def _header(classes: Sequence[str]) -> list[str]:
    positive = [f"of them {classes[1]}"] if len(classes) == 2 else []
    return ["n", *positive, *(TITLES[name] for name in _metrics(classes))]


def _cells(band: Band, classes: Sequence[str]) -> list[str]:
    positive = [f"{band.classes[classes[1]]}"] if len(classes) == 2 else []
    return [band.name, f"{band.n}", *positive, *(_cell(band, name) for name in _metrics(classes))]


def _cell(band: Band, metric: str) -> str:
    if band.metrics is None or band.intervals is None:
        return ""
    return cell(band.metrics[metric], band.intervals.get(metric))


def _too_sure(named: Sequence[tuple[str, Band]]) -> str:
    """Where the model says more than comes true."""
    found = [name for name, band in named if band.is_too_sure]
    if not found:
        return "Too sure nowhere: no mean probability is above the interval of the accuracy."
    return f"Too sure, with a mean probability above the interval of the accuracy: {'; '.join(found)}."
