"""Every registered explainer by the contract: on a network, on features and on a language model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

import explained
import hub as hubs
from sortilin import registry
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.explain.attribution import Attribution
from sortilin.explain.opened import Opened, open_model
from sortilin.sequences import SequenceRecord, records_from_strings

NAMES = registry.names("explainer")
MODELS = ("network", "features", "language_model")
MOST, LAST = 30, 8
"""Residues that the network reads: of longer sequences the first 22 and the last 8."""

QUICK: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"first_steps": 4, "most_steps": 8},
    "mutagenesis": {"positions": (1, 2, 25, 33)},
}
TRAINING = {"epochs": 2, "batch_size": 16, "precision": "float32"}
POOLED = {"name": "light_attention", "options": {"filters": 4, "kernel": 3}}
WITHOUT_SCORE = {"attention", "rollout"}
UNSUITED = {
    ("attention", "features"): "has no attention",
    ("integrated_gradients", "features"): "its classifier, linear, has no gradients",
    ("saliency", "features"): "its classifier, linear, has no gradients",
    ("rollout", "features"): "has no language model",
    ("rollout", "network"): "has no language model",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A model by its name in `MODELS`, made once."""
    folder = tmp_path_factory.mktemp("models")
    x, y, _ = explained.task(3, 64, 4)

    @cache
    def once(kind: str) -> Opened:
        if kind == "network":
            spec = explained.neural("light_attention", training=TRAINING, **POOLED["options"])  # type: ignore[arg-type]
            options = spec.options | {"max_residues": MOST, "keep_last": LAST}
            return open_model(
                explained.write(folder / kind, spec.model_copy(update={"options": options}), x, y)
            )
        if kind == "features":
            spec = Component(name="linear", options={"c": [1.0]})
            features = Component(name="composition")
            return open_model(explained.write(folder / kind, spec, x, y % 2, features=features))
        options = {"backbone": "esm2_t6", "head": POOLED, "training": TRAINING, "max_residues": None}
        spec = Component(name="fine_tuned", options=options)
        return open_model(explained.write(folder / kind, spec, x, y % 2))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        with hubs.serving(patch, tmp_path_factory.mktemp("hf-home")) as hub:
            hub.publish("esm2_t6")
            yield once


def made(name: str) -> Any:
    variant = registry.get("explainer", name)
    return variant(variant.Config(**QUICK.get(name, {})))


@pytest.fixture(params=[(n, m) for n in NAMES for m in MODELS if (n, m) not in UNSUITED], ids="-".join)
def pair(request: pytest.FixtureRequest, opened: Any) -> tuple[Any, Opened, str]:
    name, model = request.param
    return made(name), opened(model), name


def asked(opened: Opened) -> tuple[list[SequenceRecord], list[str]]:
    """Sequences of many lengths, one of them twice, and classes in turn."""
    x, _, _ = explained.task(5, 5, 2, shortest=9, longest=44)
    x += ["MKV" * 12, "MKXLLAAG", x[0], "M"]
    labels = [opened.classes[row % len(opened.classes)] for row in range(len(x))]
    labels[7] = labels[0]
    return list(records_from_strings(x)), labels


def close(a: Attribution, b: Attribution) -> None:
    """Equal but for rounding: single precision in a language model, double elsewhere."""
    assert (a.id, a.sequence, a.method, a.label) == (b.id, b.sequence, b.method, b.label)
    assert a.values == pytest.approx(b.values, rel=1e-3, abs=2e-5, nan_ok=True)
    for of_a, of_b in ((a.score, b.score), (a.baseline_score, b.baseline_score)):
        assert (of_a is None) == (of_b is None)
        assert of_a is None or of_a == pytest.approx(of_b, rel=1e-4, abs=1e-5)
    assert dict(a.details) == dict(b.details)
    if a.substitutions is not None:
        assert a.substitutions == pytest.approx(b.substitutions, rel=1e-3, abs=2e-5, nan_ok=True)


def test_record_is_of_the_sequence_and_class_that_were_asked(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, name = pair
    records, labels = asked(model)
    found = list(explainer.explain(model, records, labels))
    assert [(a.id, a.sequence, a.label) for a in found] == [
        (r.id, r.sequence, label) for r, label in zip(records, labels, strict=True)
    ]
    for a in found:
        assert a.method == name
        assert a.values.shape == (len(a.sequence),)
        assert a.values.dtype == np.float64
        assert (a.score is None) == (name in WITHOUT_SCORE)
        assert (a.completeness is None) == (a.baseline_score is None) == (name != "integrated_gradients")
        assert (a.substitutions is None) == (name != "mutagenesis")
        if not explainer.signed:
            assert np.nanmin(a.values) >= 0
        assert all(isinstance(value, str | int | float | bool) for value in a.details.values())


def test_nan_stands_where_the_model_does_not_look_and_nowhere_else(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, name = pair
    records, labels = asked(model)
    is_shortened = "tokens" in model.predictor.model.description
    for a in explainer.explain(model, records, labels):
        length = len(a.sequence)
        looked = np.ones(length, dtype=bool)
        if is_shortened and length > MOST:
            looked[MOST - LAST : length - LAST] = False
        if name == "mutagenesis":
            looked &= np.isin(np.arange(length) + 1, QUICK["mutagenesis"]["positions"])
        assert np.isfinite(a.values).tolist() == looked.tolist()
        assert np.array_equal(np.flatnonzero(looked), model.places(length)) or name == "mutagenesis"


def test_order_and_company_change_nothing(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, _ = pair
    records, labels = asked(model)
    together = list(explainer.explain(model, records, labels))
    backwards = list(explainer.explain(model, records[::-1], labels[::-1]))[::-1]
    alone = [
        next(iter(explainer.explain(model, [record], [label])))
        for record, label in zip(records[:3], labels[:3], strict=True)
    ]
    for a, b in zip(together, backwards, strict=True):
        close(a, b)
    for a, b in zip(together, alone, strict=False):
        close(a, b)


def test_same_sequence_and_class_have_the_same_values(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, _ = pair
    records, labels = asked(model)
    found = list(explainer.explain(model, records, labels))
    assert found[0].sequence == found[7].sequence
    assert np.array_equal(found[0].values, found[7].values, equal_nan=True)


def test_progress_tells_of_every_record(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, name = pair
    records, labels = asked(model)
    told: list[tuple[str, int, int]] = []
    list(explainer.explain(model, records, labels, on_progress=lambda *what: told.append(what)))
    assert told[-1] == (f"explaining by {name}", len(records), len(records))


def test_score_is_the_log_odds_of_what_is_predicted(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, name = pair
    records, labels = asked(model)
    p = model.predictor.predict_proba(records)
    for row, a in enumerate(explainer.explain(model, records, labels)):
        own = p[row, model.class_index(labels[row])].clip(1e-9, 1 - 1e-9)
        assert name in WITHOUT_SCORE or a.score == pytest.approx(np.log(own / (1 - own)), abs=2e-4)


def test_unknown_class_and_too_few_classes_are_refused(pair: tuple[Any, Opened, str]) -> None:
    explainer, model, _ = pair
    records, labels = asked(model)
    with pytest.raises(ConfigError, match="the model has no class 'moon'; choose from: class0, class1"):
        list(explainer.explain(model, records, ["moon"] * len(records)))
    with pytest.raises(ConfigError, match=f"one class a sequence: found 1 classes for {len(records)}"):
        list(explainer.explain(model, records, labels[:1]))


@pytest.mark.parametrize(("name", "model"), UNSUITED)
def test_model_that_cannot_be_explained_so_is_refused_with_the_reason(
    name: str, model: str, opened: Any
) -> None:
    reason = made(name).why_not(opened(model))
    assert UNSUITED[name, model] in reason
    records, labels = asked(opened(model))
    with pytest.raises(ConfigError, match=f"cannot be explained by {name}: "):
        list(made(name).explain(opened(model), records, labels))


@pytest.mark.parametrize("name", NAMES)
def test_options_have_defaults_are_frozen_and_refuse_others(name: str) -> None:
    variant = registry.get("explainer", name)
    config = variant().config
    assert config == variant.Config()
    assert variant.title
    assert "\n" not in variant.title
    assert isinstance(variant.signed, bool)
    with pytest.raises(ValidationError):
        variant.Config(no_such_option=1)
    with pytest.raises(ValidationError):
        config.no_such_option = 1
