"""The leakage audit: copies, near copies, homologues, labels, shortcuts, and the anticancer data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import tiny
from sortilin import audit, datasets
from sortilin.audit import AuditedSet, AuditOptions, homologues, pairs, text
from sortilin.errors import ConfigError, InputError, MissingDependencyError, UnknownNameError
from sortilin.interfaces import IntArray
from sortilin.sequences import homology, mmseqs, peptides

pytest.importorskip("pyopal")

A, B, C, D, E, F = tiny.random_sequences(21, 6, shortest=40, longest=60)
QUICK = AuditOptions(aligner="builtin", homologues=False, shortcuts=False)


def changed(sequence: str, n: int) -> str:
    """With so many residues replaced, each a few places from the next."""
    letters = list(sequence)
    for place in range(5, 5 + 3 * n, 3):
        letters[place] = "C" if letters[place] != "C" else "W"
    return "".join(letters)


def a_set(name: str, sequences: Sequence[str], labels: str | None = None) -> AuditedSet:
    return AuditedSet(name, tuple(sequences), None if labels is None else tuple(labels))


@pytest.fixture(params=["builtin", pytest.param("mmseqs", marks=pytest.mark.slow)])
def aligner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "mmseqs" and mmseqs.find() is None:
        pytest.skip("MMseqs2 is not installed: no `mmseqs` on the PATH")
    if name == "builtin":
        pytest.importorskip("pyhmmer")
    return name


# what sets share


def test_copies_near_copies_and_the_rest_of_a_test_set() -> None:
    found = audit.run(a_set("train", [A, B, C]), [a_set("test", [A, A, changed(B, 1), D])], QUICK)
    (shared,) = found.overlaps
    assert shared.is_training
    assert shared.is_copy.tolist() == [True, True, False, False]
    assert shared.is_near.tolist() == [True, True, True, False]
    assert shared.nearest.tolist() == [0, 0, 1, -1]
    assert shared.identity[:3] == pytest.approx([1, 1, 1 - 1 / len(B)])
    assert np.isnan(shared.identity[3])
    assert (shared.n_different(shared.is_copy), shared.n_different(shared.is_near)) == (1, 2)
    assert found.is_clean("test").tolist() == [False, False, False, True]
    assert found.summary()[0] == (
        "Of test, 1 of 3 different sequences (2 of 4 rows) stands in train, letter for letter; with near "
        "copies (identity of 90 % or more) it is 2."
    )


def test_test_sets_are_compared_with_each_other() -> None:
    found = audit.run(a_set("train", [A]), [a_set("one", [B, C]), a_set("two", [C, changed(B, 1), D])], QUICK)
    assert [(o.test, o.other) for o in found.overlaps] == [("one", "train"), ("two", "train"), ("two", "one")]
    last = found.overlaps[-1]
    assert (int(last.is_copy.sum()), int(last.is_near.sum()), last.is_training) == (1, 2, False)
    assert "one and two share 1 sequence, with near copies 2 of two." in found.summary()


def test_reaching_a_limit_below_the_identity() -> None:
    train, test = a_set("train", [A]), a_set("test", [changed(A, 8), B])
    identity = 1 - 8 / len(A)
    assert audit.run(train, [test], QUICK).reaches(0.9) == {}
    found = audit.run(train, [test], replace(QUICK, limit=0.7))
    assert found.overlaps[0].identity[0] == pytest.approx(identity)
    assert found.reaches(0.7) == {"test": 1}
    assert found.is_clean("test").all()  # which is told by the identity, not by the limit


def test_homologues_are_found_beyond_near_copies(aligner: str) -> None:
    rng = np.random.default_rng(5)
    protein = tiny.random_sequence(rng, 300)
    far = "".join(
        letter if rng.random() < 0.6 else str(rng.choice(list(tiny.RESIDUES))) for letter in protein
    )
    peptide = A[:14]
    test = a_set("test", [far, changed(peptide, 3), tiny.random_sequence(rng, 200), protein])
    options = AuditOptions(aligner=aligner, shortcuts=False)
    found = audit.run(a_set("train", [peptide, protein]), [test], options)
    (shared,) = found.overlaps
    assert shared.is_homologous is not None
    assert shared.is_homologous.tolist() == [True, True, False, True]
    assert shared.is_near.tolist() == [False, False, False, True]
    assert shared.homologue.tolist() == [1, 0, -1, -1]
    assert shared.e_value[0] < 1e-3
    kinds = [(pair.row, pair.kind, pair.other_row) for pair in found.pairs]
    assert kinds == [(0, "homologue", 1), (1, "homologue", 0), (3, "copy", 1)]


def test_peptides_are_homologous_by_identity_where_no_e_value_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyhmmer")
    monkeypatch.setattr(homology, "best_hits", lambda queries, *_, **_options: [None] * len(queries))
    test = a_set("test", [changed(A, 9), D, B])
    found = audit.run(a_set("train", [C, A]), [test], AuditOptions(aligner="builtin", shortcuts=False))
    (shared,) = found.overlaps
    assert shared.homologue.tolist() == [1, -1, -1]
    assert np.isnan(shared.e_value).all()
    assert [pair.kind for pair in found.pairs] == ["homologue"]


def test_too_many_peptides_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyhmmer")
    monkeypatch.setattr(homologues, "MOST_PEPTIDE_PAIRS", 1)
    options = AuditOptions(aligner="builtin", shortcuts=False)
    found = audit.run(a_set("train", [A, B]), [a_set("test", [C])], options)
    assert found.notes == (
        "Peptides were searched by E-value alone, not one by one: 2 pairs are more than 1.",
    )


def test_order_of_rows_and_sets_changes_no_count() -> None:
    train, test = [A, B, C, changed(C, 2)], [changed(A, 1), B, D, B]
    one = audit.run(a_set("train", train), [a_set("test", test), a_set("more", [D, E])], QUICK)
    two = audit.run(a_set("train", train[::-1]), [a_set("more", [E, D]), a_set("test", test[::-1])], QUICK)
    for name in ("test", "more"):
        before, after = (
            next(o for o in found.overlaps if o.test == name and o.is_training) for found in (one, two)
        )
        assert before.identity.tolist() == pytest.approx(after.identity[::-1].tolist(), nan_ok=True)


# labels, repeats, lengths


def test_conflicting_labels_within_and_across() -> None:
    train = a_set("train", [A, A, B, C], "yyyn")
    test = a_set("test", [B, C, D, D], "nnyn")
    found = audit.run(train, [test], QUICK)
    assert [(c.sequence, c.is_within) for c in found.conflicts] == [(B, False), (D, True)]
    assert found.conflicts[0].places == (("train", 2, "y"), ("test", 0, "n"))
    said = found.summary()
    assert "1 sequence has two labels within one set." in said
    assert "1 sequence has one label in one set and another in another." in said
    both = audit.run(a_set("train", [A, D], "yy"), [test], QUICK).conflicts
    assert [(c.sequence, c.is_within, c.is_across) for c in both] == [(D, True, True)]


def test_near_copies_of_another_label_are_counted() -> None:
    test = a_set("test", [changed(A, 1), changed(B, 1)], "nn")
    found = audit.run(a_set("train", [A, B], "yn"), [test], QUICK)
    assert found.overlaps[0].n_other_label == 1
    assert found.conflicts == ()
    assert "No sequence has two labels." in found.summary()


def test_repeats_near_copies_within_and_class_balance() -> None:
    found = audit.run(a_set("train", [A, A, changed(A, 1), B], "yyyn"), [], QUICK)
    (alone,) = found.within
    assert (alone.n, alone.n_different, alone.n_repeats, alone.n_near) == (4, 3, 1, 2)
    assert dict(alone.class_counts) == {"n": 1, "y": 3}
    assert alone.lengths_by_class["n"].median == len(B)
    assert found.overlaps == ()
    said = found.summary()
    assert "train holds 1 repeat of a sequence." in said
    assert "Classes in train: y = 3 (75 %), n = 1 (25 %)." in said


def test_unlabelled_sets_are_compared_all_the_same() -> None:
    found = audit.run(a_set("train", [A]), [a_set("test", [A])], QUICK)
    assert found.overlaps[0].is_copy.all()
    assert any(line.startswith("No labels are known") for line in found.summary())


# shortcuts


def lengths_tell(n: int, seed: int) -> tuple[list[str], str]:
    """Classes that differ by length alone."""
    rng = np.random.default_rng(seed)
    short = [tiny.random_sequence(rng, int(length)) for length in rng.integers(20, 30, n)]
    long = [tiny.random_sequence(rng, int(length)) for length in rng.integers(40, 60, n)]
    return [*short, *long], "s" * n + "l" * n


def test_shortcut_by_length_is_found_and_tests_choose_nothing() -> None:
    pytest.importorskip("lightgbm")
    train, test = (a_set(name, *lengths_tell(40, seed)) for name, seed in (("train", 1), ("test", 2)))
    options = AuditOptions(aligner="builtin", homologues=False)
    found = audit.run(train, [test], options)
    by_length, by_composition = found.shortcuts
    assert (by_length.sees, by_composition.sees) == ("length", "composition")
    assert by_length.cross_validation["mcc"] > 0.95
    assert by_length.tests["test"]["mcc"] > 0.95
    assert by_composition.n == by_length.n == 80
    turned = a_set("test", test.sequences, "".join(test.labels or ())[::-1])
    again = audit.run(train, [turned], options).shortcuts[0]
    assert again.cross_validation == by_length.cross_validation
    assert again.tests["test"]["mcc"] == pytest.approx(-by_length.tests["test"]["mcc"])


def test_shortcuts_are_scored_without_what_leaks_too() -> None:
    pytest.importorskip("lightgbm")
    sequences, labels = lengths_tell(30, 3)
    new, new_labels = lengths_tell(10, 4)
    test = a_set("test", [*sequences[:20], *new], labels[:20] + new_labels)
    (by_length, _) = audit.run(
        a_set("train", sequences, labels), [test], AuditOptions(aligner="builtin", homologues=False)
    ).shortcuts
    alone = audit.run(
        a_set("train", sequences, labels),
        [a_set("test", new, new_labels)],
        AuditOptions(aligner="builtin", homologues=False),
    ).shortcuts[0]
    assert by_length.clean["test"] == alone.tests["test"]
    assert "test" not in alone.clean


def test_shortcuts_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    options = AuditOptions(aligner="builtin", homologues=False)
    few = audit.run(a_set("train", [A, B, C], "yyn"), [], options)
    (note,) = few.notes
    assert note.startswith(
        "Shortcuts were not measured: train has 2 classes, the rarest of 1; 5 folds need two"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found = audit.run(a_set("train", *lengths_tell(10, 1)), [], options)
    assert found.shortcuts == ()
    assert found.notes == (
        "Shortcuts were not measured: they need scikit-learn: pip install 'sortilin[train]'.",
    )


# errors, plain values, text


def test_empty_sets_and_equal_names_are_refused() -> None:
    with pytest.raises(InputError, match="test holds no sequence"):
        audit.run(a_set("train", [A]), [a_set("test", [])], QUICK)
    with pytest.raises(InputError, match="two sets are called 'train'"):
        audit.run(a_set("train", [A]), [a_set("train", [B])], QUICK)


def test_options_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mmseqs'"):
        AuditOptions(aligner="mmseqs2")
    with pytest.raises(ConfigError, match="the limit of identity is 90; allowed: above 0, up to 1"):
        AuditOptions(limit=90)
    with pytest.raises(ConfigError, match="identity is 0; allowed: above 0, up to 1"):
        AuditOptions(identity=0)
    monkeypatch.setattr(mmseqs, "find", lambda: None)
    with pytest.raises(ConfigError, match="aligner 'mmseqs' needs MMseqs2"):
        audit.run(a_set("train", [A, B]), [], AuditOptions(aligner="mmseqs", shortcuts=False))


def test_plain_values_are_json_and_hold_what_the_text_says() -> None:
    found = audit.run(a_set("train", [A, B], "yn"), [a_set("test", [A, C], "ny")], QUICK)
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["overlaps"][0]["copies"] == {"rows": 1, "sequences": 1}
    assert plain["overlaps"][0]["homologous"] is None
    assert plain["overlaps"][0]["largest_identity"] == 1.0
    assert plain["conflicts"][0]["places"][1] == {"set": "test", "row": 1, "id": "1", "label": "n"}
    assert plain["summary"] == found.summary()
    written = text.of(found)
    assert all(f"- {line}" in written for line in found.summary())


def test_pairs_name_who_leaks_from_whom() -> None:
    train = AuditedSet("train", (A, B), ("y", "n"), ("a", "b\tx"))
    test = AuditedSet("test", (changed(B, 1), A), ("y", "y"), ("t1", "t2"))
    found = audit.run(train, [test], QUICK)
    header, *lines = pairs.tsv(found).decode().splitlines()
    assert header.split("\t") == list(pairs.COLUMNS)
    rows = [dict(zip(pairs.COLUMNS, line.split("\t"), strict=True)) for line in lines]
    assert [(r["id"], r["label"], r["with_id"], r["with_label"], r["kind"]) for r in rows] == [
        ("t1", "y", "b%09x", "n", "near copy"),
        ("t2", "y", "a", "y", "copy"),
    ]
    assert float(rows[0]["identity"]) == pytest.approx(1 - 1 / len(B), abs=1e-4)


# what training and benchmarks call


@dataclass(frozen=True)
class Given:
    name: str
    sequences: tuple[str, ...]
    y: IntArray
    classes: tuple[str, ...] = ("no", "yes")


def test_of_labelled_needs_names_of_classes_only() -> None:
    train, test = Given("data", (A, B), np.array([0, 1])), Given("data", (A, C), np.array([1, 1]))
    found = audit.of_labelled(train, [test])
    assert [one.name for one in found.sets] == ["data", "data (2)"]
    assert found.overlaps[0].is_copy.tolist() == [True, False]
    assert found.conflicts[0].places == (("data", 0, "no"), ("data (2)", 0, "yes"))
    assert found.notes == ("Homologues were not searched.",)


def test_of_labelled_without_the_aligner_finds_copies_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingDependencyError("comparing peptides", "pyopal", "train")

    monkeypatch.setattr(peptides, "require", missing)
    given = Given("data", (A, B), np.array([0, 1]))
    found = audit.of_labelled(given, [Given("test", (A, C), np.array([0, 1]))])
    assert found.overlaps[0].is_copy.tolist() == [True, False]
    assert found.within[0].n_near is None
    assert found.notes[0].startswith("Near copies were not looked for: comparing peptides needs pyopal")
    with pytest.raises(MissingDependencyError):
        audit.run(AuditedSet.of(given), [], QUICK)


def test_of_labelled_does_not_align_thousands_of_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["sortilin.audit.run"], "MOST_CELLS", 1_000)
    given = Given("data", (A, changed(A, 1)), np.array([0, 1]))
    found = audit.of_labelled(given, [Given("test", (A, C), np.array([0, 1]))])
    assert found.overlaps[0].is_copy.tolist() == [True, False]
    assert found.notes[0].startswith("Near copies were not looked for: too many of 3 sequences are alike")


# the anticancer data


def test_anticancer_data_share_what_is_known(
    aligner: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """175 of Test2 stand in Train, none of Test1, 37 in both tests; CD-HIT finds 181 of Test2 at 90 %."""
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    sets = [AuditedSet.of_records(name, datasets.load("acp", name)) for name in ("train", "test1", "test2")]
    options = AuditOptions(aligner=aligner, homologues=False, shortcuts=False)
    found = audit.run(sets[0], sets[1:], options)
    one, two, between = found.overlaps
    assert (int(one.is_copy.sum()), two.n_different(two.is_copy), int(two.is_copy.sum())) == (0, 175, 176)
    assert int(between.is_copy.sum()) == 37
    assert abs(two.n_different(two.is_near) - 181) <= 3
    assert abs(int(two.is_near.sum()) - 181) <= 3
    assert [c.is_within for c in found.conflicts] == [True]
    assert found.within[2].n_repeats == 1
