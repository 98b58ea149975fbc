"""Occlusion and known signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import sortilin
from sortilin.errors import ConfigError
from sortilin.explain import occlusion, signals
from sortilin.interfaces import DoubleArray

PLANTED = "WCWHWCW"
INSULIN = (
    "MALWMRLLPLLALLALWGPDPAAAFVNQHLCGSHLVEALYLVCGERGFFYTPKTRREAEDLQVGQVELGGGPGAGSLQPLALEGSLQKR"
    "GIVEQCCTSICSLYQLENYCN"
)


class _Finds:
    """Says yes as far as it sees the planted letters, wherever they stand."""

    classes: tuple[str, ...] = ("no", "yes")

    def predict_proba(self, sequences: Sequence[str]) -> DoubleArray:
        seen = [
            max(sum(a == b for a, b in zip(s[i:], PLANTED, strict=False)) for i in range(len(s)))
            for s in sequences
        ]
        p = 0.05 + 0.9 * np.array(seen) / len(PLANTED)
        return np.column_stack([1 - p, p])


def planted(length: int, at: int, seed: int = 3) -> str:
    letters = np.random.default_rng(seed).choice(list("ADEFGIKLMNPQRSTV"), length)
    return "".join(letters[:at]) + PLANTED + "".join(letters[at + len(PLANTED) :])


@pytest.mark.parametrize(("length", "at"), [(40, 0), (40, 33), (120, 50), (600, 300)])
def test_occlusion_finds_what_the_model_looks_at(length: int, at: int) -> None:
    sequence = planted(length, at)
    found = occlusion.profile(_Finds(), sequence, "yes")
    inside = np.zeros(length, dtype=bool)
    inside[at : at + len(PLANTED)] = True
    assert found.values.shape == (length,)
    order = found.values[inside][:, None] - found.values[~inside][None]
    assert ((order > 0) + 0.5 * (order == 0)).mean() > 0.9  # area under the ROC curve


def test_occlusion_of_the_other_class_is_its_mirror() -> None:
    sequence = planted(60, 20)
    yes, no = (occlusion.profile(_Finds(), sequence, label) for label in ("yes", "no"))
    assert yes.values == pytest.approx(-no.values)
    assert yes.log_odds == pytest.approx(-no.log_odds)


@pytest.mark.parametrize("length", [1, 2, 7, 159, 161, 5_000])
def test_every_residue_is_hidden_and_runs_are_bounded(length: int) -> None:
    asked: list[int] = []

    class _Counts(_Finds):
        def predict_proba(self, sequences: Sequence[str]) -> DoubleArray:
            asked.append(len(sequences))
            hidden = np.array([[c == "X" for c in s] for s in sequences[1:]])
            assert hidden.any(axis=0).all()
            assert {len(s) for s in sequences} == {length}
            return np.tile([0.4, 0.6], (len(sequences), 1))

    found = occlusion.profile(_Counts(), "M" * length, "yes")
    assert asked[0] <= occlusion.MAX_RUNS + 2
    assert np.isfinite(found.values).all()


def test_occlusion_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="no class 'maybe'; choose from: no, yes"):
        occlusion.profile(_Finds(), "MKT", "maybe")
    with pytest.raises(ConfigError, match="a window of 4 residues; allowed: 1 to the sequence's 3"):
        occlusion.profile(_Finds(), "MKT", "yes", window=4)


def test_secreted_insulin_rests_on_its_signal_peptide() -> None:
    model = sortilin.load("localization")
    found = occlusion.profile(model, INSULIN, "secreted")
    assert found.values[:24].mean() > found.values[24:].mean()


@pytest.mark.parametrize(
    ("sequence", "name", "start", "end"),
    [
        (INSULIN, "signal peptide, hydrophobic core", 6, 15),
        (
            "MSVLTPLLLRGLTGSARRLPVPRAKIHSL" + "GSTDKE" * 10,
            "mitochondrial presequence, amphipathic helix",
            None,
            None,
        ),
        ("M" + "GSTDE" * 5 + "PKKKRKV" + "GSTDE" * 5, "nuclear localization, monopartite", 27, 31),
        ("M" + "GSTDE" * 5 + "KRPAATKKAGQAKKKK" + "GSTDE" * 5, "nuclear localization, bipartite", 26, None),
        ("MGSTDEGSTDEGSTKDEL", "ER retention", 14, 18),
        ("MGSTDEGSTDEGSTASKL", "peroxisome, C-terminal", 15, 18),
        ("MGSTDE" * 4 + "LLLLIVALLGLLLIVFALLAL" + "GSTDEK" * 4, "membrane-like stretch", None, None),
    ],
)
def test_known_signals_are_found(sequence: str, name: str, start: int | None, end: int | None) -> None:
    found = [signal for signal in signals.find(sequence) if signal.name == name]
    assert found
    if start is not None:
        assert found[0].start == start
    if end is not None:
        assert found[0].end == end


def test_signals_of_one_kind_do_not_begin_within_each_other() -> None:
    for seed in range(20):
        text = "".join(np.random.default_rng(seed).choice(list("KRLGAS"), 300))
        kinds: dict[str, int] = {}
        for signal in signals.find(text):
            kind = signal.name.split(",")[0]
            if kind == "nuclear localization" and "mono" in signal.name:
                others = [s for s in signals.find(text) if "bipartite" in s.name]
                assert not any(o.start <= signal.start < o.end for o in others)
            kinds[kind] = kinds.get(kind, 0) + 1
        assert kinds
    assert len(signals.find("K" * 40_000)) > 2_000  # in a moment, not in minutes


@pytest.mark.parametrize("sequence", ["M", "GSTDE" * 20, "X" * 50, "MKT"])
def test_what_holds_no_signal_has_none(sequence: str) -> None:
    assert signals.find(sequence) == []
