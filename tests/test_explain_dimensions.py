"""Dimensions of features, and maps of attention: planted ones are found, sums add up, order is nothing."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sortilin import benchmark
from sortilin.benchmark import explained as of_benchmark
from sortilin.benchmark.config import validated
from sortilin.classifiers._network import FeatureNetwork
from sortilin.errors import ConfigError, InputError
from sortilin.evaluation.calibration import uncalibrated
from sortilin.explain import attention_maps
from sortilin.explain.attention_maps import AttentionSettings, Looks, explain_attention, maps
from sortilin.explain.dimensions import (
    DimensionSettings,
    Model,
    Rows,
    analysed,
    explain_dimensions,
    gradients,
    permutation,
    planes,
    summary,
    why_not,
)
from sortilin.explain.dimensions.gradients import Differentiable
from sortilin.interfaces import DoubleArray, FloatArray, IntArray
from sortilin.registry import get
from sortilin.report.benchmark import _explained
from sortilin.sequences import SequenceRecord

PLANTED = (3, 17)
"""Dimensions that the classes differ in; the others are noise."""

WIDTH, CLASSES = 24, ("left", "middle", "right")
SETTINGS = DimensionSettings(seed=5, top=4, shuffles=3)


def rows(seed: int, n: int) -> tuple[FloatArray, IntArray]:
    """Noise of unlike scales round means other than 0; two dimensions tell three classes apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, WIDTH))
    y = (x[:, PLANTED[0]] > 0).astype(np.int64) + (x[:, PLANTED[1]] > 0.5)
    scale, shift = np.linspace(0.1, 30, WIDTH), np.linspace(-5, 40, WIDTH)
    return (x * scale + shift).astype(np.float32), y


@dataclass
class Fitted:
    classifier: Any
    x: FloatArray
    y: IntArray

    @property
    def model(self) -> Model:
        return Model(self.classifier.scores, probabilities(3), self.classifier._network)

    @property
    def rows(self) -> Rows:
        return Rows(self.x, self.y, CLASSES, tuple(f"v{n + 1}" for n in range(WIDTH)))


def probabilities(n_classes: int) -> Callable[[DoubleArray], DoubleArray]:
    def of(scores: DoubleArray) -> DoubleArray:
        found = uncalibrated(scores, n_classes)
        assert found is not None
        return found

    return of


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    x, y = rows(0, 600)
    variant = get("classifier", "head")
    training = {"epochs": 30, "learning_rate": 0.02, "average": None}
    options = {"head": {"name": "mlp", "options": {"hidden": [16]}}, "training": training}
    classifier = variant(variant.Config(**options))
    classifier.fit(x, y, n_classes=3, seed=1)
    held_out, of_held_out = rows(1, 120)
    return Fitted(classifier, held_out, of_held_out)


@pytest.fixture
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to load, and one test of it is enough."""
    monkeypatch.setitem(planes.NEEDS, "UMAP", ("umap-learn", "no_such_module_of_umap"))


def network(head: str, options: dict[str, Any], n_classes: int, width: int = WIDTH) -> FeatureNetwork:
    """Random weights: for what must hold of any network."""
    variant = get("head", head)
    x, _ = rows(0, 50)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        built = variant(variant.Config(**options), width=width, n_classes=n_classes)
        return FeatureNetwork(built, x[:, :width].mean(axis=0), x[:, :width].std(axis=0)).eval()


# --- gradients


def test_planted_dimensions_are_found_by_all_three_ways(fitted: Fitted) -> None:
    found = gradients.explained(Differentiable(fitted.classifier._network), fitted.x.astype(np.float64))
    means = summary.means(found)
    shuffled = permutation.of_network(
        fitted.classifier._network, fitted.x, fitted.y, probabilities(3), shuffles=5, seed=1
    )
    for way in (means["absolute"], means["saliency"], shuffled.mean("log_loss"), shuffled.mean("accuracy")):
        assert set(summary.ranked(way, 2)) == set(PLANTED)
    assert min(means["absolute"][list(PLANTED)]) > 3 * np.sort(means["absolute"])[-3]


@pytest.mark.parametrize("baseline", ["mean", "zero"])
@pytest.mark.parametrize("output", ["logit", "log_odds"])
def test_attributions_add_up_to_the_change_of_the_output(fitted: Fitted, baseline: Any, output: Any) -> None:
    net = fitted.classifier._network
    found = gradients.explained(
        Differentiable(net, baseline=baseline, output=output), fitted.x.astype(np.float64)
    )
    at = np.asarray(net.mean) if baseline == "mean" else np.zeros(WIDTH, dtype=np.float32)
    with torch.inference_mode():
        both = [net(torch.from_numpy(v)).double().numpy() for v in (fitted.x, at[None])]
    if output == "log_odds":
        both = [
            np.log(p) - np.log1p(-p) for p in (np.exp(v - np.logaddexp.reduce(v, 1)[:, None]) for v in both)
        ]
    places = np.arange(len(fitted.x))
    change = both[0][places, found.targets] - both[1][0, found.targets]
    error = np.abs(found.values.sum(axis=1) - change) / np.abs(change)
    assert (found.targets == fitted.classifier.scores(fitted.x).argmax(axis=1)).all()
    assert np.quantile(error, 0.95) < 0.01
    assert found.completeness == pytest.approx(error, abs=2e-3)


def test_rows_whose_sum_misses_get_more_steps(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "FIRST_STEPS", 2)
    found = gradients.explained(Differentiable(fitted.classifier._network), fitted.x.astype(np.float64))
    assert len(set(found.steps.tolist())) > 2
    assert (found.completeness[found.steps < gradients.MOST_STEPS] < gradients.TOLERANCE).all()


def test_gradients_of_a_row_do_not_depend_on_its_company(fitted: Fitted) -> None:
    model, x = Differentiable(fitted.classifier._network), fitted.x.astype(np.float64)
    whole = gradients.explained(model, x[:20])
    alone = gradients.explained(model, x[7:8])
    assert alone.values[0] == pytest.approx(whole.values[7], rel=1e-9, abs=1e-12)
    assert alone.saliency[0] == pytest.approx(whole.saliency[7], rel=1e-9, abs=1e-12)


def test_linear_network_is_its_weights() -> None:
    net = network("linear", {}, 3)
    x, _ = rows(2, 8)
    targets = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    found = gradients.explained(Differentiable(net), x.astype(np.float64), targets)
    weights = net.get_parameter("head.layers.1.weight").detach().double().numpy()
    z = (x - net.mean.numpy().astype(np.float64)) / net.scale.numpy().astype(np.float64)
    assert found.values == pytest.approx(z * weights[targets], rel=1e-6, abs=1e-9)
    assert found.saliency == pytest.approx(np.abs(weights[targets]), rel=1e-6)
    assert (found.steps == gradients.FIRST_STEPS).all()


def test_network_that_keeps_no_mean_allows_zero_only() -> None:
    net = network("linear", {}, 2)
    net.mean.zero_()
    with pytest.raises(ConfigError, match="keeps no mean of them; allowed baseline: zero"):
        Differentiable(net)
    assert not Differentiable(net, baseline="zero").baseline.any()


def test_module_without_standardization_is_refused() -> None:
    with pytest.raises(ConfigError, match="a Linear takes no features"):
        Differentiable(torch.nn.Linear(3, 2))


# --- permutation


HEADS: list[tuple[str, dict[str, Any]]] = [
    ("linear", {}),
    ("mlp", {"hidden": [8]}),
    ("mlp", {"hidden": [9, 5], "batch_norm": True, "dropout": [0.3, 0.2]}),
    ("light_attention", {}),
]


def direct(
    net: FeatureNetwork, x: FloatArray, y: IntArray, shuffles: int, seed: int
) -> dict[str, DoubleArray]:
    """Each shuffle by itself, from the first layer on."""
    deep = net.double()

    def measured(z: NDArray[Any]) -> dict[str, float]:
        with torch.inference_mode():
            logits = deep(torch.from_numpy(z.astype(np.float64))).numpy()
        scores = logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits
        table = probabilities(logits.shape[1])(scores)
        right = table.argmax(axis=1) == y
        return {"accuracy": -right.mean(), "log_loss": -np.log(table[np.arange(len(y)), y]).mean()}

    base = measured(x)
    losses = {name: np.zeros((x.shape[1], shuffles)) for name in base}
    for dimension in range(x.shape[1]):
        for shuffle in range(shuffles):
            mixed = x.copy()
            mixed[:, dimension] = x[permutation.order_of_shuffle(seed, dimension, shuffle, len(x)), dimension]
            now = measured(mixed)
            for name in base:
                losses[name][dimension, shuffle] = now[name] - base[name]
    return losses


@pytest.mark.parametrize(("head", "options"), HEADS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_fast_permutation_equals_the_direct_one(head: str, options: dict[str, Any], n_classes: int) -> None:
    net = network(head, options, n_classes, width=6)
    x, y = rows(3, 40)
    x, y = x[:, :6], y % n_classes
    found = permutation.of_network(net, x, y, probabilities(n_classes), shuffles=2, seed=9)
    expected = direct(net, x, y, 2, 9)
    assert found.losses["accuracy"] == pytest.approx(expected["accuracy"], rel=0, abs=1e-15)
    assert found.losses["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-9, abs=1e-12)


def test_any_classifier_gives_what_its_network_gives(fitted: Fitted) -> None:
    kept = fitted.x[:50], fitted.y[:50]
    of_network = permutation.of_network(
        fitted.classifier._network, *kept, probabilities(3), shuffles=3, seed=2
    )
    of_scores = permutation.of_scores(fitted.classifier.scores, *kept, probabilities(3), shuffles=3, seed=2)
    assert of_scores.losses["accuracy"] == pytest.approx(of_network.losses["accuracy"], abs=1e-12)
    assert of_scores.losses["log_loss"] == pytest.approx(of_network.losses["log_loss"], abs=1e-5)
    assert of_scores.whole["accuracy"] == of_network.whole["accuracy"]


def test_dimension_that_is_always_the_same_costs_nothing_and_is_not_asked_for() -> None:
    x, y = rows(4, 30)
    x[:, 5] = 2.5
    asked: list[int] = []

    def scores(batch: FloatArray) -> DoubleArray:
        asked.append(len(batch))
        return batch[:, [PLANTED[0], PLANTED[1], 5]].astype(np.float64)

    found = permutation.of_scores(scores, x, y, probabilities(3), shuffles=4, seed=1)
    assert not found.losses["log_loss"][5].any()
    assert len(asked) == WIDTH  # once as they are, and the shuffles of a dimension together
    assert set(summary.ranked(np.abs(found.mean("log_loss")), 2)) == set(PLANTED)


def test_macro_f1_of_a_shuffle_is_that_of_the_evaluation(fitted: Fitted) -> None:
    from sortilin.evaluation import metrics

    table = probabilities(3)(fitted.classifier.scores(fitted.x))
    found = permutation._metrics(fitted.y, table)
    expected = metrics.evaluate(fitted.y, table, CLASSES).metrics
    assert found == pytest.approx({name: expected[name] for name in permutation.METRICS})


# --- all of it


@pytest.fixture(scope="module")
def whole(fitted: Fitted) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(planes.NEEDS, "UMAP", ("umap-learn", "no_such_module_of_umap"))
        return analysed(fitted.model, fitted.rows, SETTINGS)


def test_values_are_plain_and_name_what_they_rest_on(whole: dict[str, Any]) -> None:
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
    assert set(whole["top"][:2]) == set(PLANTED)
    assert whole["gradients"]["completeness"]["share_below"] >= 0.95
    assert sum(part["n"] for part in whole["gradients"]["per_class"].values()) == whole["n"] == 120
    assert whole["permutation"]["whole"]["accuracy"] > 0.8
    assert set(whole["agreement"]) == {
        "integrated_gradients,saliency",
        "integrated_gradients,permutation",
        "saliency,permutation",
    }
    assert [plane["of"] for plane in whole["planes"]] == ["all dimensions", "top 4"]
    for plane in whole["planes"]:
        assert set(plane["per_class"]) == set(CLASSES)
        assert 0 <= plane["trustworthiness"] <= 1
    all_of, top = whole["planes"]
    assert top["silhouette"] > all_of["silhouette"]  # without the noise the classes stand apart


@pytest.mark.usefixtures("without_umap")
def test_order_of_the_rows_changes_nothing(fitted: Fitted, whole: dict[str, Any]) -> None:
    order = np.random.default_rng(6).permutation(len(fitted.x))
    found = analysed(fitted.model, fitted.rows.taken(order), SETTINGS)
    back = np.argsort(order)
    for plane, other in zip(found["planes"], whole["planes"], strict=True):
        assert plane["xy"] == [other["xy"][row] for row in order]
        assert np.array(plane["y"])[back].tolist() == other["y"]
        assert plane["rows"] == other["rows"] == list(range(len(order)))
    assert {k: v for k, v in found.items() if k != "planes"} == {
        k: v for k, v in whole.items() if k != "planes"
    }


@pytest.mark.usefixtures("without_umap")
def test_too_many_rows_are_drawn_class_by_class(fitted: Fitted) -> None:
    few = analysed(
        fitted.model, fitted.rows, SETTINGS.model_copy(update={"max_rows": 30, "max_projected": 12})
    )
    counts = np.bincount(fitted.y, minlength=3)
    drawn = [few["gradients"]["per_class"][name]["n"] for name in CLASSES]
    assert (few["n"], few["n_given"], sum(drawn)) == (30, 120, 30)
    assert drawn == pytest.approx(30 * counts / 120, abs=1.01)
    assert {len(plane["xy"]) for plane in few["planes"]} == {12}


@pytest.mark.usefixtures("without_umap")
def test_without_labels_the_predicted_classes_stand_there(fitted: Fitted) -> None:
    found = analysed(fitted.model, replace(fitted.rows, y=None), SETTINGS)
    predicted = np.bincount(fitted.classifier.scores(fitted.x).argmax(axis=1), minlength=3)
    assert found["permutation"] is None
    assert not found["is_labelled"]
    assert [part["n"] for part in found["gradients"]["per_class"].values()] == predicted.tolist()


@pytest.mark.usefixtures("without_umap")
def test_without_a_network_dimensions_are_ranked_by_shuffling(fitted: Fitted) -> None:
    found = analysed(replace(fitted.model, network=None), fitted.rows, SETTINGS)
    assert found["gradients"] is None
    assert set(found["top"][:2]) == set(PLANTED)
    html, pictures = _explained.of_dimensions(found, "trees", "120 sequences")
    assert [p.name for p in pictures] == ["dimensions_permutation", "dimensions_planes"]
    assert "Integrated gradients" not in html


def test_one_row_is_too_few(fitted: Fitted) -> None:
    with pytest.raises(InputError, match="1 sequences; the dimensions are explained on 2 or more"):
        analysed(fitted.model, fitted.rows.taken(np.array([0])), SETTINGS)


@pytest.mark.slow
def test_umap_is_the_same_for_the_same_seed() -> None:
    pytest.importorskip("umap")
    x, y = rows(7, 40)
    first, again = (planes.of(x.astype(np.float64), y, CLASSES, what="all", seed=3) for _ in range(2))
    assert [plane["method"] for plane in first] == ["t-SNE", "UMAP"]
    assert first == again


def test_silhouettes_are_those_of_scikit_learn(whole: dict[str, Any], fitted: Fitted) -> None:
    from sklearn.metrics import silhouette_score

    mean, scale = gradients.standardization(fitted.classifier._network)
    z = (fitted.x - mean.numpy()) / scale.numpy()
    plane = whole["planes"][0]
    assert plane["silhouette"] == pytest.approx(silhouette_score(z, fitted.y), abs=1e-5)
    xy, y = np.array(plane["xy"]), np.array(plane["y"])
    assert plane["silhouette_plane"] == pytest.approx(silhouette_score(xy, y), abs=1e-2)


def test_names_that_only_count_give_way_to_the_number() -> None:
    from sortilin.report.benchmark._explained_dimensions import dimension_name

    found = {"names": ["v1", "esm2_1", "first_10", "length"]}
    assert [dimension_name(found, place) for place in range(4)] == ["0", "1", "first_10", "length"]


def test_cosines_of_known_vectors() -> None:
    found = summary.cosines({"a": np.array([1.0, 0]), "b": np.array([1.0, 1]), "c": np.zeros(2)})
    assert found[0][:2] == pytest.approx([1, np.sqrt(0.5)])
    assert found[2] == [None, None, None]


def test_rank_agreement_is_spearmans() -> None:
    stats = pytest.importorskip("scipy.stats")

    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 40).astype(float), rng.normal(size=40)
    assert summary.rank_agreement(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert summary.rank_agreement(a, np.ones(40)) is None


# --- tables, figures and the section


@dataclass
class FakePredictor:
    """What an opened model is asked for, of features that are looked up."""

    fitted: Fitted
    feature_names: tuple[str, ...] = tuple(f"v{n + 1}" for n in range(WIDTH))

    def features(self, sequences: Sequence[str]) -> FloatArray:
        return self.fitted.x[[int(s) for s in sequences]]

    def scores_of_features(self, x: FloatArray) -> DoubleArray:
        found: DoubleArray = self.fitted.classifier.scores(x)
        return found

    def probabilities_of_scores(self, scores: DoubleArray) -> DoubleArray:
        return probabilities(3)(scores)


@dataclass
class FakeOpened:
    fitted: Fitted
    predictor: FakePredictor
    classes: tuple[str, ...] = CLASSES
    name: str = "runs/mine"

    def feature_network(self) -> Any:
        return self.fitted.classifier._network


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.mark.usefixtures("without_umap")
def test_tables_figures_and_the_section_are_written(fitted: Fitted, tmp_path: Path) -> None:
    opened = cast(Any, FakeOpened(fitted, FakePredictor(fitted)))
    names = [str(n) for n in range(len(fitted.x))]
    found = explain_dimensions(opened, names, fitted.y, tmp_path / "why", SETTINGS)
    assert {path.relative_to(tmp_path / "why").as_posix() for path in found.files} == {
        *(
            f"{t}.tsv"
            for t in ("dimensions", "top_dimensions", "class_similarity", "permutation", "projections")
        ),
        *(
            f"figures/dimensions_{figure}.{kind}"
            for figure in ("overall", "by_class", "similarity", "permutation", "planes")
            for kind in ("svg", "png")
        ),
    }
    for path in found.files:
        start = path.read_bytes()[:8]
        assert path.suffix != ".png" or start == b"\x89PNG\r\n\x1a\n"
        assert path.suffix != ".svg" or start.startswith(b"<?xml")
    assert len(read_table(tmp_path / "why" / "dimensions.tsv")) == 4 * WIDTH
    top = read_table(tmp_path / "why" / "top_dimensions.tsv")
    assert {int(row["dimension"]) for row in top if row["class"] == "all" and int(row["rank"]) <= 2} == set(
        PLANTED
    )
    assert len(top) == 4 * SETTINGS.top
    assert len(read_table(tmp_path / "why" / "class_similarity.tsv")) == 9
    places = read_table(tmp_path / "why" / "projections.tsv")
    assert len(places) == 2 * 120
    assert [CLASSES.index(row["class"]) for row in places[:120]] == fitted.y.tolist()
    assert found.title == "What the embedding dimensions say"
    assert found.html.count("<figure>") == found.html.count('src="data:image/svg+xml;base64,') == 5
    assert "runs/mine" in found.html
    for address in re.findall(r'base64,([^"]+)"', found.html):
        assert b"<svg" in base64.b64decode(address)


def test_model_of_residues_has_no_dimensions(fitted: Fitted, tmp_path: Path) -> None:
    opened = cast(Any, FakeOpened(fitted, FakePredictor(fitted, feature_names=())))
    assert "reads residues" in str(why_not(opened))
    with pytest.raises(ConfigError, match="the dimensions of 'runs/mine' cannot be explained"):
        explain_dimensions(opened, ["0", "1"], None, tmp_path / "why", SETTINGS)
    assert not (tmp_path / "why").exists()


# --- attention


def looks(**over: Any) -> Looks:
    """Two classes; the attention of one stands at the N terminus, of the other at the C terminus."""
    sequences = ["ACDEF", "ACDEFGH", "KL", "MNPQRS"]
    weights = [
        np.array([0.6, 0.1, 0.1, 0.1, 0.1]),
        np.array([0.4, 0.2, np.nan, np.nan, 0.2, 0.1, 0.1]),
        np.array([0.25, 0.75]),
        np.array([0.0, 0.0, 0.0, 0.0, 0.5, 0.5]),
    ]
    values = {
        "ids": ["a", "b", "c", "d"],
        "sequences": sequences,
        "weights": [w.astype(np.float32) for w in weights],
        "predicted": np.array([0, 0, 1, 0]),
        "y": np.array([0, 0, 1, 1]),
        "classes": ("one", "two"),
    }
    return Looks(**{**values, **over})


def test_classes_are_aligned_at_both_ends_and_counted() -> None:
    found = maps(looks(), AttentionSettings(first=3, last=4, per_class=1))
    one, two = found["by_class"]["one"], found["by_class"]["two"]
    # In even shares: times 5, and times 5 of 7, since two residues were not looked at.
    assert one["first"]["mean"] == pytest.approx([(3.0 + 2.0) / 2, (0.5 + 1.0) / 2, 0.5], abs=1e-4)
    assert one["first"]["n"] == [2, 2, 1]
    assert one["last"]["mean"] == pytest.approx([0.5, 0.75, 0.5, 0.5], abs=1e-4)
    assert one["last"]["n"] == [1, 2, 2, 2]
    assert two["last"]["mean"] == pytest.approx([0.0, 0.0, (0.5 + 3) / 2, (1.5 + 3) / 2], abs=1e-4)
    assert two["last"]["n"] == [1, 1, 2, 2]
    assert two["last"]["share"]["attention"] == pytest.approx(1.0)
    assert two["last"]["share"]["residues"] == pytest.approx((1 + 4 / 6) / 2)
    assert [one["id"] for one in found["sequences"]] == [
        min("ab", key=lambda i: attention_maps._checksum(looks(), "ab".index(i))),
        "c",  # d is taken for the other class
    ]


def test_order_of_the_sequences_changes_no_map() -> None:
    given, settings = looks(), AttentionSettings(first=3, last=3)
    order = [2, 0, 3, 1]
    assert given.y is not None
    other = looks(
        ids=[given.ids[i] for i in order],
        sequences=[given.sequences[i] for i in order],
        weights=[given.weights[i] for i in order],
        predicted=given.predicted[order],
        y=given.y[order],
    )
    assert maps(given, settings) == maps(other, settings)


def test_maps_of_nothing_are_refused() -> None:
    empty = looks(ids=[], sequences=[], weights=[], predicted=np.empty(0, dtype=np.int64), y=None)
    with pytest.raises(InputError, match="no sequences"):
        maps(empty, AttentionSettings())


@dataclass
class FakeAttentive:
    """A model that looks at K and R."""

    has_attention: bool = True
    name: str = "runs/looks"
    classes: tuple[str, ...] = ("one", "two")
    predictor: Any = field(init=False)

    def __post_init__(self) -> None:
        self.predictor = self

    def attention(self, records: Sequence[SequenceRecord]) -> list[FloatArray]:
        raw = [np.array([1 + 9 * (c in "KR") for c in r.sequence], dtype=np.float32) for r in records]
        return [w / w.sum() for w in raw]

    def predict_proba(self, records: Sequence[SequenceRecord]) -> DoubleArray:
        share = np.array([sum(c in "KR" for c in r.sequence) / len(r.sequence) for r in records])
        return np.column_stack([1 - share, share])


def test_maps_are_written_with_their_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    records = [
        SequenceRecord(f"s{n}", "".join(rng.choice(list("AKRLGS"), size=int(rng.integers(10, 90)))))
        for n in range(30)
    ]
    found = explain_attention(cast(Any, FakeAttentive()), records, None, tmp_path / "why")
    names = {path.relative_to(tmp_path / "why").as_posix() for path in found.files}
    assert {name for name in names if name.endswith(".tsv")} == {"attention_by_class.tsv"}
    assert {name.rpartition(".")[2] for name in names if name.startswith("figures/")} == {"svg", "png"}
    assert len(names) == 5
    table = read_table(tmp_path / "why" / "attention_by_class.tsv")
    assert {row["terminus"] for row in table} == {"N", "C"}
    ends = [row for row in table if row["position"] == "1"]
    n = {(row["class"], row["terminus"]): int(row["n"]) for row in ends}
    assert sum(n.values()) == 2 * 30
    assert found.html.count("<figure>") == 2
    assert found.title == "Where the networks look"


def test_model_without_attention_is_refused(tmp_path: Path) -> None:
    opened = cast(Any, FakeAttentive(has_attention=False))
    with pytest.raises(ConfigError, match="the model has no attention; networks with pooling"):
        explain_attention(opened, [SequenceRecord("a", "ACD")], None, tmp_path / "why")


# --- the benchmark


NETWORK = {
    "name": "attention-lstm",
    "options": {
        "backbone": {"options": {"embedding": 8}},
        "head": {"options": {"hidden": 8}},
        "training": {"epochs": 2},
    },
}
HEAD = {
    "name": "mlp",
    "features": {"name": "composition"},
    "classifier": {
        "name": "head",
        "options": {
            "head": {"name": "mlp", "options": {"hidden": [8]}},
            "training": {"epochs": 3},
        },
    },
}


def labelled_table(path: Path) -> Path:
    rng = np.random.default_rng(8)
    letters = {"acidic": "DE", "basic": "KR"}
    lines = ["id,sequence,label"]
    for n in range(80):
        label = list(letters)[n % 2]
        residues = rng.choice(
            list("ACDEFGHIKLMNPQRSTVWY" + 4 * letters[label]), size=int(rng.integers(20, 40))
        )
        lines.append(f"s{n},{''.join(residues)},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("split", ["holdout", "folds"])
@pytest.mark.usefixtures("without_umap")
def test_benchmark_explains_its_networks_on_rows_held_out(
    split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = validated(
        {
            "task": "custom",
            "data": [str(labelled_table(tmp_path / "my.csv"))],
            "models": [HEAD, NETWORK],
            "split": split,
            "folds": 3,
            "seed": 2,
            "baselines": False,
            "cross_validation": False,
            "resamples": 20,
        },
        "test",
    )
    found = benchmark.run(config, tmp_path / "out")["explained"]
    n_held_out = 16 if split == "holdout" else 27
    assert found["dimensions"]["model"] == "mlp"
    assert found["dimensions"]["n_held_out"] == found["dimensions"]["n"] == n_held_out
    assert found["dimensions"]["names"][0] == get("features", "composition")().feature_names[0]
    assert [network["model"] for network in found["attention"]] == ["attention-lstm"]
    assert found["attention"][0]["n"] == n_held_out
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="explained_dimensions"' in page
    assert "Where the networks look" in page
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"dimensions_overall.svg", "dimensions_overall.png"} <= figures
    assert {name.partition("_")[0] for name in figures} >= {"looks", "dimensions"}

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("this lies on the disk")

    monkeypatch.setattr(of_benchmark, "analysed", refused)
    monkeypatch.setattr(of_benchmark, "maps", refused)
    assert benchmark.run(config, tmp_path / "out")["explained"] == found


# --- end to end, on vectors that a language model gave


@pytest.mark.slow
def test_trained_head_on_vectors_is_explained(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from sortilin.cli.main import cli
    from sortilin.explain.opened import open_model

    folder = shared_data / "esm2_t6_vectors"
    if not (folder / "qs_train.csv").is_file():
        pytest.skip("the vectors of ESM2-T6 are not at hand")
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    model, vectors = tmp_path / "model", "esm2_t6_8M_UR50D.csv"
    given = ["--data", str(folder / "qs_train.csv"), "--vectors", str(folder / f"qs_train_{vectors}")]
    command = ["train", "--task", "custom", *given, "--folds", "2", "--holdout", "0", "-q", "-o", str(model)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    opened = open_model(model, vectors=[folder / f"qs_test_{vectors}"], table=folder / "qs_test.csv")
    rows_of = list(csv.DictReader((folder / "qs_test.csv").read_text().splitlines()))
    y = np.array([opened.classes.index(row["label"]) for row in rows_of])
    found = explain_dimensions(
        opened,
        [row["sequence"] for row in rows_of],
        y,
        tmp_path / "why",
        DimensionSettings(seed=1, shuffles=2),
    ).values
    assert found["n_features"] == 320
    assert found["gradients"]["completeness"]["share_below"] >= 0.95
    assert found["permutation"]["whole"]["accuracy"] > 0.8
    assert found["agreement"]["integrated_gradients,saliency"] > 0.5
    out = tmp_path / "by-command"
    of_test = [str(folder / "qs_test.csv"), "--vectors", str(folder / f"qs_test_{vectors}")]
    asked = ["explain", str(model), *of_test, "--labels", "auto", "--shuffles", "2", "--seed", "1", "-q"]
    done = CliRunner().invoke(cli, [*asked, "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "dimensions" / "permutation.tsv").is_file()
    page = (out / "report.html").read_text()
    assert "What the embedding dimensions say" in page
    assert "How to read it" not in page  # no method can change a residue of a vector that was looked up
