"""Models of sequences that may have several classes: their data, folds, training, card and evaluation.

Labels are written `Nucleus|Cytosol`. What predicts is `evaluation.per_class`, so that a predictor needs
nothing of this package.
"""

from __future__ import annotations

from sortilin.multilabel.run import run

__all__ = ["run"]
