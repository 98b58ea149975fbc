"""One seed, many independent generators, each by the name of its use."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *use: str) -> np.random.Generator:
    """A generator for one named use ("folds", "bootstrap"); other uses never change its stream."""
    keys = [zlib.crc32(name.encode()) for name in use]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=keys))


def child_seed(seed: int, *use: str) -> int:
    """A 32-bit seed for one named use, for libraries that take an integer."""
    return int(generator(seed, *use).integers(2**32 - 1))
