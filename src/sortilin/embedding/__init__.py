"""Sequences in, vectors out: length policies, pooling, engines, and the embedder that joins them.

`Embedder` runs a language model over sequences, each distinct one once, and takes from a store of vectors
what is known already.
"""

from __future__ import annotations

from sortilin.embedding.config import EmbeddingConfig
from sortilin.embedding.embedder import Embedder
from sortilin.embedding.failures import NotEmbeddedError
from sortilin.embedding.report import EmbeddingReport

__all__ = ["Embedder", "EmbeddingConfig", "EmbeddingReport", "NotEmbeddedError"]
