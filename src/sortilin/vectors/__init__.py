"""Vectors of sequences on disk: a store that grows, and the files that other programs read and write.

`Store` keeps each sequence once for every `VectorKind`, found by `key_of`. `write_vectors` and
`read_vectors` exchange vectors with other programs.
"""

from __future__ import annotations

from sortilin.vectors._matching import MatchedVectors
from sortilin.vectors._writers import VectorRow
from sortilin.vectors.exchange import VectorFile, open_vectors, read_vectors, write_vectors
from sortilin.vectors.kind import VectorKind, key_of
from sortilin.vectors.shelf import Shelf
from sortilin.vectors.store import Store

__all__ = [
    "MatchedVectors",
    "Shelf",
    "Store",
    "VectorFile",
    "VectorKind",
    "VectorRow",
    "key_of",
    "open_vectors",
    "read_vectors",
    "write_vectors",
]
