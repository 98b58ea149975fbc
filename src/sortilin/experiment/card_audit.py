"""What a card says first: what the data leak, and what gives their labels away for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sortilin.experiment.markdown import TITLES
from sortilin.sequences.record import counted

if TYPE_CHECKING:
    from sortilin.experiment.outcome import Outcome


def section(outcome: Outcome, metric: str) -> list[str]:
    """The heading and a list; empty where no audit was asked for.

    Args:
        outcome: What the experiment found.
        metric: What the baselines are told by.
    """
    if outcome.audit is None:
        return []
    sentences = [*outcome.audit.summary(), *_left_out(outcome), *_baselines(outcome, metric)]
    looked = f"Compared with {outcome.audit.aligner}, after what was left out."
    return ["## Leakage audit", "\n".join(f"- {sentence}" for sentence in sentences), looked]


def _left_out(outcome: Outcome) -> list[str]:
    """What training would have leaked, had it not been left out."""
    found = []
    if outcome.n_repeats:
        found.append(counted(outcome.n_repeats, "repeat"))
    if outcome.left_out.n_contradictions:
        found.append(f"{counted(outcome.left_out.n_contradictions, 'sequence')} of contradicting labels")
    if outcome.left_out.n_copies is not None:
        found.append(f"{counted(outcome.left_out.n_copies, 'row')} that test sets hold too, or nearly")
    return [f"Left out of training: {', '.join(found)}."] if found else []


def _baselines(outcome: Outcome, metric: str) -> list[str]:
    shortcuts = [row for row in outcome.rows[1:] if row.model.endswith(" alone")]
    if not shortcuts:
        return []
    model, *others = (
        f"{row.model} {row.cross_validation.mean(metric):.3f} ± {row.cross_validation.spread(metric):.3f}"
        for row in (outcome.rows[0], *shortcuts)
    )
    return [
        (
            f"{TITLES[metric]} of shortcuts in cross-validation (n = {len(outcome.data)}, mean ± standard "
            f"deviation over {outcome.config.folds} folds): {', '.join(others)}; the model itself: {model}."
        )
    ]


def measurements(outcome: Outcome) -> dict[str, Any] | None:
    """The same for `metrics.json`; conflicts as a number, for a model folder holds no sequences."""
    if outcome.audit is None:
        return None
    found = outcome.audit.as_dict()
    return {**found, "conflicts": len(found["conflicts"])}
