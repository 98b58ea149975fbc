"""What the families of ProtTrans share: letters with spaces, rare residues as X, licence and citation.

The licence is that of the authors' repository (github.com/agemagician/ProtTrans, LICENSE.md), through which
the weights are published; the model card of ProtBert on the hub names none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sortilin.language_models._spelling import RARE, UNKNOWN, Spelling

LICENCE = "AFL-3.0"
CITATION = (
    "Elnaggar A, Heinzinger M, Dallago C, et al. ProtTrans: toward understanding the language of life "
    "through self-supervised learning. IEEE Trans Pattern Anal Mach Intell 44:7112-7127 (2022). "
    "doi:10.1109/TPAMI.2021.3095381"
)
STANDARD = "ACDEFGHIKLMNPQRSTVWY"
SPACED = Spelling(" ", dict.fromkeys(RARE, UNKNOWN))


def letters(tokens: Sequence[str], prefix: str = "", unknown: str | None = None) -> Mapping[str, int]:
    """Letter → place in a list of tokens, with X, U, Z, O and B all at one token.

    Args:
        tokens: The vocabulary in order.
        prefix: What stands before a letter in its token.
        unknown: The token of X; None for that of the letter X.
    """
    ids = {token: number for number, token in enumerate(tokens)}
    found = {letter: ids[prefix + letter] for letter in STANDARD}
    return {**found, **dict.fromkeys(UNKNOWN + RARE, ids[unknown or prefix + UNKNOWN])}
