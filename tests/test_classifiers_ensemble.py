"""Ensembles: the mean of their members, whatever these read, as they are fitted and as a model folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import tiny
from sortilin import artifact, predictor, registry
from sortilin.classifiers import ensemble as ensembles
from sortilin.component import Component
from sortilin.errors import ConfigError, ModelFolderError, UnknownNameError
from sortilin.evaluation.calibration import log_softmax, softmax
from sortilin.experiment import ExperimentConfig, run, validate
from sortilin.experiment.run import final_fit
from sortilin.interfaces import SEQUENCES, IntArray
from sortilin.predictor import Predictor, load
from sortilin.sequences import tokens

CLASSES = tuple(tiny.PLANTED)
TREES: dict[str, Any] = {
    "features": {"name": "targeting"},
    "classifier": {"name": "boosting", "options": {"rounds": 8}},
}
NETWORK: dict[str, Any] = {
    "classifier": {
        "name": "neural",
        "options": {
            "backbone": {"name": "onehot", "options": {"embedding": 6}},
            "head": {"name": "lstm", "options": {"hidden": 6}},
            "training": {"epochs": 2, "learning_rate": 0.03, "batch_size": 16},
            "max_residues": 50,
            "keep_last": 10,
        },
    },
    "weight": 3.0,
}
MIXED = [TREES, NETWORK]


def made(members: list[Any], **options: Any) -> Any:
    variant = registry.get("classifier", "ensemble")
    return variant(variant.Config(members=members, **options))


def labelled(n_classes: int = 3, seed: int = 1) -> tuple[NDArray[Any], IntArray]:
    rows = [(label, s) for label, s in tiny.labelled(seed, 24) if CLASSES.index(label) < n_classes]
    y = np.array([CLASSES.index(label) for label, _ in rows])
    return np.array([sequence for _, sequence in rows], dtype=object), y


@cache
def fitted(n_classes: int = 3, *, neighbours: bool = False) -> Any:
    classifier = made(MIXED, neighbours=neighbours)
    x, y = labelled(n_classes)
    classifier.fit(x, y, n_classes=n_classes, seed=4)
    return classifier


def test_scores_are_the_weighted_mean_of_log_probabilities() -> None:
    x, _ = labelled(seed=2)
    ensemble = fitted()
    trees, network = ensemble._members
    features = registry.get("features", "targeting")().transform(list(x))
    expected = 0.25 * np.log(softmax(trees.scores(features))) + 0.75 * np.log(softmax(network.scores(x)))
    assert ensemble.scores(x) == pytest.approx(expected, abs=1e-12)


def test_two_classes_have_the_mean_of_the_log_odds() -> None:
    x, _ = labelled(2, seed=2)
    ensemble = fitted(2)
    trees, network = ensemble._members
    features = registry.get("features", "targeting")().transform(list(x))
    expected = 0.25 * trees.scores(features) + 0.75 * network.scores(x)
    assert expected.shape == (len(x), 1)
    assert ensemble.scores(x) == pytest.approx(expected, abs=1e-12)


def test_members_have_seeds_of_their_own() -> None:
    x, y = labelled()
    twins = made([NETWORK, NETWORK])
    twins.fit(x, y, n_classes=3, seed=4)
    one, other = (member.arrays()["backbone.vectors.weight"] for member in twins._members)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("neighbours", [False, True])
def test_graph_takes_what_the_members_read(n_classes: int, neighbours: bool) -> None:
    x, _ = labelled(n_classes, seed=2)
    ensemble = fitted(n_classes, neighbours=neighbours)
    session = onnxruntime.InferenceSession(ensemble.to_onnx(), providers=["CPUExecutionProvider"])
    assert [tensor.name for tensor in session.get_inputs()] == ["features", "tokens"]
    policy = ensemble._members[1].config.length_policy
    given = {
        "features": ensemble._features(x),
        "tokens": tokens.pad([policy.apply(s) for s in x]),
    }
    (found,) = session.run(["scores"], given)
    assert found == pytest.approx(ensemble.scores(x), abs=1e-5)


def test_neighbours_of_a_training_sequence_are_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    boosting = registry.get("classifier", "boosting")
    real = boosting.fit

    def fit(this: Any, x: Any, y: IntArray, **options: Any) -> None:
        seen.append(x)
        real(this, x, y, **options)

    monkeypatch.setattr(boosting, "fit", fit)
    x, y = labelled()
    ensemble = made([TREES], neighbours=True)
    ensemble.fit(x, y, n_classes=3, seed=4)
    n = ensemble._neighbours.n_columns
    assert np.array_equal(seen[0][:, -n:], ensemble._neighbours.features(list(x), own=np.arange(len(x))))
    itself = ensemble._neighbours.features(list(x))
    assert not np.array_equal(seen[0][:, -n:], itself)
    assert (itself.reshape(len(x), 3, 3)[:, :, 0].argmax(axis=1) == y).all()


def test_a_stranger_is_learned_from_beside_each_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    boosting = registry.get("classifier", "boosting")
    real = boosting.fit

    def fit(this: Any, x: Any, y: IntArray, **options: Any) -> None:
        seen.append((x, y))
        real(this, x, y, **options)

    monkeypatch.setattr(boosting, "fit", fit)
    x, y = labelled()
    x, y = np.append(x, x[0] * 2), np.append(y, y[0])  # one has a near relative
    ensemble = made([TREES], neighbours=True, strangers=True)
    ensemble.fit(x, y, n_classes=3, seed=4)
    ((table, classes),) = seen
    n, own = ensemble._neighbours.n_columns, np.arange(len(x))
    both = table[:, -n:].reshape(2, len(x), n)
    bits = ensembles.STRANGE_BITS
    expected = ensemble._neighbours.features_of_strangers(list(x), own=own, most_bits=bits)
    assert np.array_equal(both, expected)
    assert np.array_equal(classes, np.tile(y, 2))
    assert np.array_equal(table[: len(x), :-n], table[len(x) :, :-n])
    assert both[0].reshape(len(x), 3, 3)[:, :, 0].max() > np.log1p(bits)
    assert both[1].reshape(len(x), 3, 3)[:, :, 0].max() <= np.log1p(bits) + 1e-6


def test_a_network_learns_from_each_sequence_once() -> None:
    x, y = labelled()
    once, twice = (made([NETWORK, TREES], neighbours=True, strangers=s) for s in (False, True))
    for ensemble in (once, twice):
        ensemble.fit(x, y, n_classes=3, seed=4)
    first, second = (ensemble._members[0].scores(x) for ensemble in (once, twice))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        ([{"classifier": {"name": "boosting"}}], {}, "'boosting' needs features"),
        ([{**NETWORK, "features": {"name": "length"}}], {}, "'neural' reads the sequence itself"),
        (
            [TREES, {**TREES, "features": {"name": "length"}}],
            {},
            "members of an ensemble share one descriptor set; found length and targeting",
        ),
        (
            [NETWORK, {"classifier": {"name": "neural"}}],
            {},
            "networks of an ensemble read the same residues",
        ),
        ([{"classifier": {"name": "ensemble"}}], {}, "an ensemble is no member of an ensemble"),
        ([NETWORK], {"neighbours": True}, "neighbours: true follows features"),
        ([TREES], {"strangers": True}, "set neighbours: true as well"),
        (
            [{**TREES, "classifier": {"name": "calibrated"}}],
            {"neighbours": True, "strangers": True},
            "'calibrated' may split its rows; allowed with features: boosting, and head with validation: 0",
        ),
        (
            [{"features": {"name": "targeting"}, "classifier": {"name": "svm"}}],
            {},
            "'svm' gives no log-odds",
        ),
        (
            [{**TREES, "classifier": {"name": "boosting", "options": {"round": 3}}}],
            {},
            "classifier 'boosting': round: Extra inputs are not permitted",
        ),
    ],
)
def test_members_that_do_not_go_together_are_refused(
    members: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(members, **options)
    assert message in str(caught.value)


def test_unknown_member_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'boosting'"):
        made([{**TREES, "classifier": {"name": "bosting"}}])


# --- as a model folder


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with neighbours"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("ensemble")
    table = tiny.write_table(folder / "t.csv", tiny.labelled(1, 24))
    config = ExperimentConfig(
        task="custom",
        data=(str(table),),
        classifier={"name": "ensemble", "options": {"members": MIXED, "neighbours": request.param}},
        seed=4,
        folds=2,
        holdout=0,
        baselines=False,
    )
    run(config, folder / "model")
    return load(folder / "model")


def test_folder_predicts_what_it_was_measured_on_alone_and_in_a_batch(served: Predictor) -> None:
    sequences = [sequence for _, sequence in tiny.labelled(7, 10)]
    table = served.predict_proba(sequences)
    assert table.sum(axis=1) == pytest.approx(1)
    assert np.vstack([served.predict_proba([s]) for s in sequences]) == pytest.approx(table, abs=1e-6)
    assert served.predict_proba(sequences[::-1])[::-1] == pytest.approx(table, abs=1e-6)
    truth = [label for label, _ in tiny.labelled(7, 10)]
    found = [served.classes[c] for c in table.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(truth, found, strict=True)]) > 0.7


def test_number_of_threads_changes_no_bit(served: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 7)
    sequences = tiny.random_sequences(3, 60, shortest=1, longest=200)
    expected = served.predict_proba(sequences).tolist()
    for threads in (2, 4):
        found = load(served.model.path, threads=threads).predict_proba(sequences)
        assert found.tolist() == expected


def test_folder_says_what_is_read(served: Predictor) -> None:
    description = served.model.description
    assert description["format_version"] == artifact.FORMAT_VERSION
    assert description["features"]["name"] == "targeting"
    assert description["tokens"] == {"max_residues": 50, "keep_last": 10}
    assert "shortened_to:50" in served.predict(["MKV" * 40])[0].flags
    assert served.model.description["classifier"]["name"] == "ensemble"
    assert registry.get("classifier", "ensemble").takes == SEQUENCES


def test_folder_scores_as_the_classifier_does(served: Predictor) -> None:
    x, y = labelled()
    ensemble = made(MIXED, neighbours="neighbours" in served.model.description)
    ensemble.fit(x, y, n_classes=3, seed=4)
    new = [sequence for _, sequence in tiny.labelled(7, 10)]
    assert served.scores(new) == pytest.approx(ensemble.scores(np.array(new, dtype=object)), abs=1e-5)


@pytest.mark.parametrize("served", [True], indirect=True, ids=["with neighbours"])
def test_damaged_neighbours_are_named(served: Predictor, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    description = {k: v for k, v in served.model.description.items() if k not in ("files", "format_version")}
    arrays = {
        name: served.model.array(name)
        for name in ("calibration.weights", "calibration.bias", "training_hashes")
    }
    arrays |= {
        f"classifier.neighbours.{n}": a for n, a in fitted(neighbours=True)._neighbours.arrays().items()
    }
    arrays["classifier.neighbours.classes"] = arrays["classifier.neighbours.classes"] + 9
    artifact.write(folder, description, graph=served.model.graph, arrays=arrays, card="x")
    with pytest.raises(ModelFolderError, match="is damaged: its input cannot be made: lengths and classes"):
        load(folder).predict_proba(["MKV"])
    others = {**description, "neighbours": {"columns": ["nearest"]}}
    artifact.write(folder, others, graph=served.model.graph, arrays=arrays, card="x")
    with pytest.raises(ModelFolderError, match="expects other columns of neighbours"):
        load(folder).predict_proba(["MKV"])


def test_ensemble_that_searches_nothing_is_calibrated_on_the_folds_that_were_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fitted().chosen_config() == fitted().config
    x, y = labelled()
    problem = validate.Problem(x, y, CLASSES, 2, 4)
    spec = Component(name="ensemble", options={"members": [TREES]})
    measured = validate.cross_validate(spec, problem)
    fits: list[Any] = []
    real = validate.fitted

    def counted(*given: Any) -> Any:
        fits.append(given)
        return real(*given)

    monkeypatch.setattr(validate, "fitted", counted)
    final_fit(spec, problem, measured)
    assert len(fits) == 1


def test_log_probabilities_stay_finite() -> None:
    logits = np.array([[0.0, 2000.0, -3000.0]])
    assert np.isfinite(log_softmax(logits)).all()
    assert np.exp(log_softmax(logits)) == pytest.approx(softmax(logits))


def test_folder_has_no_attention(served: Predictor) -> None:
    with pytest.raises(ConfigError, match="has no attention"):
        served.attention(["MKV"])
