"""Targeting signals of eukaryotic proteins, beside composition seen at both termini.

What is described, and where it comes from:

- Signal peptide: the most hydrophobic stretch near the N terminus, its place, the charge before it
  and the small residues at -3 and -1 of a cleavage site behind it (von Heijne 1986,
  doi:10.1093/nar/14.11.4683).
- Mitochondrial presequence: amphipathic helix by the hydrophobic moment at 100 degrees (Eisenberg
  et al. 1984, doi:10.1073/pnas.81.1.140), arginine and the lack of acids (von Heijne 1986,
  doi:10.1002/j.1460-2075.1986.tb04364.x).
- Nuclear localization: monopartite K-K/R-X-K/R, bipartite with a linker of 10 to 12 (Robbins et al.
  1991, doi:10.1016/0092-8674(91)90245-T; Lange et al. 2007, doi:10.1074/jbc.R600026200), dense
  basic patches; RG and RS repeats; zinc finger (PROSITE PS00028) and homeobox helix W-F-x-N of
  nuclear proteins.
- Nuclear export: leucine-rich L-x(2,3)-L-x(2,3)-L-x-L (la Cour et al. 2004,
  doi:10.1093/protein/gzh062).
- Retention and peroxisome: [KH]DEL (Munro & Pelham 1987, doi:10.1016/0092-8674(87)90086-9),
  dilysine KKXX, and SKL-like ends (Gould et al. 1989, doi:10.1083/jcb.108.5.1657).
- Secretory marks: N-glycosylation sequons, dibasic sites, cysteine spacing.
- Charge patches, transmembrane-like stretches, low complexity, pairs of residue groups.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sortilin.features import _chemistry
from sortilin.features._encoding import (
    ALPHABET,
    EncodedBatch,
    count_codes,
    frequencies,
    named_columns,
    row_sums,
)
from sortilin.features._scales import (
    CHARGE,
    HYDROPATHY,
    TRIAD_GROUPS,
    group_codes,
    members,
)
from sortilin.features._windows import hydrophobic_moment, longest_run, mean_where_known, sliding_sums
from sortilin.interfaces import FloatArray

HELIX_DEGREES = 100.0
HELIX_WINDOW = 18
"""Five turns of a helix, the length over which presequences are amphipathic."""

CORE_WINDOW = 9
"""Shortest hydrophobic core of a signal peptide is 7 to 8 residues; 9 is robust against one polar one."""

CORE_SEARCH = 40
TRANSMEMBRANE_WINDOW = 19

MOTIFS = {
    "nls_monopartite": r"K[KR].[KR]",
    "nls_pat7": r"P.{0,2}(?:[KR]{3}.|[KR]{2}.[KR]|[KR].[KR]{2})",
    "nls_bipartite": r"[KR][KR].{10,12}(?:[KR]{3}|[KR]{2}.{1,2}[KR]|[KR].{1,2}[KR]{2}|[KR].[KR].[KR])",
    "nes_leucine_rich": r"L.{2,3}[LIVFM].{2,3}L.[LI]",
    "rg_repeat": r"RGG|RG.RG",
    "rs_repeat": r"RSRS|RSSR|SRRS|SRSR",
    "zinc_finger_c2h2": r"C.{2,4}C.{12}H.{3,5}H",
    "homeobox_helix": r"W[FY].[NDQTAH]",
    "er_retention": r"[KHR]DEL$",
    "dilysine": r"K[KR]?.K..$|KK..$",
    "peroxisome_skl": r"[SAC][KRH][LM]$",
    "prenylation_caax": r"C[AVILSTMG][AVILSTMG].$",
    "n_glycosylation": r"N[^P\n][ST][^P\n]",
    "dibasic": r"[KR][KR]",
    "cysteine_pair": r"C.{2,4}C",
    "myristoylation": r"^MG[^EDRKHPFYW\n].{2}[STAGCN]",
    "poly_q": r"QQQQ",
    "poly_s": r"SSSS",
    "poly_acid": r"[DE]{5}",
    "presequence_r2": r"^M.{8,60}?R.[AFILSVY][SAG]",
}
_PATTERNS = {name: re.compile(pattern, re.MULTILINE) for name, pattern in MOTIFS.items()}
_N_TERMINI = (10, 20, 30, 60, 100)
_C_TERMINI = (10, 30, 60)
_GAPS = (1, 2, 3)

_BASIC, _ACIDIC = members("KR"), members("DE")
_ARGININE, _SERINE = members("R"), members("S")
_SMALL = members("AGSCT")
_HYDROPHOBIC = members("AILMFVWCG")
_ORDER_BREAKING = members("PGSQNEDK")
_EXTREMES = (
    ("charge", CHARGE, (7, 15, 31)),
    ("basic", _BASIC, (5, 9, 20)),
    ("hydropathy", HYDROPATHY, (TRANSMEMBRANE_WINDOW, 41)),
    ("order_breaking", _ORDER_BREAKING, (41,)),
)
"""Name, scale and window lengths of the most extreme stretches of a chain."""

TENTHS = 10
"""The scales above have one decimal; as whole tenths their sums are exact."""

_GROUP_OF_CODE = group_codes(TRIAD_GROUPS)


def _signal_peptide(head: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Core, n-region and cleavage context from the first residues (N, W >= 60)."""
    rows = np.arange(len(head))
    core = sliding_sums(HYDROPATHY[head[:, :CORE_SEARCH]], CORE_WINDOW) / CORE_WINDOW
    start = core.argmax(axis=1)
    position = np.arange(head.shape[1])[None, :]
    before = position < start[:, None]
    small = _SMALL[head]
    site = small[:, :-2] * small[:, 2:]  # -3 and -1, by the place of -3
    after = np.arange(site.shape[1])[None, :]
    end = (start + CORE_WINDOW)[:, None]
    near = (after >= end) & (after < end + 12)
    site_at = np.where(near, site, 0.0)
    has_site = site_at.max(axis=1)
    return {
        "core_hydropathy": core[rows, start],
        "core_start": start.astype(np.float64),
        "core_hydropathy_14": (sliding_sums(HYDROPATHY[head[:, :CORE_SEARCH]], 14) / 14).max(axis=1),
        "n_region_charge": row_sums(CHARGE[head] * before),
        "cleavage_site": has_site,
        "cleavage_distance": np.where(has_site > 0, site_at.argmax(axis=1) - end[:, 0], 15.0),
        "hydrophobic_run": longest_run(_HYDROPHOBIC[head[:, :CORE_SEARCH]]),
    }


def _presequence(head: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Amphipathicity and charge of the first 60 residues, from (N, W >= 60) codes."""
    moment = hydrophobic_moment(head[:, :60], HELIX_WINDOW, HELIX_DEGREES)
    beta = hydrophobic_moment(head[:, :60], HELIX_WINDOW, 160.0)
    rows, best = np.arange(len(head)), moment.argmax(axis=1)
    charge = sliding_sums(CHARGE[head[:, :60]], HELIX_WINDOW)
    is_acidic = _ACIDIC[head[:, :60]] > 0
    first_acid = np.where(is_acidic.any(axis=1), is_acidic.argmax(axis=1), 60)
    return {
        "moment_max": moment.max(axis=1),
        "moment_place": best.astype(np.float64),
        "moment_charge": charge[rows, best],
        "moment_160_max": beta.max(axis=1),
        "moment_first": moment[:, :5].max(axis=1),
        "first_acid": first_acid.astype(np.float64),
        **{f"arginine_first{w}": row_sums(_ARGININE[head[:, :w]]) for w in (20, 40)},
        **{f"serine_first{w}": row_sums(_SERINE[head[:, :w]]) for w in (20, 40)},
        **{f"charge_first{w}": row_sums(CHARGE[head[:, :w]]) for w in (15, 25, 40, 60)},
        **{f"hydropathy_first{w}": mean_where_known(HYDROPATHY, head[:, :w]) for w in (10, 20, 30, 60)},
    }


def _whole_chain(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    """Chemistry, complexity and extreme windows of the whole sequence."""
    result = {
        "log_length": np.log(batch.lengths),
        "isoelectric_point": _chemistry.isoelectric_point(batch),
        "gravy": _chemistry.mean_scale(batch, HYDROPATHY),
        "net_charge": _chemistry.mean_scale(batch, CHARGE),
        "charged": _chemistry.mean_scale(batch, _BASIC + _ACIDIC),
        "order_breaking": _chemistry.mean_scale(batch, _ORDER_BREAKING),
        "aromaticity": _chemistry.aromaticity(batch),
        "aliphatic_index": _chemistry.aliphatic_index(batch),
        "entropy": _chemistry.entropy(batch),
    }
    for prefix, scale, widths in _EXTREMES:
        values = np.rint(scale * TENTHS).astype(np.int32)[batch.codes]
        for width, (low, high) in zip(widths, batch.window_extremes(values, widths), strict=True):
            result |= {f"{prefix}_low_{width}": low / TENTHS, f"{prefix}_high_{width}": high / TENTHS}
    return result


def _motifs(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    counts = {name: batch.motif_counts(pattern) for name, pattern in _PATTERNS.items()}
    per_100 = 100.0 / batch.lengths
    densities = ("n_glycosylation", "dibasic", "cysteine_pair", "nes_leucine_rich", "zinc_finger_c2h2")
    return {
        **{f"motif_{name}": np.log1p(count) for name, count in counts.items()},
        **{f"density_{name}": counts[name] * per_100 for name in densities},
    }


def _compositions(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    result = named_columns("fraction", batch.composition, ALPHABET)
    for width in _N_TERMINI:
        result |= named_columns(f"first{width}", frequencies(count_codes(batch.head(width))), ALPHABET)
    for width in _C_TERMINI:
        result |= named_columns(f"last{width}", frequencies(count_codes(batch.tail(width))), ALPHABET)
    pairs = [f"{a}-{b}" for a in TRIAD_GROUPS for b in TRIAD_GROUPS]
    for gap in _GAPS:
        table = frequencies(batch.pair_counts(_GROUP_OF_CODE, len(TRIAD_GROUPS), gap))
        result |= named_columns(f"pair{gap}", table, pairs)
    return result


class VARIANT:
    """Targeting signals, terminal composition and grouped pairs; see the module for the sources."""

    class Config(BaseModel):
        """No options so far: the set is fixed, so that its columns can be cited by name."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.feature_names: tuple[str, ...] = tuple(self._columns(["M"]))

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, F) float32."""
        return np.column_stack(list(self._columns(sequences).values())).astype(np.float32)

    @staticmethod
    def _columns(sequences: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        batch = EncodedBatch.of(sequences)
        head = batch.head(100)
        return {
            **_whole_chain(batch),
            **_signal_peptide(head),
            **_presequence(head),
            **_motifs(batch),
            **_compositions(batch),
        }
