"""What models rest on, on rows that they did not learn from: dimensions of features, and attention.

The best head on features is taken for the dimensions, the best networks with attention for the maps; best on
the split, since a test set chooses nothing. Their trained weights come from the checkpoints that lie beside
their results: of the split's own fit, or of the first fold's.

Axis letters: N sequences, M held-out ones, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sortilin import registry
from sortilin.benchmark import measure, representations
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.folder import identity
from sortilin.benchmark.measure import Bench
from sortilin.benchmark.models import Measured
from sortilin.errors import SortilinError
from sortilin.evaluation import calibration
from sortilin.experiment import validate
from sortilin.experiment.presets import Preset
from sortilin.explain.attention_maps import AttentionSettings, Looks, maps
from sortilin.explain.dimensions import DimensionSettings, Model, Rows, analysed
from sortilin.explain.dimensions.permutation import Probabilities
from sortilin.interfaces import Classifier, DoubleArray, FloatArray, IntArray, Watch, named
from sortilin.seeding import generator

DIMENSIONS, ATTENTION = "explained-dimensions", "explained-attention"
"""Names of the stored results."""

HEAD = "head"
"""The classifier that is a network on features."""

MOST_ROWS = 2_000
"""Rows for shuffles and planes."""

MOST_WATCHED = 300
"""Sequences that a network's attention is looked at in: they run through it one by one."""

MOST_NETWORKS = 3
CHECKPOINT = "checkpoint.pt"
FOLD = "fold-1"


@dataclass(frozen=True, slots=True)
class _Held:
    """A model with the rows that it did not learn from.

    Attributes:
        classifier: Fitted; of `classifiers/` with a torch network.
        rows: (M,) row numbers.
        x: (N, F) features, or (N,) sequences.
    """

    classifier: Any
    rows: IntArray
    x: Any


def explained(
    config: BenchmarkConfig, bench: Bench, presets: Mapping[str, Preset], measured: Measured
) -> dict[str, Any]:
    """`explained` of the results: `dimensions` (None without a head on features) and `attention`, a list."""
    metric = registry.get("task", config.task).metric
    rows = [row for row in measured.rows if row["name"] in presets and not row["is_baseline"]]
    rows.sort(key=lambda row: -(row["evaluation"]["metrics"][metric] or 0.0))
    ranked = [presets[row["name"]] for row in rows]
    dimensions: dict[str, Any] | None = None
    networks: list[dict[str, Any]] = []
    for preset in ranked:
        if dimensions is None and preset.classifier.name == HEAD:
            dimensions = _dimensions(config, bench, preset)
        if len(networks) < MOST_NETWORKS and (found := _attention(config, bench, preset)) is not None:
            networks.append(found)
    return {"explained": {"dimensions": dimensions, "attention": networks}}


def _dimensions(config: BenchmarkConfig, bench: Bench, preset: Preset) -> dict[str, Any] | None:
    """From disk if it was done; None where it cannot be, which is said."""
    settings = DimensionSettings(seed=config.seed, max_rows=MOST_ROWS, max_projected=MOST_ROWS)
    wanted = _identity(bench, preset, settings.model_dump(mode="json"))
    found = bench.folder.load(preset.name, DIMENSIONS, wanted)
    if found is not None:
        return found
    try:
        held = _held(config, bench, preset)
        values = _analysed(bench, preset, held, settings)
    except SortilinError as reason:  # no reason to lose all the rest
        bench.tell(f"{preset.name}, dimensions left out: {reason}", 1, 1)
        return None
    origin = {
        "model": preset.name,
        "n_held_out": len(held.rows),
        "is_of_fold": config.split == "folds",
    }
    return bench.folder.save(preset.name, DIMENSIONS, wanted, {**origin, **values})


def _identity(bench: Bench, preset: Preset, settings: Mapping[str, Any]) -> str:
    return identity(measure.preset_identity(preset), bench.split.data.fingerprint, settings)


def _analysed(bench: Bench, preset: Preset, held: _Held, settings: DimensionSettings) -> dict[str, Any]:
    data = bench.split.data
    assert preset.features is not None
    width = held.x.shape[1]
    # Vectors that were looked up have no names before the first of them is read.
    names = tuple(preset.features.build("features").feature_names) or tuple(f"v{n + 1}" for n in range(width))
    rows = Rows(held.x[held.rows], data.y[held.rows], data.classes, names)
    probabilities = _probabilities(held.classifier, len(data.classes))
    model = Model(held.classifier.scores, probabilities, held.classifier._network)
    return analysed(model, rows, settings, named(bench.tell, preset.name))


def _probabilities(classifier: Classifier, n_classes: int) -> Probabilities:
    """Calibrated on what the fit set aside; without such rows as the logits have them."""
    aside = classifier.set_aside()
    if aside is not None:
        return calibration.fit(*aside, n_classes=n_classes)

    def softmax(scores: DoubleArray) -> DoubleArray:
        found = calibration.uncalibrated(scores, n_classes)
        assert found is not None
        return found

    return softmax


# --- attention


def _attention(config: BenchmarkConfig, bench: Bench, preset: Preset) -> dict[str, Any] | None:
    """From disk if it was done; None of a model without attention, or whose weights are not kept."""
    if preset.features is not None:  # its head sees one vector: there is nothing to choose among
        return None
    settings = AttentionSettings()
    wanted = _identity(bench, preset, {**settings.model_dump(mode="json"), "rows": MOST_WATCHED})
    found = bench.folder.load(preset.name, ATTENTION, wanted)
    if found is None:
        if not _is_kept(config, bench, preset):
            return None
        try:
            values = _mapped(config, bench, preset, settings)
        except SortilinError as reason:  # no reason to lose all the rest
            bench.tell(f"{preset.name}, attention left out: {reason}", 1, 1)
            return None
        found = bench.folder.save(preset.name, ATTENTION, wanted, {"maps": values})
    values = found["maps"]
    if values is None:
        return None
    is_of_fold = config.split == "folds"
    return {"model": preset.name, "n_held_out": values["n"], "is_of_fold": is_of_fold, **values}


def _is_kept(config: BenchmarkConfig, bench: Bench, preset: Preset) -> bool:
    """Whether the trained weights lie there; to train again would take as long as the first time."""
    workspace = _watch(config, bench, preset).workspace
    return workspace is not None and any(workspace.rglob(CHECKPOINT))


def _mapped(
    config: BenchmarkConfig, bench: Bench, preset: Preset, settings: AttentionSettings
) -> dict[str, Any] | None:
    """Maps of some of the held-out rows; None of a network without attention."""
    held = _held(config, bench, preset)
    head = getattr(getattr(held.classifier, "_network", None), "head", None)
    if head is None or not head.has_attention:
        return None
    rows = np.sort(generator(config.seed, "attention").permutation(held.rows)[:MOST_WATCHED])
    seen = representations.of(held.classifier, held.x[rows], named(bench.tell, preset.name))
    data = bench.split.data
    sequences = [data.sequences[row] for row in rows]
    n_last = _read_of_the_end(held.classifier)
    table = _probabilities(held.classifier, len(data.classes))(held.classifier.scores(held.x[rows]))
    looks = Looks(
        ids=[f"row {row + 1}" for row in rows],
        sequences=sequences,
        weights=[
            _spread(weights, len(sequence), n_last)
            for weights, sequence in zip(seen.attention, sequences, strict=True)
        ],
        predicted=np.asarray(table.argmax(axis=1)),
        y=data.y[rows],
        classes=data.classes,
    )
    return maps(looks, settings)


def _read_of_the_end(classifier: Classifier) -> int:
    """How many of the last residues a network reads of a sequence that it does not read whole."""
    reads = classifier.reads()
    return int((reads.get("tokens") or reads["residues"])["keep_last"])


def _spread(weights: FloatArray, length: int, n_last: int) -> FloatArray:
    """Weights at the places of their residues, (L,); NaN between, where the network did not look."""
    whole = np.full(length, np.nan, dtype=np.float32)
    n_first = min(len(weights), length) - (n_last if len(weights) < length else 0)
    whole[:n_first] = weights[:n_first]
    whole[length - (len(weights) - n_first) :] = weights[n_first:]
    return whole


# --- the trained model


def _held(config: BenchmarkConfig, bench: Bench, preset: Preset) -> _Held:
    """The model as it was fitted before, read from its checkpoint where that is kept."""
    split = bench.split
    x = measure.inputs_of(preset, split.data.sequences)
    rows, train = split.held_out, split.train
    if config.split == "folds":
        rows = np.array(bench.folder.peek(preset.name, FOLD)["held_out"])
        train = np.setdiff1d(np.arange(len(split.data)), rows)
    watch = _watch(config, bench, preset)
    with measure.named_faults(preset.name):
        classifier = validate.fitted(preset.classifier, split.problem(x).rows(train), watch)
    return _Held(classifier, rows, x)


def _watch(config: BenchmarkConfig, bench: Bench, preset: Preset) -> Watch:
    """Of the fit whose rows are taken."""
    return bench.watch(preset.name, FOLD if config.split == "folds" else "")
