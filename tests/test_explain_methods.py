"""Explainers against what is known: planted motifs, sums that must come out, and direct computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

import explained
import hub as hubs
import tiny
from sortilin import artifact, language_models, registry
from sortilin.classifiers import _restoring
from sortilin.component import Component
from sortilin.embedding import policies
from sortilin.errors import ConfigError, ModelFolderError
from sortilin.evaluation.calibration import Calibration
from sortilin.explain import faithfulness
from sortilin.explain.differentiable import OfLanguageModel
from sortilin.explain.methods import mutagenesis, occlusion
from sortilin.explain.methods._paths import Path as Walk
from sortilin.explain.opened import Opened, open_model
from sortilin.interfaces import DoubleArray
from sortilin.sequences import SequenceRecord, records_from_strings

SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"hidden": 16, "bidirectional": True, "dropout": 0.0},
    "cnn_lstm": {"filters": 16, "hidden": 12},
    "light_attention": {"filters": 16, "kernel": 7},
    "cnn_attention": {"channels": [16, 16], "kernel": 5},
    "mlp": {"hidden": [16]},
    "linear": {},
}
"""Head → options of a small network."""

COMPLETE = 0.01
"""Completeness error that 95 per cent of sequences stay below."""


def made(name: str, **options: Any) -> Any:
    variant = registry.get("explainer", name)
    return variant(variant.Config(**options))


def records_of(sequences: Sequence[str]) -> list[SequenceRecord]:
    return list(records_from_strings(list(sequences)))


def explain(opened: Opened, name: str, x: Sequence[str], labels: Sequence[str], **options: Any) -> list[Any]:
    return list(made(name, **options).explain(opened, records_of(x), labels))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Opened]:
    """A network that learned the task, by head, number of classes and seed of shuffled labels."""
    folder = tmp_path_factory.mktemp("networks")

    @cache
    def once(head: str, n_classes: int = 2, *, shuffled: int | None = None) -> Opened:
        x, y, _ = explained.task(1, 300, n_classes)
        if shuffled is not None:
            y = explained.shuffled(y, shuffled)
        path = folder / f"{head}-{n_classes}-{shuffled}"
        return open_model(explained.write(path, explained.neural(head, **SMALL[head]), x, y))

    return once


# --- planted motifs


@pytest.mark.slow
def test_network_attributions_find_the_motif_and_sum_to_the_change(network: Callable[..., Opened]) -> None:
    opened = network("cnn_attention")
    x, labels, starts = explained.of_motif(991, 40)
    found = explain(opened, "integrated_gradients", x, labels)
    assert explained.mean_auroc(found, starts) >= 0.9  # measured: 1.00
    assert np.mean([a.completeness < COMPLETE for a in found]) >= 0.95
    for a in found:
        assert a.values.sum() == pytest.approx(a.score - a.baseline_score, rel=COMPLETE)
    for name in ("occlusion", "mutagenesis", "saliency", "attention"):  # measured: 0.98 or more
        assert explained.mean_auroc(explain(opened, name, x, labels), starts) >= 0.9, name


def test_occlusion_of_features_finds_the_motif(tmp_path: Path) -> None:
    x, y, _ = explained.task(1, 300)
    boosting = Component(name="boosting", options={"rounds": 40, "smallest_leaf": 5})
    features = Component(name="composition")
    opened = open_model(explained.write(tmp_path / "model", boosting, x, y, features=features))
    x, labels, starts = explained.of_motif(991, 40)
    assert explained.mean_auroc(explain(opened, "occlusion", x, labels), starts) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("head", SMALL)
@pytest.mark.parametrize("baseline", ["mean", "unknown", "zero"])
def test_sums_come_out_on_every_head(head: str, baseline: str, network: Callable[..., Opened]) -> None:
    x, labels, starts = explained.of_motif(991, 40)
    found = explain(network(head), "integrated_gradients", x, labels, baseline=baseline)
    assert np.mean([a.completeness < COMPLETE for a in found]) >= 0.95
    assert explained.mean_auroc(found, starts) >= 0.9


@pytest.mark.slow
def test_networks_of_shuffled_labels_do_not_find_the_motif(network: Callable[..., Opened]) -> None:
    """Three of them: one alone may lean on the motif by chance, for or against it, by a little."""
    x, labels, starts = explained.of_motif(991, 60)
    for name in ("integrated_gradients", "occlusion"):
        found = [
            explained.mean_auroc(explain(network("cnn_attention", shuffled=seed), name, x, labels), starts)
            for seed in (2, 3, 4)
        ]
        assert np.mean(found) < 0.65, name  # measured: 0.53 both


@pytest.mark.slow
def test_model_of_shuffled_labels_gains_less_by_its_explanations(network: Callable[..., Opened]) -> None:
    x, labels, _ = explained.of_motif(991, 30)
    found = faithfulness.against_shuffled(
        network("cnn_attention"),
        network("cnn_attention", shuffled=2),
        lambda opened: explain(opened, "integrated_gradients", x, labels),
        seed=1,
    )
    assert found.explains
    assert found.model.low > 0


@pytest.mark.slow
def test_each_of_four_classes_has_its_motif(network: Callable[..., Opened]) -> None:
    opened = network("light_attention", 4)
    x, labels, starts = explained.of_motif(991, 40, 4)
    for name in ("integrated_gradients", "occlusion"):
        found = explain(opened, name, x, labels)
        assert explained.mean_auroc(found, starts) >= 0.9, name
    others = labels[1:] + labels[:1]  # residues that speak for a class speak against the next
    against = explain(opened, "integrated_gradients", x, others)
    assert explained.mean_auroc(against, starts) < 0.5


# --- integrated gradients


@pytest.mark.slow
def test_values_of_one_of_two_classes_mirror_the_other(network: Callable[..., Opened]) -> None:
    x, _, _ = explained.of_motif(991, 6)
    for name in ("integrated_gradients", "occlusion", "mutagenesis"):
        own, other = (
            explain(network("cnn_attention"), name, x, [label] * len(x)) for label in ("class1", "class0")
        )
        for a, b in zip(own, other, strict=True):
            assert a.values == pytest.approx(-b.values, abs=1e-6)


def test_gradients_agree_with_captum_where_the_path_is_even(network: Callable[..., Opened]) -> None:
    attr = pytest.importorskip("captum.attr")
    opened = network("cnn_attention")
    x, labels, _ = explained.of_motif(991, 4)
    differentiable = opened.network()
    assert differentiable is not None
    for a, sequence in zip(explain(opened, "integrated_gradients", x, labels), x, strict=True):
        at, mask = differentiable.embed([sequence])
        expected = attr.IntegratedGradients(differentiable.log_odds).attribute(
            at,
            baselines=differentiable.baseline(at, mask, "mean"),
            additional_forward_args=(mask, torch.tensor([1])),
            n_steps=300,
            method="gausslegendre",
            internal_batch_size=100,
        )
        expected = expected.detach().sum(dim=2)[0].numpy()
        assert a.values == pytest.approx(expected, abs=0.03 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("height", "most_steps"),
    [(lambda t: t**3, 60), (lambda t: np.tanh(2e4 * (t - 0.37)), 400), (lambda t: np.abs(t - 1 / 3), 200)],
)
def test_path_takes_its_steps_where_it_is_steep(height: Callable[[Any], Any], most_steps: int) -> None:
    walk = Walk(4)
    while at := walk.wanted():
        t = np.array(at)
        slope = (height(t + 1e-7) - height(t - 1e-7)) / 2e-7
        walk.take(np.stack([slope, 0 * slope], axis=1), height(t))
        walk.refine(0.01, 1_000)
    assert walk.error <= 0.01
    assert walk.n_steps <= most_steps
    assert walk.values == pytest.approx([float(height(1.0) - height(0.0)), 0], rel=0.01, abs=1e-9)


def test_path_stops_at_the_most_steps() -> None:
    walk = Walk(4)
    while at := walk.wanted():
        walk.take(np.zeros((len(at), 1)), np.array(at))  # a gradient that is not the function's
        walk.refine(0.01, 100)
    assert walk.n_steps <= 100
    assert walk.error == pytest.approx(1.0)


# --- occlusion and mutagenesis, of anything that predicts

PLANTED = "WCWHWCW"


class _Finds:
    """Says yes as far as it sees the planted letters; knows how often it was asked."""

    classes = ("no", "yes")
    name = "finder"
    has_attention = False

    def __init__(self) -> None:
        tokens = {"max_residues": None, "keep_last": 0}
        self.model = SimpleNamespace(description={"tokens": tokens, "classifier": {"name": "none"}})
        self.asked: list[str] = []

    def proba_of_cleaned(self, sequences: Sequence[str]) -> DoubleArray:
        self.asked += sequences
        seen = [
            max(sum(a == b for a, b in zip(s[i:], PLANTED, strict=False)) for i in range(len(s)))
            for s in sequences
        ]
        p = 0.05 + 0.9 * np.array(seen) / len(PLANTED)
        return np.column_stack([1 - p, p])


def finder() -> tuple[Opened, _Finds]:
    model = _Finds()
    return Opened(model), model  # type: ignore[arg-type]


def planted(length: int, at: int) -> str:
    letters = "".join(np.random.default_rng(3).choice(list("ADEFGIKLMNPQRSTV"), length))
    return letters[:at] + PLANTED + letters[at + len(PLANTED) :]


@pytest.mark.parametrize(("length", "at"), [(40, 0), (40, 33), (110, 50), (500, 300), (2_000, 1_990)])
def test_occlusion_finds_a_motif_within_its_budget(length: int, at: int) -> None:
    opened, model = finder()
    (found,) = explain(opened, "occlusion", [planted(length, at)], ["yes"])
    assert explained.auroc(found.values, at, len(PLANTED)) > 0.9
    assert found.details["runs"] <= 25
    assert len(model.asked) == len(set(model.asked)) <= 25


def test_mean_baseline_is_weighted_as_the_proteins_of_psl(shared_data: Path) -> None:
    from sortilin.explain.differentiable import COMPOSITION
    from sortilin.sequences import read_sequences

    n = dict.fromkeys(COMPOSITION, 0)
    for stem in ("cyto", "secreted", "mito", "nucleus"):
        for record in read_sequences(shared_data / "psl" / f"{stem}.fasta"):
            for letter in n:
                n[letter] += record.sequence.count(letter)
    assert sum(n.values()) == 4_011_955
    shares = {letter: 100 * count / sum(n.values()) for letter, count in n.items()}
    assert shares == pytest.approx(COMPOSITION, abs=0.005)


def test_occlusion_asks_for_each_changed_sequence_once() -> None:
    opened, model = finder()
    sequence = planted(300, 100)
    twice = explain(opened, "occlusion", [sequence, sequence, "MKVLAAGH"], ["yes", "no", "yes"])
    assert len(model.asked) <= 25 + 25 + 9
    assert twice[0].values == pytest.approx(-twice[1].values)
    assert all("X" in s or s in (sequence, "MKVLAAGH") for s in model.asked)


def test_occlusion_by_every_window_is_the_mean_over_the_windows() -> None:
    opened, _ = finder()
    sequence = planted(60, 20)
    (found,) = explain(opened, "occlusion", [sequence], ["yes"], window=5, step=2)
    total, times = np.zeros(60), np.zeros(60)
    for start in [*range(0, 55, 2), 55]:
        changed = sequence[:start] + "XXXXX" + sequence[start + 5 :]
        p = _Finds().proba_of_cleaned([sequence, changed])[:, 1]
        odds = np.log(p / (1 - p))
        total[start : start + 5] += (odds[0] - odds[1]) / 5
        times[start : start + 5] += 1
    assert found.values == pytest.approx(total / times)
    assert found.details["runs"] == 1 + 28 + 1


@pytest.mark.parametrize("length", [2, 5, 24, 25, 187, 188, 501])
def test_pieces_cover_all_residues_once(length: int) -> None:
    found = occlusion.pieces(length, 12)
    assert [place for start, end in found for place in range(start, end)] == list(range(length))
    widths = [end - start for start, end in found]
    assert max(widths) - min(widths) <= 1


def test_occlusion_options_that_leave_residues_out_are_refused() -> None:
    variant = registry.get("explainer", "occlusion")
    with pytest.raises(ValueError, match="a step of 4 would leave residues out; allowed: 1 to 3"):
        variant.Config(window=3, step=4)
    with pytest.raises(ValueError, match="step goes with window"):
        variant.Config(step=4)


def test_mutagenesis_is_each_substitution_by_itself() -> None:
    opened, _ = finder()
    sequence = "AX" + PLANTED + "DE"
    (found,) = explain(opened, "mutagenesis", [sequence], ["yes"])
    for place in range(len(sequence)):
        for column, letter in enumerate(mutagenesis.ALPHABET):
            changed = sequence[:place] + letter + sequence[place + 1 :]
            p = _Finds().proba_of_cleaned([sequence, changed])[:, 1]
            odds = np.log(p / (1 - p))
            assert found.substitutions[place, column] == pytest.approx(odds[1] - odds[0])
    others = [19 if letter != "X" else 20 for letter in sequence]
    assert found.values == pytest.approx(-found.substitutions.sum(axis=1) / others)
    assert found.values[2] > 0.1 > abs(found.values[0])


def test_mutagenesis_of_some_positions_predicts_those_alone_and_says_when_it_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, model = finder()
    (found,) = explain(opened, "mutagenesis", ["MKVLAAGW"], ["yes"], positions=(2, 8, 90))
    assert np.flatnonzero(np.isfinite(found.values)).tolist() == [1, 7]
    assert len(model.asked) == 1 + 2 * 19
    told: list[str] = []
    monkeypatch.setattr(mutagenesis, "COSTLY", 379)
    records = records_of(["MK" * 10])
    next(iter(made("mutagenesis").explain(opened, records, ["yes"], lambda stage, *_: told.append(stage))))
    assert told == ["mutagenesis of 20 residues: 380 predictions"]


def test_model_of_given_vectors_cannot_be_asked_of_changed_sequences() -> None:
    opened, model = finder()
    model.model.description = {"features": {"name": "precomputed"}, "classifier": {"name": "svm"}}
    for name in ("occlusion", "mutagenesis"):
        with pytest.raises(ConfigError, match="its vectors are looked up in files"):
            explain(opened, name, ["MKV"], ["yes"])


# --- restoring


def test_arrays_that_are_not_those_of_the_graph_are_refused(
    network: Callable[..., Opened], tmp_path: Path
) -> None:
    folder = network("cnn_attention").predictor.model
    from safetensors import safe_open

    with safe_open(folder.path / artifact.ARRAYS, framework="numpy") as stored:
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    described = {
        k: v for k, v in folder.description.items() if k not in ("format", "format_version", "files")
    }
    other = {n: a + 0.1 if n.endswith("weight") else a for n, a in arrays.items()}
    spoilt = artifact.write(tmp_path / "other", described, graph=folder.graph, arrays=other, card="#")
    with pytest.raises(ModelFolderError, match="its arrays do not give what its graph gives"):
        _restoring.restored(spoilt)
    described["classifier"] = {"name": "neural", "config": {"no_such_option": 1}}
    spoilt = artifact.write(tmp_path / "options", described, graph=folder.graph, arrays=arrays, card="#")
    with pytest.raises(ModelFolderError, match="options of classifier 'neural' are not this version's"):
        _restoring.restored(spoilt)


def test_head_on_features_is_restored_and_has_no_gradients_at_residues(tmp_path: Path) -> None:
    x, y, _ = explained.task(1, 60)
    spec = Component(name="head", options={"training": {"epochs": 2}, "head": {"name": "linear"}})
    features = Component(name="composition")
    opened = open_model(explained.write(tmp_path / "head", spec, x, y, features=features))
    given = features.build("features").transform(x)
    found = opened.feature_network()(torch.from_numpy(given)).numpy()  # type: ignore[misc]
    assert found[:, 1] - found[:, 0] == pytest.approx(opened.predictor.scores(x)[:, 0], abs=1e-5)
    assert opened.network() is None
    assert "reads features (composition)" in str(opened.why_no_network())


# --- language models


def of_language_model(family: str, *, summary: bool = False, window: int | None = None) -> OfLanguageModel:
    """A tiny language model whose two logits are sums of what is read."""
    model = language_models.load(family)

    def read(states: Any, mask: Any, cls: Any) -> Any:
        pooled = states.sum(dim=1) / mask.sum(dim=1, keepdim=True) if cls is None else cls
        return torch.stack([pooled[:, :16].sum(dim=1), pooled[:, 16:].sum(dim=1)], dim=1)

    return OfLanguageModel(
        model,
        read,
        Calibration(np.array([[-0.5, 0.5]]), np.zeros(2)),
        layer=-1,
        window=None if window is None else policies.Windows(window, 2),
        reads_summary=summary,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("transformers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        with hubs.serving(patch, tmp_path_factory.mktemp("hf-home")) as hub:
            for name in ("esm2_t6", "protbert", "protxlnet", "prott5", "protalbert", "esmc_300m"):
                hub.publish(name)
            yield hub


@pytest.mark.parametrize("family", ["esm2_t6", "protbert", "protalbert", "protxlnet", "prott5", "esmc_300m"])
def test_language_model_cut_at_its_embedding_computes_the_same(family: str, served: Any) -> None:
    net = of_language_model(family)
    x = tiny.random_sequences(3, 3, shortest=4, longest=12)
    vectors, mask = net.embed(x)
    ids, attention, is_residue = map(torch.from_numpy, net._model.vocabulary.batch(x))
    hidden = net._model.hidden(ids, attention)
    expected = torch.stack([hidden[row][is_residue[row]].mean(dim=0) for row in range(3)])
    found = net.logits(vectors, mask)
    assert found.detach().numpy() == pytest.approx(
        torch.stack([expected[:, :16].sum(dim=1), expected[:, 16:].sum(dim=1)], dim=1).numpy(), abs=1e-4
    )
    x_at = vectors.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(net.log_odds(x_at, mask, torch.tensor([0, 1, 0])).sum(), x_at)
    assert bool((gradient[mask].norm(dim=1) > 0).all())
    assert bool((gradient[~mask] == 0).all())


@pytest.mark.parametrize("family", ["esm2_t6", "protbert", "protalbert", "protxlnet", "prott5", "esmc_300m"])
@pytest.mark.parametrize("summary", [False, True])
def test_rollout_is_the_product_of_the_layers(family: str, summary: bool, served: Any) -> None:
    net = of_language_model(family, summary=summary)
    if summary and net.summary_place is None:
        pytest.skip("it has no summary token")
    sequence = "MKVLAAGHWC"
    layers, first = net.attentions(sequence)
    assert len(layers) == hubs.LAYERS
    product = np.eye(len(layers[0]))
    for layer in layers:
        product = (0.5 * layer.numpy() + 0.5 * np.eye(len(layer))) @ product
    rows: list[Any] = [net.summary_place] if summary else list(range(first, first + 10))
    expected = product[rows].mean(axis=0)[first : first + 10]
    found = made("rollout")._weights(net, sequence)
    assert found == pytest.approx(expected / expected.sum(), abs=1e-6)
    assert found.sum() == pytest.approx(1)


def test_windows_of_a_long_sequence_are_joined_as_the_embedding_joins_them(served: Any) -> None:
    net = of_language_model("esm2_t6", window=8)
    long, short = tiny.random_sequences(5, 1, shortest=18, longest=18)[0], "MKVLA"
    policy = policies.Windows(8, 2)
    states = []
    for piece in policy.pieces(long):
        ids, _, is_residue = map(torch.from_numpy, net._model.vocabulary.batch([piece]))
        states.append(net._model.hidden(ids, None)[0][is_residue[0]].numpy())
    expected = policy.join(states, len(long)).mean(axis=0)
    found = net.logits(*net.embed([long, short]))[0].detach().numpy()
    assert found == pytest.approx([expected[:16].sum(), expected[16:].sum()], abs=1e-4)
    assert made("rollout")._weights(net, long).sum() == pytest.approx(1)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_head_on_embeddings_is_explained_through_its_language_model(
    pooling: str, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "cache"))
    x, y, _ = explained.task(1, 40, shortest=8, longest=16)
    spec = Component(name="head", options={"head": {"name": "linear"}, "training": {"epochs": 3}})
    features = Component(name="embedding", options={"backbone": "esm2_t6", "pooling": pooling})
    opened = open_model(explained.write(tmp_path / "model", spec, x, y, features=features))
    p = opened.predictor.predict_proba(x[:3])[:, 1]
    # Not the mean: a network of chance may differ from that by next to nothing, of which any error is much.
    found = explain(opened, "integrated_gradients", x[:3], ["class1"] * 3, baseline="unknown")
    assert [a.score for a in found] == pytest.approx(np.log(p / (1 - p)), abs=2e-3)
    assert all(a.completeness < COMPLETE for a in found)
    rolled = explain(opened, "rollout", x[:3], ["class1"] * 3)
    assert [a.values.sum() for a in rolled] == pytest.approx([1, 1, 1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"members": 2}, {"dropout_samples": 3}, {"members": 2, "dropout_samples": 2}]
)
def test_several_networks_are_explained_as_their_mean(options: dict[str, int], tmp_path: Path) -> None:
    x, y, _ = explained.task(1, 80)
    spec = explained.neural("light_attention", training={"epochs": 2}, filters=8, kernel=3)
    spec = spec.model_copy(update={"options": spec.options | options})
    opened = open_model(explained.write(tmp_path / "model", spec, x, y))
    p = opened.predictor.predict_proba(x[:5])[:, 1]
    found = explain(opened, "integrated_gradients", x[:5], ["class1"] * 5)
    assert [a.score for a in found] == pytest.approx(np.log(p / (1 - p)), abs=1e-3)
    assert all(a.completeness < COMPLETE for a in found)
