"""What the best network makes of the test sets: its vectors in the plane, its attention beside motifs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sortilin import registry
from sortilin.benchmark import attended, measure, projection, representations
from sortilin.benchmark.attended import Watched
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.measure import ON_TESTS, Bench, TestSet
from sortilin.benchmark.models import Measured
from sortilin.benchmark.representations import Seen
from sortilin.errors import SortilinError
from sortilin.experiment.presets import Preset


def inside(
    config: BenchmarkConfig,
    bench: Bench,
    presets: Mapping[str, Preset],
    tests: Sequence[TestSet],
    measured: Measured,
) -> dict[str, Any]:
    """`representation` and `attention` of the results; None where there is no network, or no test set.

    The network is the best one on the split, not on a test set; for the attention the best one that has some.
    """
    metric = registry.get("task", config.task).metric
    seen = _networks(bench, presets, tests, measured, metric)
    found: dict[str, Any] = {"representation": None, "attention": None}
    if not seen:
        return found
    name = next(iter(seen))
    lacks = projection.lacking()
    found["representation"] = {
        "model": name,
        "lacking": lacks,
        "tests": [] if lacks else projection.of_tests(seen[name], tests, seed=config.seed, tell=bench.tell),
    }
    attentive = [name for name, of_tests in seen.items() if all(part.attention for part in of_tests.values())]
    if attentive and len(bench.split.data.classes) == 2:
        name = attentive[0]
        stored = bench.folder.peek(name, ON_TESTS)
        wanted = measure.identity_on(tests, measure.preset_identity(presets[name]))
        watched = Watched(name, wanted, seen[name], stored["probabilities"])
        found["attention"] = _attended(config, bench, watched, tests)
    return found


def _attended(
    config: BenchmarkConfig, bench: Bench, watched: Watched, tests: Sequence[TestSet]
) -> dict[str, Any] | None:
    """Attention beside motifs; None where there are too few sequences for motifs, or STREME failed."""
    try:
        found = attended.examine(
            bench.folder, watched, bench.split.whole, tests, seed=config.seed, tell=bench.tell
        )
    except SortilinError as reason:  # no reason to lose all the rest
        bench.tell(f"attention beside motifs left out: {reason}", 1, 1)
        return None
    return {"model": watched.name, **found}


def _networks(
    bench: Bench,
    presets: Mapping[str, Preset],
    tests: Sequence[TestSet],
    measured: Measured,
    metric: str,
) -> dict[str, Mapping[str, Seen]]:
    """Networks with what they make of the test sets, the best first."""
    if not tests:
        return {}
    models = [row for row in measured.rows if row["name"] in presets and not row["is_baseline"]]
    ranked = sorted(models, key=lambda row: -(row["evaluation"]["metrics"][metric] or 0.0))
    loaded = {row["name"]: representations.load(bench.folder.of_model(row["name"])) for row in ranked}
    return {name: seen for name, seen in loaded.items() if seen}
