"""The bundled peptide model by question on folds that split no family, by two rules of what a family is.

    python benchmarks/peptide_families.py [CONFIG.yaml]

One rule is that of `train --homology` (sortilin.sequences.clusters): homologues by MMseqs2 or phmmer, and
peptides that share 60 % of the shorter one's residues. The other leaves the latter out: E-value of at most
0.001 and 30 % identity alone. An E-value says little of a peptide, so that near copies stand in two folds
there, and its figures are higher. Needs the papers' data and some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sortilin.experiment import grouped, loaded, questions, read_config, validate
from sortilin.experiment.inputs import Inputs
from sortilin.sequences import clusters, homology, mmseqs
from sortilin.sequences.clusters import Groups

CONFIG = Path(__file__).parents[1] / "configs" / "anticancer.yaml"


def by_e_value(groups: Groups, sequences: Sequence[str]) -> Groups:
    """Groups by the links of homologues alone, found anew; the relatives stay those of the first search."""
    program = mmseqs.find()
    if program is None:
        pairs, tool = homology.similar_pairs(sequences), "phmmer"
    else:
        pairs = mmseqs.similar_pairs(program, sequences, max_e_value=homology.MAX_E_VALUE)
        tool = f"MMseqs2 {mmseqs.version(program)}"
    group = np.arange(len(sequences))
    for pair in pairs:
        if pair.identity >= clusters.MIN_IDENTITY:
            low, high = sorted((group[pair.first], group[pair.second]))
            group[group == high] = low
    return replace(groups, labels=group, tool=tool)


def main() -> None:
    """Print a table a rule."""
    config = read_config(Path(sys.argv[1]) if len(sys.argv) > 1 else CONFIG)
    training = loaded.load(config).training
    x = Inputs.of(config.features)(training.sequences)
    problem = validate.Problem(x, training.y, training.classes, config.folds, config.seed)
    product = clusters.groups(training.sequences)
    rules = {"as in train --homology": product, "by E-value alone": by_e_value(product, training.sequences)}
    for rule, groups in rules.items():
        folds = grouped.folds(training, groups, config.folds, config.seed)
        measured = validate.cross_validate(config.classifier, problem, folds=folds)
        print(f"{rule} ({groups.tool}): {groups.n:,} groups, the largest of {groups.largest:,}")
        for question in questions.of_task(config.task):
            answer = questions.of_folds(question, training, measured, name=rule, part="", seed=config.seed)
            if answer is not None:
                print(
                    f"  {question.title:40} n = {answer.pooled.n:,}  "
                    f"MCC {answer.mean('mcc'):.3f} ± {answer.spread('mcc'):.3f}  "
                    f"ROC-AUC {answer.mean('roc_auc'):.3f}  ECE, all folds {answer.pooled.metrics['ece']:.3f}"
                )


if __name__ == "__main__":
    main()
