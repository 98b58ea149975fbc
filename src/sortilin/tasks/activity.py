"""What a peptide kills: cancer cells, microbes alone as far as is known, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sortilin.interfaces import Question

# A bare 0 is no spelling: it says what a peptide does not do, and not whether it is antimicrobial.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "neither": ("not_anticancer", "inactive", "none", "other", "random"),
    "antimicrobial": ("amp", "anti_microbial", "antimicrobial_peptide", "antibacterial", "antifungal"),
    "anticancer": ("1", "+1", "acp", "anti_cancer", "anticancer_peptide"),
}


class Activity:
    """Activity of peptides: `anticancer`, `antimicrobial` without known anticancer activity, or `neither`."""

    name: ClassVar[str] = "activity"
    title: ClassVar[str] = "Activity of peptides: anticancer, only antimicrobial, or neither (3 classes)"
    classes: ClassVar[tuple[str, ...]] = tuple(_SPELLINGS)
    aliases: ClassVar[Mapping[str, str]] = {
        spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
    }
    metric: ClassVar[str] = "mcc"
    dataset: ClassVar[str | None] = "acp"
    more_datasets: ClassVar[tuple[str, ...]] = ("acp-hard",)
    blind: ClassVar[str | None] = None
    gives_way: ClassVar[Mapping[str, str]] = {"neither": "antimicrobial"}
    questions: ClassVar[tuple[Question, ...]] = (
        Question("anticancer-or-neither", "anticancer or neither?", "anticancer", "neither", "acp"),
        Question(
            "anticancer-or-antimicrobial",
            "anticancer or only antimicrobial?",
            "anticancer",
            "antimicrobial",
            "acp-hard",
        ),
    )
    citation: ClassVar[str] = (
        "Gao S. et al. (2025), ACP-ESM2: Enhancing Anticancer Peptide Prediction With Pre-Trained Protein "
        "Language Models, doi:10.1109/TCBBIO.2025.3547952; data after Bian J. et al. (2024), ACP-ML, "
        "Computers in Biology and Medicine 170:108063; Agrawal P. et al. (2021), AntiCP 2.0: an updated "
        "model for predicting anticancer peptides, Briefings in Bioinformatics 22(3), doi:10.1093/bib/bbaa153"
    )
    limits: ClassVar[tuple[str, ...]] = (
        "Anticancer and only antimicrobial are told apart poorly: three in four, of new families six in ten.",
        "'Only antimicrobial' means that no anticancer activity was published, not that there is none.",
        "'Neither' means unlike both: those in training are mostly unlike any active peptide.",
        "No test of toxicity: what kills cancer cells often harms healthy cells and red blood cells too.",
        "Short peptides only: nine in ten of those in training have 11 to 50 residues.",
        "A sequence unlike any in training gets an answer too: most whole proteins are called anticancer.",
        "The plain sequence: amidation, cyclization, D-residues and lipids are not seen.",
        "No dose and no cell line: activity was published for some concentration, on some cells.",
    )
    not_for: ClassVar[tuple[str, ...]] = (
        "To rule out that an antimicrobial peptide is anticancer too: test it.",
        "To call a peptide safe, selective or a drug: harm to healthy cells was never looked at.",
        "Whole proteins or proteomes: the model knows short peptides alone.",
        "To compare doses, cell lines or modified forms of a peptide.",
        "As the only reason to make or to drop a peptide: test it, and those that it says no to as well.",
        "Diagnosis, treatment or any other decision about a patient.",
    )


VARIANT = Activity
