"""How rows are split into what is learned from and what is scored: a part of each configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from sortilin.sequences import clusters, mmseqs
from sortilin.sequences.peptides import MIN_IDENTITY as MIN_IDENTITY_SHORT

RANDOM, STRATIFIED, HOMOLOGY, GIVEN = "random", "stratified", "homology", "given"
KINDS = (RANDOM, STRATIFIED, HOMOLOGY, GIVEN)
"""By chance; by chance within each class; whole clusters of homologues; as the data mark their rows."""

PARAMETERS = ("identity", "coverage", "sensitivity", "tool")
"""Options that belong to clusters of homologues."""


class SplitConfig(BaseModel):
    """How rows are split.

    Attributes:
        kind: One of `KINDS`.
        identity: Two sequences with a good E-value are homologues from this share of equal residues on, of
            the columns of their alignment. Of peptides it is the share of the shorter one's residues, and
            never less than 0.6: below, chance makes pairs.
        coverage: The alignment spans at least this share of both sequences; None for any.
        sensitivity: Of MMseqs2, from 1, the fastest, to 7.5.
        tool: "mmseqs", "builtin" (phmmer), or "auto" for MMseqs2 where it is installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["random", "stratified", "homology", "given"] = "stratified"
    identity: float = Field(default=clusters.MIN_IDENTITY, gt=0, le=1)
    coverage: float | None = Field(default=None, gt=0, le=1)
    sensitivity: float = Field(default=mmseqs.MAX_SENSITIVITY, ge=1, le=mmseqs.MAX_SENSITIVITY)
    tool: Literal["auto", "mmseqs", "builtin"] = "auto"

    @model_validator(mode="after")
    def _has_clusters(self) -> SplitConfig:
        named = [name for name in PARAMETERS if name in self.model_fields_set]
        if named and self.kind != HOMOLOGY:
            raise ValueError(f"{' and '.join(named)}: for kind {HOMOLOGY} only; found {self.kind}")
        return self

    @model_serializer(mode="plain")
    def _short(self) -> str | dict[str, Any]:
        """The kind alone where nothing else belongs to it."""
        if self.kind != HOMOLOGY:
            return self.kind
        return {"kind": self.kind, **{name: getattr(self, name) for name in PARAMETERS}}

    @property
    def search(self) -> clusters.Search:
        """How homologues are searched."""
        return clusters.Search(self.tool, self.coverage, self.sensitivity)

    @property
    def identity_short(self) -> float:
        """Share of a peptide's residues from which on two are homologues."""
        return max(self.identity, MIN_IDENTITY_SHORT)


def over(given: Mapping[str, Any], there: Any) -> dict[str, Any]:
    """Options of a split over those of a file; what makes a cluster stays where both are by homology.

    Args:
        given: The options that win, with their kind.
        there: A kind, a mapping, or None, as a file has it.
    """
    kept = _as_mapping(there)
    if not isinstance(kept, Mapping) or {kept.get("kind"), given.get("kind")} != {HOMOLOGY}:
        return dict(given)
    return {**kept, **given}


def _as_mapping(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


SplitOption = Annotated[SplitConfig, BeforeValidator(_as_mapping)]
"""A kind alone may stand for its mapping."""
