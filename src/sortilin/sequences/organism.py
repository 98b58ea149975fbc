"""The organism that a FASTA header names, in the ways of UniProt and of NCBI."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_UNIPROT = re.compile(r"(?:^|\s)OS=(.+?)(?=\s+[A-Z]{2}=|$)")
_NCBI = re.compile(r"\[([A-Z][^\[\]]* [^\[\]]+)\]\s*$")
_STRAIN = re.compile(r"\s*\(.*")
"""What stands behind a species in UniProt: strain, common name, synonyms."""


def organism(description: str) -> str:
    """The organism without strain or common name; empty where the header names none.

    Read are UniProt's `OS=Homo sapiens OX=9606 GN=...` and NCBI's `[Homo sapiens]` at the end.

    Args:
        description: The header behind the id.
    """
    found = _UNIPROT.search(description) or _NCBI.search(description)
    return _STRAIN.sub("", found[1]).strip() if found else ""


def counts(organisms: Iterable[str]) -> dict[str, int]:
    """Organism → number of sequences, the most frequent first; those without one are not counted."""
    found = Counter(name for name in organisms if name)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
