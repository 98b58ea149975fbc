"""Whether a peptide is like those that kill cancer cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sortilin.interfaces import Question

# Class 1 is the positive one, so the order is that of the labels 0 and 1.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "not_anticancer": (
        "0",
        "-1",
        "non_anticancer",
        "nonanticancer",
        "non_acp",
        "nonacp",
        "not_acp",
        "inactive",
        "negative",
        "neg",
        "no",
        "false",
        "antimicrobial",
    ),
    "anticancer": (
        "1",
        "+1",
        "acp",
        "anti_cancer",
        "anticancer_peptide",
        "active",
        "positive",
        "pos",
        "yes",
        "true",
    ),
}


class Anticancer:
    """Anticancer activity of peptides; class 1, `anticancer`, is the positive one."""

    name: ClassVar[str] = "anticancer"
    title: ClassVar[str] = "Anticancer activity of peptides (yes or no)"
    classes: ClassVar[tuple[str, ...]] = tuple(_SPELLINGS)
    aliases: ClassVar[Mapping[str, str]] = {
        spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
    }
    metric: ClassVar[str] = "mcc"
    dataset: ClassVar[str | None] = "acp"
    more_datasets: ClassVar[tuple[str, ...]] = ()
    blind: ClassVar[str | None] = None
    gives_way: ClassVar[Mapping[str, str]] = {}
    questions: ClassVar[tuple[Question, ...]] = ()
    citation: ClassVar[str] = (
        "Gao S. et al. (2025), ACP-ESM2: Enhancing Anticancer Peptide Prediction With Pre-Trained Protein "
        "Language Models, doi:10.1109/TCBBIO.2025.3547952; data after Bian J. et al. (2024), ACP-ML, "
        "Computers in Biology and Medicine 170:108063"
    )
    limits: ClassVar[tuple[str, ...]] = (
        "A yes means 'looks like an antimicrobial, membrane-active peptide'.",
        "Negatives in training are mostly unlike any active peptide.",
        "Antimicrobial peptides with and without anticancer activity are hardly told apart.",
        "No test of toxicity: what kills cancer cells often harms healthy cells and red blood cells too.",
        "Short peptides only: 91 % of those in training have 11 to 50 residues.",
        "A sequence unlike any in training gets an answer all the same, often yes: most whole proteins do.",
        "The plain sequence: amidation, cyclization, D-residues and lipids are not seen.",
        "No dose and no cell line: activity was published for some concentration, on some cells.",
    )
    not_for: ClassVar[tuple[str, ...]] = (
        "To pick the anticancer peptides out of antimicrobial ones.",
        "To call a peptide safe, selective or a drug: harm to healthy cells was never looked at.",
        "Whole proteins or proteomes: the model knows short peptides alone.",
        "To compare doses, cell lines or modified forms of a peptide.",
        "As the only reason to make or to drop a peptide: test it, and those that it says no to as well.",
        "Diagnosis, treatment or any other decision about a patient.",
    )


VARIANT = Anticancer
