"""The head of ACP-ESM2 against its equations, in both forms, and what its attention can and cannot show.

Axis letters: B batch, L residues, P pooled positions, D width, F filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import tiny
from sortilin import registry
from sortilin.experiment import presets, read_config
from sortilin.heads._convolution import ResidueBatchNorm
from sortilin.interfaces import DoubleArray
from sortilin.sequences import tokens

WIDTH = 6
SMALL: dict[str, Any] = {"channels": (8, 7, 5), "hidden": 6, "kernel": 3, "dropout": 0.0}
LENGTHS = (7, 1, 12, 3, 8)
SAME = 1e-6
"""Attention weights are computed in float32."""

FORMS: list[dict[str, Any]] = [
    {},
    {"kernel": 5, "window": 1},
    {"kernel": 7, "window": 3},
    {"window": 40},
    {"convolutions": False},
    {"self_attention": False, "kernel": 5},
    {"convolutions": False, "self_attention": False},
    {"published_form": True},
    {"published_form": True, "kernel": 7, "self_attention": False},
]
POSITIONAL = [form for form in FORMS if not form.get("published_form") and form.get("self_attention", True)]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The weights of a head are drawn; the caller's generator is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        yield


def made(n_classes: int = 2, **options: Any) -> Any:
    """In float64 and evaluation mode; normalization as after some training, attention far from even."""
    variant = registry.get("head", "cnn_attention")
    head = variant(variant.Config(**{**SMALL, **options}), width=WIDTH, n_classes=n_classes).double()
    for layer in head.modules():
        if isinstance(layer, ResidueBatchNorm):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    if head.self_attention is not None:
        nn.init.normal_(head.self_attention.query.weight, std=2)
        nn.init.normal_(head.self_attention.key.weight, std=2)
    return head.eval()


def sequences(lengths: tuple[int, ...] = LENGTHS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, WIDTH, generator=generator, dtype=torch.float64) for length in lengths]


def padded(parts: list[Tensor], n_more: int = 0, pads: float = 0.0) -> tuple[Tensor, Tensor]:
    """(B, L, D) and (B, L), padded on the right to the longest and some more."""
    x = torch.full((len(parts), max(map(len, parts)) + n_more, WIDTH), pads, dtype=parts[0].dtype)
    mask = torch.zeros(x.shape[:2], dtype=torch.bool)
    for row, part in enumerate(parts):
        x[row, : len(part)], mask[row, : len(part)] = part, True
    return x, mask


# --- the equations, in numpy


def linear(layer: nn.Linear, x: DoubleArray) -> DoubleArray:
    return np.asarray(x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())


def convolved(layer: nn.Conv1d, x: DoubleArray) -> DoubleArray:
    """(L, D) → (L, F): zeros beyond the ends."""
    weight, bias = layer.weight.detach().numpy(), layer.bias
    assert bias is not None
    reach = weight.shape[2] // 2
    around = np.pad(x, ((reach, reach), (0, 0)))
    windows = (around[place : place + weight.shape[2]] for place in range(len(x)))
    return np.array([np.einsum("fdk,kd->f", weight, w) + bias.detach().numpy() for w in windows])


def normalized(layer: Any, x: DoubleArray) -> DoubleArray:
    mean, variance = layer.running_mean.numpy(), layer.running_var.numpy()
    scale = layer.weight.detach().numpy() / np.sqrt(variance + layer.eps)
    return np.asarray((x - mean) * scale + layer.bias.detach().numpy())


def by_hand(head: Any, x: DoubleArray) -> tuple[DoubleArray, DoubleArray | None]:
    """(L, D) → logits (2,) and weights (L,) of one sequence, as the paper's equations 3 to 8 have it."""
    published, size = head.config.published_form, head.config.window

    def rectified(h: DoubleArray) -> DoubleArray:
        return h if published else np.maximum(h, 0)

    if head.projection is not None:
        h = linear(head.projection, x)
    else:
        h = x
        for block in head.convolutions:
            h = rectified(normalized(block.normalization, convolved(block.convolution, h)))
    size = len(h) if published else size
    starts = range(0, len(h), size)
    pooled = np.array([h[start : start + size].mean(axis=0) for start in starts])  # (P, F)
    weights = None
    if head.self_attention is not None:
        layer = head.self_attention
        query, key, value = (linear(part, pooled) for part in (layer.query, layer.key, layer.value))
        energy = np.exp(query @ key.T / np.sqrt(query.shape[1]))
        each = energy / energy.sum(axis=1, keepdims=True)  # (P, P)
        pooled = each @ value
        in_window = [len(h[start : start + size]) for start in starts]
        weights = np.repeat(each.mean(axis=0) / in_window, in_window)
    first, _, second = head.classifier
    z = linear(second, rectified(linear(first, pooled.mean(axis=0))))
    return np.array([0.0, z[0]]), weights


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_head_is_its_equations(form: dict[str, Any]) -> None:
    head = made(**form)
    x, mask = padded(sequences(), 3, pads=50.0)
    with torch.inference_mode():
        logits, weights = head.attention(x, mask) if head.has_attention else (head(x, mask), None)
    for row, part in enumerate(sequences()):
        expected, its_weights = by_hand(head, part.numpy())
        assert logits[row].numpy() == pytest.approx(expected, abs=SAME)
        if its_weights is not None:
            assert weights is not None
            assert weights[row, : len(part)].numpy() == pytest.approx(its_weights, abs=SAME)


def test_sizes_are_the_published_ones_unless_asked() -> None:
    head = registry.get("head", "cnn_attention")(width=1280, n_classes=2)
    shapes = [tuple(layer.weight.shape) for layer in head.modules() if isinstance(layer, nn.Conv1d)]
    assert shapes == [(512, 1280, 5), (128, 512, 5), (32, 128, 5)]
    assert [layer.out_features for layer in head.classifier if isinstance(layer, nn.Linear)] == [16, 1]
    assert [part.weight.shape for part in head.self_attention.children()] == [(32, 32)] * 3
    assert [layer.p for layer in head.modules() if isinstance(layer, nn.Dropout)] == [0.2]
    assert head.config.window == 2


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_kernel_is_that_of_every_convolution(kernel: int) -> None:
    layers = [layer for layer in made(kernel=kernel).modules() if isinstance(layer, nn.Conv1d)]
    assert [layer.kernel_size for layer in layers] == [(kernel,)] * 3


@pytest.mark.parametrize("published", [False, True])
def test_published_form_is_a_linear_map_of_the_residues_and_the_default_is_not(published: bool) -> None:
    head = made(published_form=published)
    x, mask = padded(sequences((9, 9)))
    half = x[:1] / 2 + x[1:] / 2
    with torch.inference_mode():
        mean_of_both = head(x, mask).mean(dim=0, keepdim=True)
        is_linear = torch.allclose(head(half, mask[:1]), mean_of_both, atol=SAME)
    assert is_linear == published


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 4}, "the width must be odd, found 4"),
        ({"channels": ()}, "at least 1 item"),
        ({"window": 0}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"hidden": 0}, "greater than 0"),
    ],
)
def test_option_that_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        registry.get("head", "cnn_attention").Config(**options)


# --- attention


def moved(part: Tensor) -> Tensor:
    """The same residues, the second one at the end."""
    return torch.cat([part[:1], part[2:], part[1:2]])


@pytest.mark.parametrize("form", POSITIONAL, ids=str)
def test_attention_follows_a_residue_that_moves(form: dict[str, Any]) -> None:
    (part,) = sequences((90,))
    head = made(**form)
    with torch.inference_mode():
        _, before = head.attention(*padded([part]))
        _, after = head.attention(*padded([moved(part)]))
    assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_attention_of_the_published_form_cannot(kernel: int) -> None:
    # One position has one weight, 1: what a residue is, and where it stands, can change nothing.
    head = made(published_form=True, kernel=kernel)
    (part,) = sequences((12,))
    whatever = [part, moved(part), part.flip(0), 100 * part, torch.zeros_like(part), part[:5]]
    with torch.inference_mode():
        logits, weights = head.attention(*padded(whatever))
    for row, other in enumerate(whatever):
        expected = np.full(len(other), 1 / len(other))
        assert weights[row, : len(other)].numpy() == pytest.approx(expected, abs=1e-7)
    assert len(torch.unique(logits[:, 1])) == len(whatever)  # the class can change


def test_convolutions_let_attention_see_the_neighbours() -> None:
    (part,) = sequences((9,))
    changed = part.clone()
    changed[4] += 3
    for convolutions, reach in ((True, 3), (False, 0)):  # three convolutions of width 3
        head = made(window=1, convolutions=convolutions)
        with torch.inference_mode():
            before, after = (head._features(*padded([p]))[0] for p in (part, changed))
        differ = (before != after).any(dim=1).nonzero()[:, 0].tolist()
        assert differ == list(range(4 - reach, 4 + reach + 1))


def test_half_precision_keeps_the_weights_whole() -> None:
    head = made().float()
    x, mask = padded(sequences(), 2)
    x = x.float()
    with torch.inference_mode():
        expected, its_weights = head.attention(x, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, weights = head.attention(x, mask)
    assert weights.dtype == torch.float32
    assert weights.sum(dim=1).numpy() == pytest.approx(np.ones(len(LENGTHS)), abs=SAME)
    assert weights.numpy() == pytest.approx(its_weights.numpy(), abs=0.1)
    assert logits.float().numpy() == pytest.approx(expected.numpy(), abs=0.2)


# --- training


def test_cross_entropy_is_the_binary_one_of_the_paper() -> None:
    head = made()
    y = torch.tensor([0, 1, 1, 0, 1])
    logits = head(*padded(sequences()))
    assert logits.shape == (5, 2)
    assert (logits[:, 0] == 0).all()
    found = nn.functional.cross_entropy(logits, y)
    p = torch.sigmoid(logits[:, 1])  # equation 9
    expected = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    # Equal slopes, too: the same network is learned.
    weight = head.classifier[-1].weight
    ours, theirs = (torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in (found, expected))
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-12)


def test_more_classes_have_a_logit_each() -> None:
    logits = made(n_classes=3)(*padded(sequences()))
    assert logits.shape == (5, 3)
    assert (logits != 0).all()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_pads_change_nothing_in_training(form: dict[str, Any]) -> None:
    first, second = made(**form), None
    state = {name: value.clone() for name, value in first.state_dict().items()}
    expected = first.train()(*padded(sequences()))
    for n_more, pads in ((1, 0.0), (30, 50.0)):
        second = made(**form)
        second.load_state_dict(state)
        found = second.train()(*padded(sequences(), n_more, pads))
        assert found.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=SAME)
        for name, value in first.state_dict().items():
            assert second.state_dict()[name].numpy() == pytest.approx(value.numpy(), abs=1e-12), name


def test_batch_statistics_are_those_of_the_residues() -> None:
    layer = ResidueBatchNorm(WIDTH).double().train()
    x, mask = padded(sequences(), 4, pads=50.0)
    found = layer(x.transpose(1, 2), mask).transpose(1, 2)
    residues = np.concatenate([part.numpy() for part in sequences()])
    mean, variance = residues.mean(axis=0), residues.var(axis=0)
    expected = (residues - mean) / np.sqrt(variance + layer.eps)
    assert found[mask].detach().numpy() == pytest.approx(expected, abs=1e-12)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.numpy() == pytest.approx(0.1 * mean, abs=1e-12)
    assert layer.running_var.numpy() == pytest.approx(0.9 + 0.1 * residues.var(axis=0, ddof=1), abs=1e-12)


def test_single_residue_can_be_learned_from() -> None:
    head = made().train()
    before = {name: value.clone() for name, value in head.state_dict().items() if "running" in name}
    head(*padded(sequences((1,)))).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    for name, value in before.items():
        assert torch.equal(head.state_dict()[name], value), name
    head(*padded(sequences((2,))))
    assert not any(torch.equal(head.state_dict()[name], value) for name, value in before.items())


# --- as a network, and as a graph


@pytest.mark.parametrize(
    "form", [{"window": 3, "kernel": 7}, {"self_attention": False}, {"published_form": True}], ids=str
)
def test_graph_gives_what_the_network_does_behind_any_pads(form: dict[str, Any]) -> None:
    variant = registry.get("classifier", "neural")
    options = {"head": {"name": "cnn_attention", "options": {**SMALL, **form}}}
    classifier = variant(variant.Config(backbone={"name": "onehot", "options": {"embedding": 6}}, **options))
    classifier._network = classifier._build(2, 1).eval()
    session = onnxruntime.InferenceSession(classifier.to_onnx(), providers=["CPUExecutionProvider"])
    assert [tensor.name for tensor in session.get_outputs()] == (
        ["scores"] if form.get("self_attention") is False else ["scores", "attention"]
    )
    for longest, n_more in ((1, 0), (2, 1), (9, 0), (50, 7), (131, 30)):
        rows = tiny.random_sequences(longest, 4, shortest=1, longest=longest)
        given = np.pad(tokens.pad(rows), ((0, 0), (0, n_more)), constant_values=tokens.PAD)
        scores, *weights = session.run(None, {"tokens": given})
        assert scores == pytest.approx(classifier.scores(np.array(rows, dtype=object)), abs=1e-5)
        if weights:
            with torch.inference_mode():
                _, expected = classifier._network.attention(torch.from_numpy(given))
            assert weights[0] == pytest.approx(expected.numpy(), abs=SAME)


@pytest.mark.slow
def test_network_learns_a_motif_and_looks_at_it() -> None:
    # Half of the peptides hold WWW at a random place; nothing else tells them apart but composition.
    rng = np.random.default_rng(3)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVY"))
    rows = ["".join(rng.choice(letters, size=rng.integers(14, 22))) for _ in range(160)]
    starts = rng.integers(0, 11, size=160)
    y = (np.arange(160) % 2).astype(np.int64)
    rows = [r[:s] + "WWW" + r[s + 3 :] if c else r for r, s, c in zip(rows, starts, y, strict=True)]
    variant = registry.get("classifier", "neural")
    head = {"name": "cnn_attention", "options": {"channels": (16, 8), "kernel": 3}}
    training = {"epochs": 8, "learning_rate": 0.01, "metric": "mcc", "precision": "float32"}
    backbone = {"name": "onehot", "options": {"embedding": 8}}
    classifier = variant(variant.Config(backbone=backbone, head=head, training=training))
    x = np.array(rows, dtype=object)
    classifier.fit(x[:120], y[:120], n_classes=2, seed=1)
    assert ((classifier.scores(x[120:])[:, 0] > 0) == y[120:]).mean() > 0.9
    with torch.inference_mode():
        _, weights = classifier._network.attention(torch.from_numpy(tokens.pad(rows)))
    is_motif = np.zeros(weights.shape, dtype=bool)
    for row, start in enumerate(starts):
        is_motif[row, start : start + 3] = y[row]
    length = np.array([len(r) for r in rows])[:, None]
    relative = weights.numpy() * length  # 1 where a residue weighs as much as any
    assert relative[is_motif].mean() > 1.5


def test_model_by_name_is_that_of_the_configuration() -> None:
    path = Path(__file__).parents[1] / "configs" / "anticancer-network.yaml"
    written = read_config(path).classifier.build("classifier").config
    by_name = presets.get("cnn-attention", "anticancer")
    assert by_name.features is None
    config = by_name.classifier.build("classifier").config
    precision = {"precision": written.training.precision}
    assert config.model_copy(update={"training": config.training.model_copy(update=precision)}).model_dump(
        exclude={"head"}
    ) == written.model_dump(exclude={"head"})
    assert config.head.resolved("head")[1] == written.head.resolved("head")[1]
