"""Several classes a sequence: metrics against scikit-learn, thresholds, folds, labels, classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from sortilin import registry
from sortilin.component import Component
from sortilin.errors import ConfigError, InputError, LabelError
from sortilin.evaluation import multilabel, per_class
from sortilin.evaluation.per_class import PerClass
from sortilin.evaluation.proportions import wilson
from sortilin.experiment import data as one_label
from sortilin.interfaces import DoubleArray, FloatArray, IntArray
from sortilin.multilabel import data, folds, validate
from sortilin.sequences.stratification import parts

CLASSES = ("cytosol", "membrane", "nucleus")
SEED = 5


def tables(seed: int, n: int = 200, n_classes: int = 3) -> tuple[IntArray, DoubleArray, multilabel.BoolArray]:
    """Truth, probabilities that know something of it, and what they call."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, n_classes)) < np.linspace(0.2, 0.6, n_classes)).astype(np.int64)
    truth[truth.sum(axis=1) == 0, 0] = 1
    table: DoubleArray = np.round(0.35 * truth + 0.65 * rng.random(truth.shape), 2)  # with ties
    return truth, table, table > 0.5


# --- metrics


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics

    truth, table, called = tables(seed)
    found = multilabel.evaluate(truth, table, called, CLASSES)
    predicted = called.astype(int)
    expected = {
        "micro_f1": metrics.f1_score(truth, predicted, average="micro"),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
        "jaccard": metrics.jaccard_score(truth, predicted, average="samples", zero_division=1),
        "exact_match": metrics.accuracy_score(truth, predicted),
        "hamming_loss": metrics.hamming_loss(truth, predicted),
        "macro_mcc": np.mean([metrics.matthews_corrcoef(truth[:, c], predicted[:, c]) for c in range(3)]),
        "roc_auc": metrics.roc_auc_score(truth, table, average="macro"),
    }
    assert found.metrics == pytest.approx(expected)
    assert tuple(found.metrics) == multilabel.METRICS
    for c, name in enumerate(CLASSES):
        y, p = truth[:, c], predicted[:, c]
        assert found.per_class[name] == pytest.approx(
            {
                "precision": metrics.precision_score(y, p),
                "recall": metrics.recall_score(y, p),
                "f1": metrics.f1_score(y, p),
                "mcc": metrics.matthews_corrcoef(y, p),
                "roc_auc": metrics.roc_auc_score(y, table[:, c]),
                "support": y.sum(),
                "called": p.sum(),
            }
        )


def test_class_that_is_neither_there_nor_called_has_no_part_in_the_mean() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    found = multilabel.evaluate(truth, truth * 0.9, truth == 1, CLASSES)
    assert found.metrics["macro_f1"] == 1
    assert np.isnan(found.per_class["nucleus"]["f1"])
    assert np.isnan(found.per_class["nucleus"]["roc_auc"])


def test_no_sequences_are_refused() -> None:
    empty = np.empty((0, 3))
    for measure in (multilabel.evaluate, lambda *a: multilabel.bootstrap(*a, seed=1)):
        with pytest.raises(InputError, match="at least one sequence; found none"):
            measure(empty.astype(np.int64), empty, empty > 0, CLASSES)


def test_intervals_hold_the_value_and_come_again() -> None:
    truth, table, called = tables(4)
    found = multilabel.evaluate(truth, table, called, CLASSES)
    around = multilabel.bootstrap(truth, table, called, CLASSES, seed=SEED, n_resamples=200)
    for name, value in found.metrics.items():
        low, high = around.metrics[name]
        assert low < value < high, name
        assert high - low < 0.25, name
    assert multilabel.bootstrap(truth, table, called, CLASSES, seed=SEED, n_resamples=200) == around
    assert multilabel.bootstrap(truth, table, called, CLASSES, seed=6, n_resamples=200) != around


def test_shares_have_the_interval_of_a_share_also_where_all_are_right() -> None:
    truth, table, called = tables(4, 30)
    around = multilabel.intervals(truth, table, called, CLASSES, seed=SEED, n_resamples=50)
    drawn = multilabel.bootstrap(truth, table, called, CLASSES, seed=SEED, n_resamples=50)
    n_exact = int((called == (truth == 1)).all(axis=1).sum())
    assert around.metrics == {**drawn.metrics, "exact_match": wilson(n_exact, 30)}
    hits, n_true, n_called = int((called & (truth == 1))[:, 1].sum()), truth[:, 1].sum(), called[:, 1].sum()
    assert around.per_class["membrane"] == {
        **drawn.per_class["membrane"],
        "precision": wilson(hits, int(n_called)),
        "recall": wilson(hits, int(n_true)),
    }
    perfect = multilabel.intervals(truth, table, truth == 1, CLASSES, seed=SEED, n_resamples=50)
    assert perfect.metrics["exact_match"][0] < 0.9
    assert perfect.per_class["nucleus"]["recall"][0] < 0.95


@pytest.mark.slow
def test_intervals_cover_the_truth_at_their_level() -> None:
    all_truth, all_table, all_called = tables(1, 20_000)
    value = multilabel.evaluate(all_truth, all_table, all_called, CLASSES).metrics
    names = ("micro_f1", "jaccard", "hamming_loss", "roc_auc")
    inside = dict.fromkeys(names, 0)
    for repeat in range(200):
        rows = np.random.default_rng(repeat).choice(20_000, 150, replace=False)
        truth, table, called = all_truth[rows], all_table[rows], all_called[rows]
        around = multilabel.bootstrap(truth, table, called, CLASSES, seed=repeat, n_resamples=300)
        for name in names:
            low, high = around.metrics[name]
            inside[name] += low <= value[name] <= high
    assert all(180 <= n <= 199 for n in inside.values()), inside


# --- thresholds and probabilities


@pytest.mark.parametrize("seed", range(5))
def test_threshold_has_the_largest_correlation(seed: int) -> None:
    from sklearn.metrics import matthews_corrcoef

    truth, table, _ = tables(seed, 60)
    for c in range(3):
        y, p = truth[:, c], table[:, c]
        cut = per_class.best_threshold(y, p)
        best = max(matthews_corrcoef(y, p >= value) for value in np.unique(p))
        assert matthews_corrcoef(y, p >= cut) == pytest.approx(best)
        assert cut not in p  # between two of them


def test_of_equal_thresholds_the_one_nearest_to_one_half_is_taken() -> None:
    p = np.array([0.9, 0.8, 0.3, 0.1])
    assert per_class.best_threshold(np.array([1, 1, 0, 0]), p) == pytest.approx(0.55)
    assert per_class.best_threshold(np.array([1, 0, 1, 0]), np.full(4, 0.7)) == per_class.EVEN


def test_sequence_without_a_class_over_its_threshold_gets_the_most_probable_one() -> None:
    decider = PerClass(np.ones(3), np.zeros(3), np.array([0.3, 0.5, 0.9]))
    table = np.array([[0.4, 0.6, 0.8], [0.1, 0.2, 0.8], [0.3, 0.0, 0.95]])
    assert decider.called(table).astype(int).tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 1]]


def test_probabilities_are_a_sigmoid_each_and_rise_with_the_score() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(2_000, 2)) * [1, 40]
    chance = 1 / (1 + np.exp(-(scores * [2, 0.05] + [-1, 0.5])))
    truth = (rng.random(chance.shape) < chance).astype(np.int64)
    decider = per_class.fit(scores, truth, ("a", "b"))
    assert decider.slopes == pytest.approx([2, 0.05], rel=0.15)
    assert decider.offsets == pytest.approx([-1, 0.5], abs=0.2)
    assert decider(scores) == pytest.approx(chance, abs=0.05)
    assert (decider(scores).argsort(axis=0) == scores.argsort(axis=0)).all()
    assert decider(np.array([[1e6, -1e9]])).tolist() == [[1, 0]]


def test_class_that_calibration_does_not_see_is_named() -> None:
    truth = np.array([[1, 0], [1, 1]])
    with pytest.raises(LabelError, match="class 'a': each of the 2 sequences for calibration has it"):
        per_class.fit(np.zeros((2, 2)), truth, ("a", "b"))


# --- folds


def several(seed: int, n: int) -> IntArray:
    """Five classes, the last one rare; many sequences with two or three."""
    truth = (np.random.default_rng(seed).random((n, 5)) < [0.5, 0.4, 0.3, 0.2, 0.04]).astype(np.int64)
    truth[truth.sum(axis=1) == 0, 0] = 1
    return truth


@pytest.mark.parametrize("seed", range(4))
def test_folds_hold_each_class_as_the_whole_does(seed: int) -> None:
    truth = several(seed, 503)
    found = folds.folds(truth, 5, seed, "abcde")
    assert np.array_equal(np.sort(np.concatenate([held for _, held in found])), np.arange(503))
    for train, held in found:
        assert set(train).isdisjoint(held)
        assert len(train) + len(held) == 503
        assert abs(len(held) - 503 / 5) < 20
        assert np.abs(truth[held].sum(axis=0) - truth.sum(axis=0) / 5).max() <= 8
    rare = [int(truth[held, 4].sum()) for _, held in found]
    assert max(rare) - min(rare) <= 1  # the rarest class is dealt out first
    again = folds.folds(truth, 5, seed, "abcde")
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(found, again, strict=True))


def test_folds_are_evener_than_random_ones() -> None:
    truth = several(9, 400)
    part = parts(truth, [0.2] * 5, SEED)
    shuffled = np.random.default_rng(1).permutation(part)

    def spread(part: IntArray) -> float:
        counts = np.array([truth[part == fold].sum(axis=0) for fold in range(5)])
        return float(counts.std(axis=0).mean())

    assert spread(part) < 0.5 * spread(shuffled)


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_in_two_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = several(seed, 300)
    groups = rng.integers(rng.integers(20, 200), size=300)
    part = parts(truth, [0.2] * 5, seed, groups)
    assert all(len(set(part[groups == group])) == 1 for group in np.unique(groups))
    assert set(part) == set(range(5))


def test_class_that_cannot_be_dealt_out_is_named() -> None:
    truth = np.array([[1, 0]] * 20 + [[0, 1]] * 3 + [[0, 0]] * 20)
    with pytest.raises(LabelError) as caught:
        folds.folds(truth, 5, SEED, ("cytosol", "nucleus"))
    said = str(caught.value)
    assert said.startswith("class 'nucleus' (3 of 43 sequences): none of the ")
    assert "use fewer folds (at least 2), add sequences, or leave the class out" in said
    groups = np.where(truth[:, 0] == 1, 0, np.arange(43))
    with pytest.raises(LabelError, match=r"class 'cytosol' \(20 of 43 sequences in 1 group of homologues\)"):
        folds.folds(truth, 2, SEED, ("cytosol", "nucleus"), groups)


def test_hold_out_has_its_share_of_each_class() -> None:
    truth = several(3, 500)
    train, held = folds.hold_out(truth, 0.2, SEED, "abcde")
    assert set(train).isdisjoint(held)
    assert len(train) + len(held) == 500
    assert np.abs(truth[held].sum(axis=0) - truth.sum(axis=0) / 5).max() <= 6


# --- labels


def write(path: Path, *rows: tuple[str, str]) -> str:
    lines = ["id,label,sequence", *(f"p{n},{label},{sequence}" for n, (label, sequence) in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


FOUR = (("nucleus|cytosol", "MKAA"), ("cyto", "MKAC"), ("Nuclear", "MKAD"), ("cytosol | nucleus", "MKAE"))


def test_classes_of_a_label_may_stand_in_any_order_and_spelling(tmp_path: Path) -> None:
    found = data.load("localization", [write(tmp_path / "x.csv", *FOUR)])
    assert found.labels == ("cytosol|nucleus", "cytosol", "nucleus", "cytosol|nucleus")
    assert found.class_counts == {"cytosol": 3, "secreted": 0, "mitochondrion": 0, "nucleus": 3}
    assert found.label_counts == {"cytosol|nucleus": 2, "cytosol": 1, "nucleus": 1}
    assert found.n_several == 2


@pytest.mark.parametrize(
    ("headers", "labels"),
    [
        ((">a TARGET=A|B SET=train", ">b TARGET=B", ">c TARGET=A"), "auto"),
        ((">a A|B-U", ">b B-M", ">c A-U"), "auto"),
        ((">a|A|B", ">b|B|train", ">c|A"), "auto"),
        ((">a|A|B|train", ">b|A|B", ">c|A|B"), "pipe"),
    ],
)
def test_headers_name_several_classes_in_every_habit(
    headers: tuple[str, ...], labels: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.fasta"
    path.write_text("".join(f"{header}\nMKTA{'ACD'[n]}\n" for n, header in enumerate(headers)))
    found = data.load("custom", [str(path)], labels=labels)
    assert found.classes == ("A", "B")
    assert found.labels[0] == "A|B"
    assert len(found) == 3


def test_headers_with_several_fields_throughout_are_no_labels_unless_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.fasta"
    path.write_text(">ENSP1|ENST1|ENSG1\nMKTA\n>ENSP2|ENST2|ENSG2\nMKTC\n")
    with pytest.raises(LabelError, match="no label in the headers"):
        data.load("custom", [str(path)])


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("nucleus||", "record 'p0': label 'nucleus||' has an empty class; classes are joined by one '|'"),
        ("|nucleus", "has an empty class"),
        ("nucleus|nuclear", "label 'nucleus|nuclear' names class 'nucleus' twice; once is enough"),
        ("nucleus|golgi", "label 'nucleus|golgi': unknown label 'golgi'; choose from: cytosol, secreted"),
    ],
)
def test_label_that_is_at_fault_is_named(label: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        data.load("localization", [write(tmp_path / "x.csv", (label, "MKAA"), *FOUR)])
    assert message in str(caught.value)


def test_rows_of_one_sequence_are_joined(tmp_path: Path) -> None:
    rows = (("cytosol", "MKAA"), ("nucleus", "MKAA"), ("nucleus", "MKAC"), ("nucleus", "MKAC"))
    found, n_repeats, n_joined = data.load("localization", [write(tmp_path / "x.csv", *rows)]).joined()
    assert found.labels == ("cytosol|nucleus", "nucleus")
    assert (n_repeats, n_joined) == (2, 1)


def test_file_with_several_classes_names_the_option_that_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", *FOUR)
    with pytest.raises(LabelError) as caught:
        one_label.load_parts("localization", [path])
    assert str(caught.value) == (
        "record 'p0' has the label 'nucleus|cytosol', which names several; for several classes a sequence "
        "give `sortilin train --multi-label` (multi_label: true in a configuration), or write one class"
    )
    with pytest.raises(LabelError, match="the model gives one class to each sequence"):
        one_label.load("localization", [path], classes=("cytosol", "nucleus"))


def test_class_with_too_few_sequences_is_named(tmp_path: Path) -> None:
    rows = [("a", f"MK{x}A") for x in "ACDEFGH"] + [("a|b", f"MK{x}C") for x in "ACD"]
    found = data.load("custom", [write(tmp_path / "x.csv", *rows)])
    with pytest.raises(LabelError, match=r"class 'a': 0 of the 10 sequences of .* are without it"):
        data.check_trainable(found, 3)


# --- one classifier a class


def planted(seed: int, n: int = 150) -> tuple[FloatArray, IntArray]:
    """Features of which each tells one class."""
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < [0.5, 0.3, 0.4]).astype(np.int64)
    x = np.hstack([2.0 * y + rng.normal(size=y.shape), rng.normal(size=(n, 2))])
    return x.astype(np.float32), y


INNER: dict[str, dict[str, Any]] = {
    "boosting": {"rounds": 10, "smallest_leaf": 5},
    "svm": {"c": [1.0], "gamma": ["scale"]},
    "linear": {"c": [0.1]},
}


def one_a_class(inner: str, **options: Any) -> Any:
    return Component(
        name="one_vs_rest", options={"classifier": {"name": inner, "options": INNER[inner] | options}}
    ).build("classifier")


@pytest.mark.parametrize("inner", INNER)
def test_columns_are_the_two_class_classifiers_and_the_graph_gives_them(inner: str) -> None:
    x, y = planted(1)
    classifier = one_a_class(inner)
    classifier.fit(x, y, n_classes=3, seed=SEED)
    scores = classifier.scores(x)
    for c in range(3):
        alone = Component(name=inner, options=INNER[inner]).build("classifier")
        alone.fit(x, y[:, c], n_classes=2, seed=SEED)
        assert np.array_equal(scores[:, [c]], alone.scores(x))
    session = onnxruntime.InferenceSession(classifier.to_onnx(), providers=["CPUExecutionProvider"])
    assert session.run(["scores"], {"features": x})[0] == pytest.approx(scores, abs=1e-4)
    assert classifier.set_aside() is None


def test_searches_are_recorded_by_class_and_not_repeated() -> None:
    x, y = planted(2, 60)
    classifier = one_a_class("linear", c=[1e-4, 0.1], search_folds=2)
    classifier.fit(x, y, n_classes=3, seed=SEED)
    assert {"class 1 c", "class 3 neg_log_loss"} <= set(classifier.chosen)
    fixed = classifier.chosen_config()
    assert len(fixed.each) == 3
    again = registry.get("classifier", "one_vs_rest")(fixed)
    again.fit(x, y, n_classes=3, seed=SEED)
    assert again.chosen == {}
    assert np.array_equal(again.scores(x), classifier.scores(x))


def test_one_class_a_sequence_is_the_plain_one_vs_rest() -> None:
    x, _ = planted(3)
    y = x[:, :3].argmax(axis=1).astype(np.int64)
    plain, several = one_a_class("boosting"), one_a_class("boosting")
    plain.fit(x, y, n_classes=3, seed=SEED)
    several.fit(x, np.eye(3, dtype=np.int64)[y], n_classes=3, seed=SEED)
    assert np.array_equal(plain.scores(x), several.scores(x))


def test_classifier_that_cannot_be_one_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="classifier 'fine_tuned' is not for several classes a sequence"):
        validate.spec_of(Component(name="fine_tuned", options={"mode": "full"}), 2)
    with pytest.raises(ConfigError, match="stands one a class already"):
        Component(name="one_vs_rest", options={"classifier": {"name": "one_vs_rest"}}).build("classifier")
    with pytest.raises(ConfigError, match="with neighbours reads something else for each class"):
        validate.spec_of(Component(name="ensemble", options={"neighbours": True}), 3)
    x, y = planted(4, 20)
    wrong = Component(name="one_vs_rest", options={"classifier": {"name": "neural"}}).build("classifier")
    with pytest.raises(ConfigError, match="'neural' reads the sequence itself, not features"):
        wrong.fit(x, y, n_classes=3, seed=SEED)


# --- networks: one output a class


def test_loss_of_several_classes_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from sortilin.training import losses
    from sortilin.training.config import TrainingConfig

    truth, table, _ = tables(1, 40)
    logits, y = torch.as_tensor(4 * table - 2), torch.as_tensor(truth)
    plain = losses.build(TrainingConfig(), truth, 3)
    cross = torch.nn.functional.binary_cross_entropy_with_logits
    assert float(plain(logits, y)) == pytest.approx(float(cross(logits, y.double())), rel=1e-5)
    assert losses.validation(4 * table - 2, truth) == pytest.approx(float(plain(logits, y)), rel=1e-5)
    balanced = losses.build(TrainingConfig(class_weights="balanced"), truth, 3)
    odds = torch.as_tensor((1 - truth).sum(axis=0) / truth.sum(axis=0))
    assert float(balanced(logits, y)) == pytest.approx(
        float(cross(logits, y.double(), pos_weight=odds)), rel=1e-5
    )
    smooth = losses.build(TrainingConfig(label_smoothing=0.2), truth, 3)
    assert float(smooth(logits, y)) == pytest.approx(float(cross(logits, 0.8 * y + 0.1)), rel=1e-5)
    p = torch.where(y > 0, logits, -logits).sigmoid()
    focal = losses.build(TrainingConfig(loss="focal", focal_gamma=2.0), truth, 3)
    assert float(focal(logits, y)) == pytest.approx(float(-((1 - p) ** 2 * p.log()).mean()), rel=1e-4)


def test_resampling_of_several_classes_is_refused() -> None:
    pytest.importorskip("torch")
    from sortilin.training import losses
    from sortilin.training.config import TrainingConfig

    with pytest.raises(ConfigError, match="resampling 'oversample' is not for several classes a sequence"):
        losses.build(TrainingConfig(resampling="oversample"), tables(1)[0], 3)


def network(**options: Any) -> Component:
    training = {"epochs": 15, "learning_rate": 0.02, "batch_size": 16, "metric": "loss"}
    head = {"name": "mlp", "options": {"hidden": [8], "dropout": 0.0}}
    return Component(name="head", options={"head": head, "training": training, **options})


@pytest.mark.slow
def test_network_has_one_output_a_class_and_its_graph_gives_them() -> None:
    pytest.importorskip("torch")
    x, y = planted(5, 300)
    classifier = validate.spec_of(network(), 3).build("classifier")
    classifier.fit(x, y, n_classes=3, seed=SEED)
    assert classifier.set_aside() is None
    new, truth = planted(6, 300)
    scores = classifier.scores(new)
    assert scores.shape == (300, 3)
    found = multilabel.evaluate(truth, scores, scores > 0, CLASSES).metrics
    assert found["roc_auc"] > 0.85
    assert found["macro_mcc"] > 0.5
    assert 0 < classifier.chosen["validation_loss"] < 0.7  # of a coin, ln 2
    session = onnxruntime.InferenceSession(classifier.to_onnx(), providers=["CPUExecutionProvider"])
    assert session.run(["scores"], {"features": new})[0] == pytest.approx(scores, abs=1e-4)
    again = validate.spec_of(network(), 3).build("classifier")
    again.fit(x, y, n_classes=3, seed=SEED)
    assert np.array_equal(again.scores(new), scores)


def test_networks_of_two_classes_or_several_members_stand_one_a_class() -> None:
    pytest.importorskip("torch")
    assert validate.spec_of(network(), 3).name == "head"
    assert validate.spec_of(network(), 2).name == "one_vs_rest"
    assert validate.spec_of(network(members=2), 3).name == "one_vs_rest"
    assert validate.spec_of(Component(name="boosting"), 3).name == "one_vs_rest"


def test_network_sets_aside_a_share_of_each_class() -> None:
    from sortilin.classifiers import _trained

    truth = several(4, 200)
    learned, aside = _trained.split_several(truth, 5, share=0.1, seed=SEED)
    assert set(learned).isdisjoint(aside)
    assert len(learned) + len(aside) == 200
    assert np.abs(truth[aside].sum(axis=0) - 0.1 * truth.sum(axis=0)).max() <= 4
    groups = np.where(truth[:, 4] == 1, 0, np.arange(200) % 7 + 1)
    learned, aside = _trained.split_several(truth, 5, share=0.3, seed=SEED, groups=groups)
    assert set(groups[learned]).isdisjoint(groups[aside])
    truth[:, 4] = 0
    with pytest.raises(LabelError, match="class number 5, of 0 sequences, has none left"):
        _trained.split_several(truth, 5, share=0.1, seed=SEED)
