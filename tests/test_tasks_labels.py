"""Labels as people write them, and the classes of a person's own data."""

from __future__ import annotations

import pytest

from sortilin.errors import LabelError
from sortilin.sequences import SequenceRecord
from sortilin.tasks import classes_of, resolve
from sortilin.tasks.anticancer import Anticancer
from sortilin.tasks.localization import Localization


def labelled(*labels: str | None) -> list[SequenceRecord]:
    return [SequenceRecord(f"r{n}", "MKV", label=label) for n, label in enumerate(labels, 1)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("cytosol", "cytosol"),
        ("Cytoplasm", "cytosol"),
        ("cyto", "cytosol"),
        ("CYTOPLASMIC", "cytosol"),
        ("Extracellular", "secreted"),
        ("extracellular_space", "secreted"),
        ("secreted", "secreted"),
        ("mito", "mitochondrion"),
        ("Mitochondria", "mitochondrion"),
        (" mitochondrial ", "mitochondrion"),
        ("Nucleus", "nucleus"),
        ("nuclear", "nucleus"),
    ],
)
def test_spelling_of_a_location_finds_its_class(written: str, expected: str) -> None:
    assert resolve(Localization.classes, Localization.aliases, written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1", "anticancer"),
        ("0", "not_anticancer"),
        ("-1", "not_anticancer"),
        ("ACP", "anticancer"),
        ("non-ACP", "not_anticancer"),
        ("non_acp", "not_anticancer"),
        ("Not Anticancer", "not_anticancer"),
        ("positive", "anticancer"),
        ("negative", "not_anticancer"),
    ],
)
def test_spelling_of_activity_finds_its_class(written: str, expected: str) -> None:
    assert resolve(Anticancer.classes, Anticancer.aliases, written) == expected


def test_unknown_label_names_the_classes_and_the_nearest() -> None:
    with pytest.raises(LabelError) as caught:
        resolve(Localization.classes, Localization.aliases, "nuclues")
    assert str(caught.value) == (
        "unknown label 'nuclues'; did you mean 'nucleus'? "
        "choose from: cytosol, secreted, mitochondrion, nucleus"
    )


def test_unknown_label_that_is_like_none_names_the_classes() -> None:
    with pytest.raises(LabelError) as caught:
        resolve(Localization.classes, Localization.aliases, "peroxisome")
    assert str(caught.value) == (
        "unknown label 'peroxisome'; choose from: cytosol, secreted, mitochondrion, nucleus"
    )


def test_empty_label_is_named() -> None:
    with pytest.raises(LabelError) as caught:
        resolve(Anticancer.classes, Anticancer.aliases, "  ")
    assert str(caught.value) == "empty label; choose from: not_anticancer, anticancer"


def test_own_classes_are_sorted() -> None:
    assert classes_of(labelled("b", "a", "c", "a", "b", "c")) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "there are no records; a task needs at least 2 classes"),
        (("a", "a", "a"), "all 3 records are 'a'; a task needs at least 2 classes"),
        (("a", None), "record 'r2' has no label; every record needs one"),
        (("a", ""), "record 'r2' has no label; every record needs one"),
        (
            ("a", "a", "b", "c"),
            "too few sequences of class 'b' (1), 'c' (1); each needs at least 2: add more, or leave it out",
        ),
        (
            ("ER", "er", "ER", "er"),
            "classes 'ER' and 'er' differ only in spelling; write them alike",
        ),
    ],
)
def test_data_that_make_no_task_are_refused(labels: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(LabelError) as caught:
        classes_of(labelled(*labels))
    assert str(caught.value) == message
