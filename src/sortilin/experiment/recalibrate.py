"""Another calibration, and other prediction sets, for a model that was trained: no fit of the model itself.

They are fitted on the held-out scores that the folder keeps, or on labelled sequences that the model was not
trained on. What tells sequences far from the training data stays as it is, and so do the figures of training.

Axis letters: N sequences, S scores, C classes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sortilin
from sortilin import artifact, registry
from sortilin.artifact import ModelFolder
from sortilin.errors import ConfigError, LabelError
from sortilin.evaluation import calibration, conformal, selective
from sortilin.evaluation.calibration import Calibration
from sortilin.evaluation.plain import plain
from sortilin.experiment import card_trust, silence, trust, validate
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.record import DECIMALS
from sortilin.experiment.trust import Trust
from sortilin.experiment.validate import Problem
from sortilin.predictor import Predictor
from sortilin.trust import HeldOutScores, conformal_arrays, held_out

FOLDS = 5
"""Of labelled sequences, to measure and to make sets on."""

SEED = 42
HEADING = "## Calibrated again"
"""What a card says of it."""

_METRICS = "metrics.json"
_MADE_AGAIN = ("calibration.", "conformal.")


@dataclass(frozen=True, slots=True)
class Source:
    """What a calibration is fitted on.

    Attributes:
        kept: Scores, classes and folds.
        of: What they are, for people.
        n_known: Labelled sequences that were left out, since the model was trained on them.
    """

    kept: HeldOutScores
    of: str
    n_known: int = 0


def own(model: ModelFolder) -> Source:
    """The held-out scores that a folder keeps.

    Raises:
        ConfigError: It keeps none.
    """
    return Source(held_out(model), f"{model.description['held_out']['folds']}-fold held-out scores")


def of_labelled(predictor: Predictor, labelled: LabelledSet, *, seed: int = SEED) -> Source:
    """Scores of labelled sequences, without those that the model was trained on.

    Raises:
        LabelError: A class is missing among them, or too rare to be dealt out.
    """
    is_known = predictor.was_trained_on(labelled.sequences)
    rows = np.flatnonzero(~is_known)
    y = labelled.y[rows]
    n_known = int(is_known.sum())
    least = int(np.bincount(y, minlength=len(labelled.classes)).min())
    if least < 2:
        name = labelled.classes[int(np.bincount(y, minlength=len(labelled.classes)).argmin())]
        raise LabelError(
            f"calibration needs 2 sequences of each class at least; {labelled.name} has {least} of class "
            + name
            + (f", {n_known} training sequences left out" if n_known else "")
        )
    folds = min(FOLDS, least)
    problem = Problem(np.zeros((len(y), 1)), y, labelled.classes, folds, seed)
    fold = np.empty(len(y), dtype=np.int64)
    for number, (_, out) in enumerate(validate.stratified_folds(problem)):
        fold[out] = number
    scores = predictor.scores([labelled.sequences[n] for n in rows])
    return Source(HeldOutScores(scores, y, fold), f"{len(y):,} sequences of {labelled.name}", n_known)


def recalibrate(
    model: ModelFolder, out: Path, source: Source, *, method: str | None = None, seed: int = SEED
) -> tuple[ModelFolder, Trust]:
    """Write a model folder like another, calibrated anew.

    Args:
        model: The folder to start from.
        out: The folder to write; an older one of that name is replaced.
        source: What calibration and sets are fitted on.
        method: One of `calibration.METHODS`; the folder's own where nothing is given.
        seed: Seed of resamples.

    Returns:
        The folder as read back, and what was measured.

    Raises:
        ConfigError: The method cannot read the scores, a class is missing, or the model gives a sequence
            several classes.
        OutputError: The folder cannot be written.
    """
    if model.description.get("multi_label"):
        raise ConfigError(
            f"{model.path} gives a sequence several classes, each with a threshold of its own: train it again"
        )
    chosen = method or str(model.description["calibration"]["method"])
    classes, kept = tuple(model.description["classes"]), source.kept
    are_log_odds = bool(registry.get("classifier", model.description["classifier"]["name"]).gives_log_odds)
    calibration.check_scores(chosen, kept.scores.shape[1], len(classes), are_log_odds=are_log_odds)
    fitted = calibration.fit(kept.scores, kept.y, n_classes=len(classes), method=chosen)
    table = trust.crossed(kept, len(classes), chosen)
    found = Trust(
        method=chosen,
        methods=trust.compare(kept, classes, seed=seed, are_log_odds=are_log_odds),
        sets=trust.covered(table, kept.y, kept.fold, classes),
        selective=selective.measure(kept.y, table, fold=kept.fold, seed=seed),
    )
    arrays = _arrays(model, fitted) | conformal_arrays(table, kept.y)
    curve = silence.draw(found.selective)
    written = artifact.write(
        out,
        _description(model, source, chosen),
        graph=model.graph,
        arrays=arrays,
        card=_card(model.card, found, source, curve),
        extra=_texts(model, found, source, curve),
        folders=_folders(model),
    )
    return written, found


def _arrays(model: ModelFolder, fitted: Calibration) -> dict[str, NDArray[Any]]:
    """All of the folder's arrays but those that are made anew, and the calibration."""
    kept = {name: model.array(name) for name in model.array_names() if not name.startswith(_MADE_AGAIN)}
    return kept | artifact.calibration_arrays(fitted)


def _description(model: ModelFolder, source: Source, method: str) -> dict[str, Any]:
    left = ("format", "format_version", "files")
    said = {key: value for key, value in model.description.items() if key not in left}
    said["calibration"] = {
        "method": method,
        "fitted_on": source.of,
        "again": {
            "of": model.checksum,
            "method_before": model.description["calibration"]["method"],
            "training_sequences_left_out": source.n_known,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "sortilin_version": sortilin.__version__,
        },
    }
    said["conformal"] = {"kinds": list(conformal.KINDS), "n": len(source.kept.y), "of": source.of}
    return said


def _texts(model: ModelFolder, found: Trust, source: Source, curve: str | None) -> dict[str, str]:
    """The folder's other text files, with the new figures beside those of training."""
    skipped = {artifact.GRAPH, artifact.ARRAYS, artifact.CARD}
    names = [name for name in model.description["files"] if name not in skipped and "/" not in name]
    texts = {name: (model.path / name).read_text(encoding="utf-8") for name in names}
    if _METRICS in texts:
        again = {"of": source.of, **trust.measurements(found)}
        figures = {**json.loads(texts[_METRICS]), "calibrated_again": plain(again, DECIMALS)}
        texts[_METRICS] = json.dumps(figures, indent=1) + "\n"
    return texts | ({} if curve is None else {silence.PICTURE: curve})


def _folders(model: ModelFolder) -> Mapping[str, Any]:
    """What copies each sub-folder."""
    names = {name.split("/")[0] for name in model.description["files"] if "/" in name}
    return {name: _copier(model.path / name) for name in sorted(names)}


def _copier(source: Path) -> Any:
    def copy(target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)

    return copy


def _card(card: str, found: Trust, source: Source, curve: str | None) -> str:
    """The card with the sections on trust made anew, and a word on where they are from."""
    replaced = {HEADING, *card_trust.HEADINGS} - {card_trust.DISTANCE}
    head, *parts = card.rstrip("\n").split("\n## ")
    kept = [f"## {part}".rstrip() for part in parts if f"## {part.splitlines()[0]}" not in replaced]
    left = f" Training sequences that were left out: {source.n_known}." if source.n_known else ""
    said = (
        f"Calibrated again by `sortilin calibrate` ({found.method}) on {source.of} (n = "
        f"{len(source.kept.y)}).{left} The next three sections are of these; all other figures are those of "
        "training, with the calibration of then."
    )
    new = [HEADING, said, *card_trust.sections(found, curve and silence.PICTURE)]
    return "\n\n".join([head.rstrip(), *kept, *new]) + "\n"
