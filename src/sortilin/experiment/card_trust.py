"""What a card says of trust: methods of calibration, prediction sets, silence, and distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sortilin.evaluation import far, selective
from sortilin.evaluation.conformal import Covered
from sortilin.evaluation.proportions import hanley_mcneil, wilson
from sortilin.evaluation.selective import Selective
from sortilin.experiment.markdown import between, cell, table
from sortilin.experiment.trust import Trust
from sortilin.interfaces import DoubleArray, IntArray

METHODS, SETS = "## Methods of calibration", "## Prediction sets"
SILENCE, DISTANCE = "## Answering only when sure", "## Flagged as far from the training data"
HEADINGS = (METHODS, SETS, SILENCE, DISTANCE)
"""What the sections are called; another calibration replaces them."""

_KINDS = {"lac": "LAC", "aps": "APS"}


def sections(found: Trust | None, picture: str | None = None) -> list[str]:
    """The sections, as Markdown; none where nothing was measured.

    Args:
        found: What the held-out folds say.
        picture: File name of the curve beside the card; None if there is none.
    """
    if found is None:
        return []
    return [
        METHODS,
        _methods(found),
        SETS,
        _sets(found.sets),
        SILENCE,
        _selective(found.selective, picture),
        *([DISTANCE, _distance(found)] if found.far is not None else []),
    ]


def _methods(found: Trust) -> str:
    n = found.selective.n
    rows = [
        [
            f"**{name}**" if name == found.method and not found.is_aside else name,
            cell(values.ece, values.ece_interval),
            cell(values.brier, values.brier_interval),
            cell(values.log_loss, values.log_loss_interval),
        ]
        for name, values in found.methods.items()
    ]
    which = (
        f"This model is calibrated (`{found.method}`) on rows set aside from training, which is none of "
        "these: its figures stand under Calibration. `sortilin calibrate` fits these, on the held-out scores "
        "of all folds."
        if found.is_aside
        else f"This model's method is `{found.method}`, in bold."
    )
    how = (
        f"{which} Each method was fitted on the other "
        f"folds than the one it is scored on (n = {n}, 95 % bootstrap intervals). The table chooses nothing; "
        "less is better:"
    )
    return "\n\n".join([how, table(["method", "ECE", "Brier score", "log loss"], rows)])


def _sets(sets: Sequence[Covered]) -> str:
    if not sets:
        return "Not measured: the folds hold too few sequences of a class for any of the coverages."
    names = list(sets[0].by_class)
    rows = [
        [
            f"{one.coverage:.0%}",
            _KINDS[one.kind],
            "per class" if one.per_class else "overall",
            _share(one.n_covered, one.n),
            *(_share(covered, n) for n, covered in (one.by_class[name] for name in names)),
            f"{one.size:.2f}",
            _share(one.n_single, one.n),
            _share(one.n_empty, one.n),
        ]
        for one in sets
    ]
    counts = ", ".join(f"{name} {sets[0].by_class[name][0]}" for name in names)
    how = (
        "How often a set (`sortilin predict --coverage 0.9`, with `--per-class` thresholds of each class's "
        "own) holds the true class of held-out sequences, by the thresholds of the other folds: share with "
        f"95 % Wilson interval, n = {sets[0].n} ({counts}). Size is the mean number of classes in a set:"
    )
    head = ["asked", "score", "thresholds", "all", *names, "size", "of one class", "empty"]
    return "\n\n".join([how, table(head, rows)])


def _share(hits: int, n: int) -> str:
    return cell(hits / n, wilson(hits, n)) if n else "none"


def when_sure(y: IntArray, probabilities: DoubleArray, is_known: NDArray[np.bool_]) -> list[str]:
    """A heading and what is answered at which accuracy, of a labelled set without training sequences.

    Args:
        y: (N,) class indices.
        probabilities: (N, C).
        is_known: (N,) whether the model was trained on each sequence; all are taken if it was on all.
    """
    rows = np.ones(len(y), dtype=bool) if is_known.all() else ~is_known
    said = _selective(selective.measure(y[rows], probabilities[rows]), None, "Sequences")
    return ["Answering only when sure:", said]


def _selective(found: Selective, picture: str | None, what: str = "Held-out sequences") -> str:
    asked, n = f"{found.asked:.0%}", found.n
    share = cell(found.share, found.share_interval)
    first = (
        f"{what} (n = {n}) are answered from the largest probability down. At {asked} accuracy "
        f"the share that is answered is {share}"
    )
    if math.isnan(found.threshold):
        first += ": no threshold reaches it."
    else:
        first += f", those with a probability of {found.threshold:.2f} or more."
    lines = [first]
    if found.crossed is not None and not math.isnan(found.crossed[1]):
        answered = round(found.crossed[0] * n)
        interval = wilson(round(found.crossed[1] * answered), answered)
        lines.append(
            f"With each fold answered by the threshold of the others, {found.crossed[0]:.1%} are, and of "
            f"these {found.crossed[1]:.1%} ({between(interval)}, n = {answered}) are right."
        )
    lines.append(
        f"Area under errors over share answered (AURC, 0 is best): {cell(found.aurc, found.aurc_interval)}. "
        "Intervals are of 1,000 bootstrap resamples, 95 %."
    )
    parts = [" ".join(lines), _curve(found)]
    if picture is not None:
        parts.append(f"![Accuracy over the share of sequences that is answered]({picture})")
    return "\n\n".join(parts)


_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)


def _curve(found: Selective) -> str:
    """Accuracy at some shares; each is that of the curve's nearest point."""
    rows = []
    for share in _SHARES:
        answered, accuracy = min(found.curve, key=lambda point: abs(point[0] - share))
        n = round(answered * found.n)
        rows.append([f"{answered:.0%}", _share(round(accuracy * n), n), str(n)])
    return table(["answered", "accuracy", "n"], rows)


def _distance(found: Trust) -> str:
    best = found.choices[0]
    how = (
        f"Predictions carry the flag `far_from_training` where a sequence lies farther from the "
        f"training data than {1 - far.RATE:.0%} of the {best.n:,} held-out sequences did from what their "
        f"fold learned. Distance is by {found.far_features} ({best.kind})."
    )
    if best.separation is None:
        why = "The folds split no family" if found.by_homology else "Homologues were not searched"
        return f"{how} {why}, so whether it tells new families is not measured."
    rows = [
        [
            str(one.kind),
            cell(one.separation, hanley_mcneil(one.separation, one.n, one.n)),
            _share(one.n_flagged or 0, one.n),
            str(one.n),
        ]
        for one in found.choices
        if one.separation is not None
    ]
    told = (
        "It was chosen as the way that best tells sequences that were held out with their whole family from "
        "those that were not (ROC-AUC with its interval after Hanley & McNeil; 0.5 is chance). Flagged is "
        f"the share of the first; without their family it is {far.RATE:.0%} by construction:"
    )
    return "\n\n".join([how, told, table(["distance", "ROC-AUC", "flagged", "n"], rows)])
