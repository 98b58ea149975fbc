"""The learning rate over a run."""

from __future__ import annotations

import math

from sortilin.training.config import TrainingConfig


def factor(config: TrainingConfig, done: float) -> float:
    """Share of the peak learning rate after `done` of the run (0 to 1).

    It rises on a line through the warm-up and then falls as the schedule says. A share of the run rather
    than a count of steps: the number of batches differs from epoch to epoch.
    """
    if done < config.warmup:
        return done / config.warmup
    if config.schedule == "constant":
        return 1.0
    rest = min((done - config.warmup) / (1 - config.warmup), 1.0)
    return 1 - rest if config.schedule == "linear" else (1 + math.cos(math.pi * rest)) / 2
