"""How far the members of a model are apart.

Axis letters: N sequences, K members, C classes.
"""

from __future__ import annotations

import numpy as np

from sortilin.interfaces import DoubleArray, IntArray


def spread(members: DoubleArray, predicted: IntArray) -> DoubleArray:
    """(N,) sample standard deviation over the members of the predicted class's probability.

    Args:
        members: (N, K, C) probabilities of each member, K at least 2.
        predicted: (N,) index of the class that the model as a whole predicts.
    """
    of_class = members[np.arange(len(members)), :, predicted]  # (N, K)
    return np.asarray(of_class.std(axis=1, ddof=1))


def disagreement(members: DoubleArray) -> DoubleArray:
    """(N,) mutual information of class and member, in nats: 0 where all members say the same.

    The entropy of the members' mean less the mean of their entropies (BALD; Houlsby et al. 2011,
    arXiv:1112.5745); at most ln C. What is uncertain to every member alike, such as noise in the labels, is
    not in it.

    Args:
        members: (N, K, C) probabilities of each member.
    """
    gained = entropy(members.mean(axis=1)) - entropy(members).mean(axis=1)
    return np.asarray(np.maximum(gained, 0.0))  # rounding goes below 0


def entropy(probabilities: DoubleArray) -> DoubleArray:
    """(..., C) → (...) entropy in nats; 0 ln 0 is 0."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return np.asarray(-(probabilities * logs).sum(axis=-1))
