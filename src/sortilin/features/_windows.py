"""Sliding windows over padded rows of residue codes. Axis letters: N sequences, W positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sortilin.features._encoding import UNKNOWN, row_sums
from sortilin.features._scales import EISENBERG


def sliding_sums(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(N, W) → (N, W - width + 1) sums over windows."""
    running = np.concatenate((np.zeros((len(values), 1)), np.cumsum(values, axis=1)), axis=1)
    return running[:, width:] - running[:, :-width]


def hydrophobic_moment(window: NDArray[np.uint8], width: int, degrees: float) -> NDArray[np.float64]:
    """(N, W) codes → (N, W - width + 1) mean hydrophobic moment of each window.

    Eisenberg et al. 1984 (doi:10.1073/pnas.81.1.140), consensus scale; X and padding count as zero.
    """
    angle = np.deg2rad(degrees) * np.arange(window.shape[1])
    hydrophobicity = EISENBERG[window]
    along = sliding_sums(hydrophobicity * np.cos(angle), width)
    across = sliding_sums(hydrophobicity * np.sin(angle), width)
    return np.asarray(np.hypot(along, across) / width)


def mean_where_known(scale: NDArray[np.float64], window: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) mean of a scale over the known residues of each row; 0 where there are none."""
    n_known = (window != UNKNOWN).sum(axis=1)
    return np.asarray(row_sums(scale[window]) / np.maximum(n_known, 1))


def longest_run(is_member: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, W) of 0 and 1 → (N,) length of the longest run of ones."""
    run = longest = np.zeros(len(is_member))
    for column in is_member.T:
        run = (run + 1) * column
        longest = np.maximum(longest, run)
    return longest
