"""Folds that are kept while a training is under way."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sortilin import experiment
from sortilin.component import Component
from sortilin.experiment import kept, validate
from sortilin.experiment.config import validated
from sortilin.experiment.validate import Problem
from sortilin.interfaces import Watch

TREES = Component(name="boosting", options={"rounds": 5})


def _problem(seed: int = 3) -> Problem:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (rng.normal(size=(60, 4)) + y[:, None]).astype(np.float32)
    return Problem(x, y, ("no", "yes"), 3, seed)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Component]:
    """What is fitted, in order."""
    made: list[Component] = []
    fitted = validate.fitted

    def counted(spec: Component, *rest: Any) -> Any:
        made.append(spec)
        return fitted(spec, *rest)

    monkeypatch.setattr(validate, "fitted", counted)
    return made


def test_folds_that_are_kept_are_not_fitted_again(tmp_path: Path, fits: list[Component]) -> None:
    watch = Watch(workspace=tmp_path)
    first = validate.cross_validate(TREES, _problem(), watch)
    assert len(fits) == 3
    again = validate.cross_validate(TREES, _problem(), watch)
    assert len(fits) == 3
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert first.chosen == again.chosen
    assert (first.n_kept, again.n_kept) == (0, 3)


def test_a_killed_cross_validation_goes_on_where_it_stood(tmp_path: Path, fits: list[Component]) -> None:
    watch = Watch(workspace=tmp_path)
    whole = validate.cross_validate(TREES, _problem(), watch)
    (tmp_path / "fold-2" / kept.FOLD).unlink()
    resumed = validate.cross_validate(TREES, _problem(), watch)
    assert len(fits) == 4
    np.testing.assert_array_equal(whole.probabilities, resumed.probabilities)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (Component(name="boosting", options={"rounds": 6}), _problem()),
        (TREES, _problem(seed=4)),
        (TREES, Problem(_problem().x + 1, _problem().y, ("no", "yes"), 3, 3)),
        (TREES, Problem(_problem().x, _problem().y[::-1], ("no", "yes"), 3, 3)),
    ],
    ids=["options", "seed", "features", "classes"],
)
def test_folds_of_another_run_are_not_taken(
    tmp_path: Path, fits: list[Component], spec: Component, problem: Problem
) -> None:
    watch = Watch(workspace=tmp_path)
    validate.cross_validate(TREES, _problem(), watch)
    validate.cross_validate(spec, problem, watch)
    assert len(fits) == 6


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not at all"])
def test_a_damaged_fold_is_measured_again(tmp_path: Path, fits: list[Component], content: bytes) -> None:
    watch = Watch(workspace=tmp_path)
    whole = validate.cross_validate(TREES, _problem(), watch)
    (tmp_path / "fold-1" / kept.FOLD).write_bytes(content)
    again = validate.cross_validate(TREES, _problem(), watch)
    assert len(fits) == 4
    np.testing.assert_array_equal(whole.probabilities, again.probabilities)


def test_a_network_is_calibrated_on_what_it_set_aside_when_its_folds_are_found_again(tmp_path: Path) -> None:
    head = Component(name="head", options={"training": {"epochs": 2}, "validation": 0.2})
    watch = Watch(workspace=tmp_path)
    first = validate.cross_validate(head, _problem(), watch)
    again = validate.cross_validate(head, _problem(), watch)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)


def test_the_card_says_what_an_earlier_start_had_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    rows = (
        f"{''.join(rng.choice(list(letters), 12))},{label}"
        for label, letters in (("yes", "KRH"), ("no", "DES"))
        for _ in range(15)
    )
    table = tmp_path / "table.csv"
    table.write_text("sequence,label\n" + "\n".join(rows) + "\n")
    values = {
        "task": "custom",
        "data": str(table),
        "features": {"name": "composition"},
        "classifier": TREES.model_dump(),
        "seed": 1,
        "folds": 3,
        "holdout": 0,
        "baselines": False,
    }
    config = validated(values, "here")

    def dying(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(import_module("sortilin.experiment.run"), "final_fit", dying)
        with pytest.raises(KeyboardInterrupt):
            experiment.run(config, tmp_path / "model")
    model, _ = experiment.run(config, tmp_path / "model")
    assert "behind 3 folds that an earlier start had measured" in model.card
    assert not list(tmp_path.rglob(kept.FOLD))
    again, _ = experiment.run(config, tmp_path / "other")
    assert "an earlier start" not in again.card
