"""Where in a eukaryotic cell a protein does its work: four places, one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sortilin.interfaces import Question

# Spellings of DeepLoc, UniProt and everyday speech.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "cytosol": ("cyto", "cytosolic", "cytoplasm", "cytoplasmic", "cyt"),
    "secreted": (
        "secretory",
        "secretion",
        "secretome",
        "extracellular",
        "extracellular space",
        "extracellular region",
        "exported",
        "extr",
    ),
    "mitochondrion": (
        "mito",
        "mitochondria",
        "mitochondrial",
        "mitochondrial matrix",
        "mitochondrion matrix",
        "mit",
    ),
    "nucleus": ("nuclear", "nuc", "nucl", "nuclei"),
}


class Localization:
    """Subcellular localization of eukaryotic proteins: cytosol, secreted, mitochondrion or nucleus."""

    name: ClassVar[str] = "localization"
    title: ClassVar[str] = "Subcellular localization of eukaryotic proteins (4 classes)"
    classes: ClassVar[tuple[str, ...]] = tuple(_SPELLINGS)
    aliases: ClassVar[Mapping[str, str]] = {
        spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
    }
    metric: ClassVar[str] = "macro_f1"
    dataset: ClassVar[str | None] = "psl"
    more_datasets: ClassVar[tuple[str, ...]] = ()
    blind: ClassVar[str | None] = "psl-blind"
    gives_way: ClassVar[Mapping[str, str]] = {}
    questions: ClassVar[tuple[Question, ...]] = ()
    citation: ClassVar[str] = (
        "Li M., Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization: A "
        "Comparative Study of LSTMs and Protein Language Models, University College London"
    )
    limits: ClassVar[tuple[str, ...]] = (
        "Eukaryotic proteins only: a bacterial, archaeal or viral sequence gets an answer without meaning.",
        "Four places only: proteins of membranes, ER, Golgi, lysosome, peroxisome or plastids are forced in.",
        "Trained on one place for each protein: one that works in two places gets one of them.",
        "Cytosol and nucleus are told apart least well.",
        "The full sequence as translated: without signal or transit peptide a protein may look cytosolic.",
        "Short peptides are called secreted with high confidence, whatever they are.",
        "A prediction from sequence is no evidence of location in a given cell, tissue or condition.",
    )
    not_for: ClassVar[tuple[str, ...]] = (
        "Sequences of bacteria, archaea or viruses, and sets in which they are mixed with others.",
        "What a mutation does to the location of a protein: no variant was trained on or tested.",
        "Fragments, domains, peptides or mature chains taken for whole proteins as translated.",
        "To rule a place out: a protein may be elsewhere too, or in a compartment that is no class here.",
        "Annotation that is written to a database as if it were observed: mark it as predicted.",
        "Diagnosis, treatment or any other decision about a patient.",
    )


VARIANT = Localization
