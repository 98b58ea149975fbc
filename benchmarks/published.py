"""The published rows beside ours, with the bars that ours must reach.

    python benchmarks/published.py [--runs FOLDER]

Trains configs/localization-svm.yaml and configs/anticancer.yaml into FOLDER (default: runs), or takes
the model folders that stand there already. Exit code 1 if a bar is missed. Needs the papers' data
(fetched, or SORTILIN_DATA_DIR) and about half an hour on two free cores for the SVM's nested search.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sortilin.experiment import read_config, run

CONFIGS = Path(__file__).parents[1] / "configs"
LOCALIZATION, ANTICANCER = "localization-svm", "anticancer"
MIN_SVM_MACRO_F1 = 0.65
MIN_TEST1_MCC = 0.82
PUBLISHED_SVM = ("SVM, paper 1 (one validation split)", 0.658)
PUBLISHED_ACP = {
    "test1": (("ACP-ML", 0.770), ("ACP-ESM2", 0.825)),
    "test2": (("ACP-ML", 0.843), ("ACP-ESM2", 0.950)),
}
PUBLISHED_ACP_HARD = 0.51


def measured(runs: Path, name: str) -> dict[str, Any]:
    """Figures of a run that stands in the folder, or is made now."""
    folder = runs / name
    if not folder.exists():
        print(f"training {name} into {folder}", file=sys.stderr)
        run(read_config(CONFIGS / f"{name}.yaml"), folder)
    figures: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return figures


def localization(figures: dict[str, Any]) -> Iterator[bool]:
    """Paper 1's SVM row and the baselines: hold-out, mean and spread of the folds."""
    print("\nlocalization, macro-F1 (seed 42)")
    print(f"{'model':38} {'80/20 split':>12} {'5-fold mean':>12} {'sd':>6}")
    print(f"{PUBLISHED_SVM[0]:38} {PUBLISHED_SVM[1]:12.3f}")
    for row in figures["rows"]:
        values = [fold["metrics"]["macro_f1"] for fold in row["folds"]]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
        held_out = row["holdout"]["metrics"]["macro_f1"]
        print(f"{row['model']:38} {held_out:12.3f} {mean:12.3f} {spread:6.3f}")
    reached = figures["rows"][0]["holdout"]["metrics"]["macro_f1"]
    yield bar("SVM on the 71 features, 80/20 split", reached, MIN_SVM_MACRO_F1)


def anticancer(figures: dict[str, Any]) -> Iterator[bool]:
    """Paper 2's test sets by its question: whole, and without what Train holds; AntiCP 2.0's by its own."""
    print("\nanticancer or neither, MCC (everything chosen on training data)")
    first, second = figures["questions"]
    for test in first["tests"]:
        label = f"ours, {test['name']}, {test['part']}"
        print(f"{label:62} {test['metrics']['mcc']:.3f}  n = {test['n']}")
    for split, rows in PUBLISHED_ACP.items():
        for model, value in rows:
            print(f"{f'{model}, {split}, whole (published)':62} {value:.3f}")
    print("\nanticancer or only antimicrobial, MCC")
    for row in second["folds"]:
        label = f"ours, {row['model']}, {row['folds_of']}"
        print(f"{label:62} {row['pooled']['metrics']['mcc']:.3f}  n = {row['pooled']['n']}")
    print(f"{'AntiCP 2.0, its own random test set (published)':62} {PUBLISHED_ACP_HARD:.3f}")
    test1 = next(test for test in first["tests"] if test["name"] == "acp:test1")
    yield bar("Test1", test1["metrics"]["mcc"], MIN_TEST1_MCC)


def bar(what: str, reached: float, least: float) -> bool:
    """Say whether a bar is met."""
    is_met = reached >= least
    print(f"bar: {what}: {reached:.3f}, at least {least}: {'met' if is_met else 'MISSED'}")
    return is_met


def main() -> None:
    """Both tables, then the verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    runs = parser.parse_args().runs
    verdicts = [*localization(measured(runs, LOCALIZATION)), *anticancer(measured(runs, ANTICANCER))]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
