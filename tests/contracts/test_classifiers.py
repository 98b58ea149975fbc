"""Every registered classifier by the contract; then each against the library that fits it."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

import tiny
from sortilin import registry
from sortilin.classifiers.boosting import _largest_float32_not_above
from sortilin.embedding import residues
from sortilin.errors import MissingDependencyError
from sortilin.evaluation import calibration
from sortilin.interfaces import FEATURES, SEQUENCES, Classifier, DoubleArray, FloatArray, Inputs, IntArray
from sortilin.sequences import tokens

NAMES = registry.names("classifier")
N_CLASSES = (2, 3, 4)
SLOW_N_CLASSES = {"head": (2, 3), "neural": (2, 3), "ensemble": (2, 3), "fine_tuned": (2,)}
"""Its export takes seconds."""

CASES = [(name, c) for name in NAMES for c in SLOW_N_CLASSES.get(name, N_CLASSES)]
N_FEATURES = 9
SEED = 11

QUICK: dict[str, dict[str, Any]] = {
    "svm": {"c": (1.0,), "gamma": ("scale",)},
    "boosting": {"rounds": 30, "smallest_leaf": 5},
    "linear": {"c": (0.1,)},
    "head": {
        "head": {"name": "mlp", "options": {"hidden": [8, 4], "batch_norm": True, "dropout": 0.1}},
        "training": {"epochs": 30, "learning_rate": 0.01, "batch_size": 16},
    },
    "neural": {
        "backbone": {"name": "onehot", "options": {"embedding": 8}},
        "head": {"name": "lstm", "options": {"hidden": 8, "pooling": "attention"}},
        "training": {"epochs": 6, "learning_rate": 0.03, "batch_size": 16},
    },
}
QUICK["fine_tuned"] = {
    "head": {"name": "light_attention", "options": {"filters": 8, "kernel": 3}},
    "training": {"epochs": 12, "learning_rate": 0.01, "batch_size": 16},
}
"""Of a frozen language model; the other modes in tests/test_classifiers_fine_tuned.py."""

QUICK["calibrated"] = {"classifier": {"name": "svm", "options": QUICK["svm"]}, "folds": 3}
QUICK["one_vs_rest"] = {"classifier": {"name": "boosting", "options": QUICK["boosting"]}}
QUICK["ensemble"] = {"members": [{"classifier": {"name": "neural", "options": QUICK["neural"]}}]}
"""With members of features too in tests/test_classifiers_ensemble.py."""

ONNX_TOLERANCE = {"svm": 1e-4, "calibrated": 1e-3}
ELSE_TOLERANCE = 1e-5


class Blobs(NamedTuple):
    """Overlapping clouds of points, one a class, of unequal sizes."""

    x: FloatArray
    y: IntArray
    x_new: FloatArray
    y_new: IntArray


class Given(NamedTuple):
    """What a classifier takes: rows to learn from, and new ones."""

    x: Inputs
    y: IntArray
    x_new: Inputs
    y_new: IntArray


class Fitted(NamedTuple):
    name: str
    classifier: Classifier
    rows: Given
    n_classes: int


def blobs(n_classes: int) -> Blobs:
    rng = np.random.default_rng(n_classes)
    centres = 1.6 * rng.normal(size=(n_classes, N_FEATURES))
    y = np.repeat(np.arange(n_classes), 60 + 30 * np.arange(n_classes))
    y = rng.permutation(y).astype(np.int64)
    # Columns of very different scale, as descriptors are; the last one says nothing.
    scale = np.logspace(-2, 3, N_FEATURES)
    x = ((centres[y] + rng.normal(size=(len(y), N_FEATURES))) * scale + 3).astype(np.float32)
    x[:, -1] = 5
    half = len(y) // 2
    return Blobs(x[:half], y[:half], x[half:], y[half:])


PLANTED = ("DE", "KR", "ILV", "FWY")


@cache
def planted(n_classes: int) -> Given:
    """Short sequences that are rich in other residues in each class; classes of unequal sizes."""
    rng = np.random.default_rng(n_classes)
    y = np.repeat(np.arange(n_classes), 60 + 30 * np.arange(n_classes))
    y = rng.permutation(y).astype(np.int64)
    rows = [tiny.random_sequence(rng, int(rng.integers(12, 24)), tiny.RESIDUES + 12 * PLANTED[c]) for c in y]
    x, half = np.array(rows, dtype=object), len(y) // 2
    return Given(x[:half], y[:half], x[half:], y[half:])


def given_to(name: str, n_classes: int) -> Given:
    if registry.get("classifier", name).takes == SEQUENCES:
        return planted(n_classes)
    return Given(*blobs(n_classes))


def fit(name: str, n_classes: int, *, seed: int = SEED) -> Classifier:
    variant = registry.get("classifier", name)
    more = {"backbone": tiny_backbone()} if name == "fine_tuned" else {}
    classifier: Classifier = variant(variant.Config(**QUICK.get(name, {}), **more))
    rows = given_to(name, n_classes)
    classifier.fit(rows.x, rows.y, n_classes=n_classes, seed=seed)
    return classifier


fit_once = cache(fit)


@cache
def tiny_backbone() -> str:
    """A folder with a small random language model."""
    pytest.importorskip("transformers")
    import hub

    folder = Path(mkdtemp(prefix="sortilin-contract-"))
    atexit.register(rmtree, folder)
    for name, content in hub.files_of("esm2").items():
        (folder / name).write_bytes(content)
    return str(folder)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs of the language model stand in a folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def graph_of(name: str, n_classes: int) -> bytes:
    return fit_once(name, n_classes).to_onnx()


def onnx_scores(graph: bytes, x: Inputs) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    if "residues" in {tensor.name for tensor in session.get_inputs()}:
        vectors, mask = residues.padded(residues.of_backbone(tiny_backbone(), -1)(list(x)))
        given = {"residues": vectors, "mask": mask}
    else:
        given = {"tokens": tokens.pad(list(x))} if x.dtype == object else {"features": x}
    (scores,) = session.run(["scores"], given)
    return np.asarray(scores)


@pytest.fixture(params=CASES, ids=lambda p: f"{p[0]}-{p[1]}")
def fitted(request: pytest.FixtureRequest) -> Fitted:
    name, n_classes = request.param
    return Fitted(name, fit_once(name, n_classes), given_to(name, n_classes), n_classes)


def test_classifier_says_what_it_takes(fitted: Fitted) -> None:
    assert fitted.classifier.takes in {FEATURES, SEQUENCES}


def test_learns_and_keeps_the_order_of_classes(fitted: Fitted) -> None:
    _, classifier, data, n_classes = fitted
    calibrate = calibration.fit(classifier.scores(data.x), data.y, n_classes=n_classes)
    predicted = calibrate(classifier.scores(data.x_new)).argmax(axis=1)
    assert (predicted == data.y_new).mean() > 0.9
    assert set(predicted) == set(range(n_classes))


def test_two_classes_have_one_score_that_is_positive_for_class_1(fitted: Fitted) -> None:
    scores = fitted.classifier.scores(fitted.rows.x_new)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    if fitted.n_classes == 2:
        assert scores.shape == (len(fitted.rows.y_new), 1)
        assert ((scores[:, 0] > 0) == (fitted.rows.y_new == 1)).mean() > 0.9


def test_onnx_graph_gives_the_scores(fitted: Fitted) -> None:
    found = onnx_scores(graph_of(fitted.name, fitted.n_classes), fitted.rows.x_new)
    assert found.dtype == np.float32
    expected = fitted.classifier.scores(fitted.rows.x_new)
    assert found == pytest.approx(expected, abs=ONNX_TOLERANCE.get(fitted.name, ELSE_TOLERANCE))


def test_row_alone_has_the_scores_of_the_row_in_the_batch(fitted: Fitted) -> None:
    x, graph = fitted.rows.x_new[:40], graph_of(fitted.name, fitted.n_classes)
    for scores in (fitted.classifier.scores, lambda x: onnx_scores(graph, x)):
        alone = np.concatenate([scores(x[row : row + 1]) for row in range(5)])
        assert alone == pytest.approx(scores(x)[:5], abs=ELSE_TOLERANCE)


def test_same_seed_fits_the_same(fitted: Fitted) -> None:
    again = fit(fitted.name, fitted.n_classes)
    for key, array in fitted.classifier.arrays().items():
        assert np.array_equal(array, again.arrays()[key]), key
    # Another export in the same process, at that.
    assert again.to_onnx() == graph_of(fitted.name, fitted.n_classes)
    assert again.chosen == fitted.classifier.chosen


def test_rows_set_aside_are_scored_for_calibration(fitted: Fitted) -> None:
    aside = fitted.classifier.set_aside()
    if aside is None:
        return  # it learned from all
    scores, y = aside
    assert scores.shape == (len(y), 1 if fitted.n_classes == 2 else fitted.n_classes)
    assert set(y) == set(range(fitted.n_classes))
    assert len(y) < len(fitted.rows.y)


def test_arrays_are_plain_numbers(fitted: Fitted) -> None:
    arrays = fitted.classifier.arrays()
    assert arrays
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray), name
        assert array.dtype.kind in "iuf", name


def test_arrays_are_not_a_handle_on_the_classifier(fitted: Fitted) -> None:
    before = fitted.classifier.scores(fitted.rows.x_new)
    fitted.classifier.arrays().clear()
    assert np.array_equal(fitted.classifier.scores(fitted.rows.x_new), before)


def test_chosen_config_fits_the_same_again(fitted: Fitted) -> None:
    again: Classifier = type(fitted.classifier)(fitted.classifier.chosen_config())
    again.fit(fitted.rows.x, fitted.rows.y, n_classes=fitted.n_classes, seed=SEED)
    x = fitted.rows.x_new
    assert np.array_equal(again.scores(x), fitted.classifier.scores(x))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        registry.get("classifier", name).Config(no_such_option=1)


@pytest.mark.parametrize(
    ("name", "package", "message"),
    [
        ("svm", "sklearn.svm", "training an SVM needs scikit-learn: pip install 'sortilin[train]'"),
        (
            "linear",
            "sklearn.linear_model",
            "training a logistic regression needs scikit-learn: pip install 'sortilin[train]'",
        ),
        ("head", "torch", "training a network needs torch: pip install 'sortilin[train]'"),
        ("boosting", "lightgbm", "training boosted trees needs lightgbm: pip install 'sortilin[train]'"),
        ("neural", "torch", "training a network needs torch: pip install 'sortilin[train]'"),
        ("fine_tuned", "torch", "training a network needs torch: pip install 'sortilin[train]'"),
        ("neural", "accelerate", "training a network needs accelerate: pip install 'sortilin[train]'"),
        ("neural", "sklearn", "training a network needs scikit-learn: pip install 'sortilin[train]'"),
        ("neural", "onnxscript", "training a network needs onnxscript: pip install 'sortilin[train]'"),
    ],
)
def test_package_that_is_missing_is_named(
    name: str, package: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError) as caught:
        fit(name, 2)
    assert str(caught.value) == message


def test_onnx_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"writing a model needs onnx"):
        fit_once("svm", 2).to_onnx()


# --- support vector machine


def standardized(x: FloatArray, like: FloatArray) -> DoubleArray:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(like.astype(np.float64))
    return np.asarray(scaler.transform(x.astype(np.float64)))


@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_svm_decides_as_scikit_learn(n_classes: int) -> None:
    from sklearn.svm import SVC

    data = blobs(n_classes)
    machine = SVC(C=1.0, gamma="scale", class_weight="balanced", decision_function_shape="ovo")
    machine.fit(standardized(data.x, data.x), data.y)
    expected = machine.decision_function(standardized(data.x_new, data.x)).reshape(len(data.y_new), -1)
    assert fit_once("svm", n_classes).scores(data.x_new) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_svm_score_of_a_pair_is_positive_for_its_first_class(n_classes: int) -> None:
    data = blobs(n_classes)
    scores = fit_once("svm", n_classes).scores(data.x_new)
    for column, (first, second) in enumerate(combinations(range(n_classes), 2)):
        assert (scores[data.y_new == first, column] > 0).mean() > 0.9
        assert (scores[data.y_new == second, column] < 0).mean() > 0.9


def svm_config(**options: Any) -> Any:
    return registry.get("classifier", "svm").Config(**options)


def fitted_svm(config: Any, data: Blobs, n_classes: int) -> Classifier:
    machine: Classifier = registry.get("classifier", "svm")(config)
    machine.fit(data.x, data.y, n_classes=n_classes, seed=SEED)
    return machine


def test_svm_search_is_recorded_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from joblib import parallel_config  # type: ignore[import-untyped]
    from sklearn import model_selection

    data, search = blobs(3), {"search_folds": 3, "search_metric": "f1_macro"}
    with parallel_config(backend="threading"):  # processes take seconds to start
        searched = fitted_svm(svm_config(c=(0.001, 1.0), gamma=("scale", 100.0), **search), data, 3)
    assert set(searched.chosen) == {"c", "gamma", "f1_macro"}
    assert (searched.chosen["c"], searched.chosen["gamma"]) == (1.0, "scale")
    assert 0.8 < searched.chosen["f1_macro"] <= 1
    assert searched.chosen_config() == svm_config(c=(1.0,), gamma=("scale",), **search)

    monkeypatch.setattr(model_selection, "GridSearchCV", None)
    again = fitted_svm(searched.chosen_config(), data, 3)
    assert np.array_equal(again.scores(data.x_new), searched.scores(data.x_new))
    assert again.chosen == {}


@pytest.mark.parametrize(("gamma", "expected"), [("auto", 1 / N_FEATURES), (0.25, 0.25)])
def test_svm_kernel_width_is_the_one_asked_for(gamma: Any, expected: float) -> None:
    machine = fitted_svm(svm_config(c=(1.0,), gamma=(gamma,)), blobs(2), 2)
    assert machine.arrays()["gamma"] == pytest.approx(expected)


def test_svm_learns_nothing_from_constant_features_and_does_not_fail() -> None:
    x, y = np.full((20, 3), 7, dtype=np.float32), np.repeat([0, 1], 10)
    machine = fitted_svm(svm_config(**QUICK["svm"]), Blobs(x, y, x, y), 2)
    assert machine.arrays()["gamma"] == 1.0  # as scikit-learn has it where the variance is 0
    assert len(set(machine.scores(x)[:, 0])) == 1


# --- boosted trees


def at_the_thresholds(classifier: Classifier, x: FloatArray) -> FloatArray:
    """Rows that stand exactly on a threshold of the trees, one feature at a time."""
    nodes = classifier.arrays()
    # LightGBM takes anything up to 1e-35 for zero.
    branches = np.flatnonzero((nodes["node_modes"] == 1) & (np.abs(nodes["node_values"]) > 2e-35))[:200]
    rows = np.resize(x, (len(branches), x.shape[1]))
    rows[np.arange(len(branches)), nodes["node_features"][branches]] = nodes["node_values"][branches]
    return rows


@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_boosting_scores_as_lightgbm(n_classes: int) -> None:
    import lightgbm

    data, classifier = blobs(n_classes), fit_once("boosting", n_classes)
    counts = np.bincount(data.y)
    weight = (len(data.y) / (n_classes * counts))[data.y]
    parameters = classifier._parameters(len(data.y), n_classes, SEED)  # type: ignore[attr-defined]
    dataset = lightgbm.Dataset(data.x, data.y, weight=weight)
    booster = lightgbm.train(parameters, dataset, QUICK["boosting"]["rounds"])
    for x in (data.x_new, at_the_thresholds(classifier, data.x_new)):
        expected = np.asarray(booster.predict(x, raw_score=True)).reshape(len(x), -1)
        assert classifier.scores(x) == pytest.approx(expected, abs=1e-5)
        assert onnx_scores(classifier.to_onnx(), x) == pytest.approx(expected, abs=1e-5)


def test_boosting_features_that_say_nothing_give_one_score() -> None:
    x, y = np.full((60, 2), 7, dtype=np.float32), np.repeat(np.arange(3), 20)
    classifier: Classifier = registry.get("classifier", "boosting")()
    classifier.fit(x, y, n_classes=3, seed=SEED)
    assert len(np.unique(classifier.scores(x), axis=0)) == 1
    assert onnx_scores(classifier.to_onnx(), x) == pytest.approx(classifier.scores(x), abs=1e-5)


@pytest.mark.parametrize(("n_a_class", "smallest"), [(4, 1), (100, 4), (600, 20)])
def test_boosting_splits_small_sets_too(n_a_class: int, smallest: int) -> None:
    x = np.repeat([0.0, 1.0], n_a_class).astype(np.float32)[:, None]
    y = x[:, 0].astype(np.int64)
    classifier: Classifier = registry.get("classifier", "boosting")()
    classifier.fit(x, y, n_classes=2, seed=SEED)
    assert ((classifier.scores(x)[:, 0] > 0) == (y == 1)).all()
    parameters = classifier._parameters(2 * n_a_class, 2, SEED)  # type: ignore[attr-defined]
    assert parameters["min_data_in_leaf"] == smallest


LARGEST = float(np.finfo(np.float32).max)


@given(threshold=st.floats(-LARGEST, LARGEST), x=st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(threshold=0.1, x=0.0)
@example(threshold=1e-35, x=0.0)
@example(threshold=-0.0, x=0.0)
@example(threshold=5e-324, x=0.0)
def test_boosting_rounded_threshold_asks_the_same_question(threshold: float, x: float) -> None:
    rounded = _largest_float32_not_above(threshold)
    assert float(np.float32(rounded)) == rounded
    near = np.float32(threshold)
    neighbours = [np.nextafter(near, np.float32(way)) for way in (-LARGEST, LARGEST)]
    for value in (x, float(near), *map(float, neighbours)):
        assert (value <= threshold) == (value <= rounded)


# --- half precision


@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_svm_of_half_precision_is_half_as_large_and_scores_alike(n_classes: int) -> None:
    rows = given_to("svm", n_classes)
    variant = registry.get("classifier", "svm")
    full, half = (
        variant(variant.Config(**QUICK["svm"], half_precision=half_precision))
        for half_precision in (False, True)
    )
    for classifier in (full, half):
        classifier.fit(rows.x, rows.y, n_classes=n_classes, seed=SEED)
    assert half.arrays()["support_vectors"].dtype == np.float16
    np.testing.assert_allclose(half.scores(rows.x_new), full.scores(rows.x_new), atol=0.02)
    session = onnxruntime.InferenceSession(half.to_onnx())
    (scores,) = session.run(None, {"features": rows.x_new})
    np.testing.assert_allclose(scores, half.scores(rows.x_new), atol=1e-4)
    assert len(half.to_onnx()) < 0.8 * len(full.to_onnx())
