"""A question of one's own: the classes are those of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sortilin.interfaces import Question


class Custom:
    """Any two or more classes of proteins or peptides; `sortilin.tasks.classes_of` finds them."""

    name: ClassVar[str] = "custom"
    title: ClassVar[str] = "Your own classes, two or more, from labelled sequences"
    classes: ClassVar[tuple[str, ...]] = ()
    aliases: ClassVar[Mapping[str, str]] = {}
    metric: ClassVar[str] = "macro_f1"
    dataset: ClassVar[str | None] = None
    more_datasets: ClassVar[tuple[str, ...]] = ()
    blind: ClassVar[str | None] = None
    gives_way: ClassVar[Mapping[str, str]] = {}
    questions: ClassVar[tuple[Question, ...]] = ()
    citation: ClassVar[str] = "None: the classes and the data are yours, and so is what to cite."
    limits: ClassVar[tuple[str, ...]] = (
        "A model knows the classes that it was given, and forces every sequence into one of them.",
        "It learns what sets your classes apart, wanted or not: length, species or source of the sequences.",
        "Relatives of training sequences among the test sequences make it look better than it is.",
    )
    not_for: ClassVar[tuple[str, ...]] = ()


VARIANT = Custom
