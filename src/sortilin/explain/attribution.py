"""What each residue says for a class, by one method: the record that every explainer gives.

Axis letters: L residues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sortilin.interfaces import DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What each residue says for a class, by one method.

    Log-odds are natural logarithms: the logit of the class against all others.

    Attributes:
        id: Of the sequence.
        sequence: Cleaned residues.
        method: Registered name of the explainer.
        label: The class in question.
        values: (L,) above 0 speaks for the class, below 0 against it; of a method that is not `signed`, how
            much it was looked at. NaN where the model did not look, or where the method was not asked to.
        score: Log-odds of the class for the whole sequence; None where the method asks for none.
        baseline_score: Those of the baseline that the method compares with; None where it has none.
        completeness: |sum of the values - (score - baseline_score)| / |score - baseline_score|; None
            without a baseline.
        details: How it was come by (steps, windows, runs of the model), as plain values.
        substitutions: (L, 20) change of the log-odds by each substitution, residues in alphabetical order of
            their letters; of mutagenesis alone.
    """

    id: str
    sequence: str
    method: str
    label: str
    values: DoubleArray
    score: float | None = None
    baseline_score: float | None = None
    completeness: float | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    substitutions: DoubleArray | None = None
