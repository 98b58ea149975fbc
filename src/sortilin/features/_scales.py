"""Published residue scales and groups, as arrays in the order of `ALPHABET` with X last.

Sources: Kyte & Doolittle 1982 (doi:10.1016/0022-2836(82)90515-0), hydropathy; Eisenberg et al. 1984
(doi:10.1073/pnas.81.1.140), consensus hydrophobicity; Wimley & White 1996
(doi:10.1038/nsb1096-842), transfer to the bilayer interface; Bjellqvist et al. 1993
(doi:10.1002/elps.11501401163) and 1994, dissociation constants; Shen et al. 2007
(doi:10.1073/pnas.0607879104), the seven groups of the conjoint triad.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sortilin.features._encoding import ALPHABET


def _scale(values: dict[str, float]) -> NDArray[np.float64]:
    return np.array([values[letter] for letter in ALPHABET] + [0.0])


def members(letters: str) -> NDArray[np.float64]:
    """(21,) 1 for the residues named, 0 for the others and X."""
    return np.array([float(letter in letters) for letter in ALPHABET] + [0.0])


HYDROPATHY = _scale(
    {
        **{"A": 1.8, "C": 2.5, "D": -3.5, "E": -3.5, "F": 2.8, "G": -0.4, "H": -3.2, "I": 4.5},
        **{"K": -3.9, "L": 3.8, "M": 1.9, "N": -3.5, "P": -1.6, "Q": -3.5, "R": -4.5, "S": -0.8},
        **{"T": -0.7, "V": 4.2, "W": -0.9, "Y": -1.3},
    }
)
EISENBERG = _scale(
    {
        **{"A": 0.62, "C": 0.29, "D": -0.90, "E": -0.74, "F": 1.19, "G": 0.48, "H": -0.40, "I": 1.38},
        **{"K": -1.50, "L": 1.06, "M": 0.64, "N": -0.78, "P": 0.12, "Q": -0.85, "R": -2.53, "S": -0.18},
        **{"T": -0.05, "V": 1.08, "W": 0.81, "Y": 0.26},
    }
)
INTERFACE = _scale(
    {
        **{"A": 0.17, "C": -0.24, "D": 1.23, "E": 2.02, "F": -1.13, "G": 0.01, "H": 0.17, "I": -0.31},
        **{"K": 0.99, "L": -0.56, "M": -0.23, "N": 0.42, "P": 0.45, "Q": 0.58, "R": 0.81, "S": 0.13},
        **{"T": 0.14, "V": 0.07, "W": -1.85, "Y": -0.94},
    }
)
"""kcal/mol, water to interface; negative favours the membrane."""

MOLECULAR_WEIGHT = _scale(
    {
        **{"A": 89.0932, "C": 121.1582, "D": 133.1027, "E": 147.1293, "F": 165.1891, "G": 75.0666},
        **{"H": 155.1546, "I": 131.1729, "K": 146.1876, "L": 131.1729, "M": 149.2113, "N": 132.1179},
        **{"P": 115.1305, "Q": 146.1445, "R": 174.201, "S": 105.0926, "T": 119.1192, "V": 117.1463},
        **{"W": 204.2252, "Y": 181.1885},
    }
)
"""Average mass of the free amino acid in dalton."""

WATER_WEIGHT = 18.0153

POSITIVE_PK = {"K": 10.0, "R": 12.0, "H": 5.98}
NEGATIVE_PK = {"D": 4.05, "E": 4.45, "C": 9.0, "Y": 10.0}
N_TERMINUS_PK = _scale(
    dict.fromkeys(ALPHABET, 7.5) | {"A": 7.59, "M": 7.0, "S": 6.93, "P": 8.36, "T": 6.82, "V": 7.44, "E": 7.7}
)
N_TERMINUS_PK[-1] = 7.5
C_TERMINUS_PK = _scale(dict.fromkeys(ALPHABET, 3.55) | {"D": 4.55, "E": 4.75})
C_TERMINUS_PK[-1] = 3.55

CHARGE = members("KR") - members("DE")

TRIAD_GROUPS = ("AGV", "ILFP", "YMTS", "HNQW", "RK", "DE", "C")
"""Shen et al. 2007: by dipole and side-chain volume."""


def group_codes(groups: tuple[str, ...]) -> NDArray[np.int64]:
    """(21,) index of the group that holds each residue; -1 for X and residues in none."""
    found = [next((i for i, g in enumerate(groups) if letter in g), -1) for letter in ALPHABET]
    return np.array([*found, -1], dtype=np.int64)
