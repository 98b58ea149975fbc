"""Every registered head by the contract; then the recurrent ones against their equations.

Axis letters: B batch, L residues, D width, H hidden units, C classes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sortilin import registry
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.experiment.presets import DEEP_MLP
from sortilin.heads import _pooling
from sortilin.heads._recurrent import Recurrent, reversed_positions
from sortilin.interfaces import DoubleArray

NAMES = registry.names("head")
WIDTH, N_CLASSES = 5, 3

SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"hidden": 4},
    "cnn_lstm": {"hidden": 4, "filters": 3, "kernels": (3,)},
    "light_attention": {"hidden": 4, "kernel": 3},
    "cnn_attention": {"channels": (7, 6, 5), "hidden": 6, "kernel": 3},
    "mlp": {"hidden": (6,)},
    "linear": {"dropout": 0.1},
}
"""Options that make a head quick; a head that is not here is tested as it comes."""

CASES: dict[str, list[dict[str, Any]]] = {
    "lstm": [
        {"bidirectional": bidirectional, "pooling": pooling}
        for bidirectional in (False, True)
        for pooling in ("max", "attention")
    ],
    "cnn_lstm": [
        {"bidirectional": True, "pooling": "attention", "window": 3, "kernels": (3, 5)},
        {"bidirectional": False, "pooling": "attention"},
        {"bidirectional": True, "pooling": "max", "kernels": (1, 9)},
        {"bidirectional": False, "pooling": "max", "window": 4, "filters": None},
    ],
    "light_attention": [{}, {"kernel": 9, "filters": 3}],
    "cnn_attention": [
        {},
        {"kernel": 5, "window": 3},
        {"kernel": 7, "window": 1},
        {"convolutions": False},
        {"self_attention": False},
        {"published_form": True},
        {"published_form": True, "self_attention": False},
    ],
    "mlp": [{}, {"hidden": (6, 4), "dropout": (0.3, 0.2), "batch_norm": True}],
}
OF_THE_MEAN = ("linear", "mlp")
"""Heads to which the order of the residues is nothing."""

WITHOUT_ATTENTION = (
    "head '{}' has no attention; light_attention and cnn_attention have, and lstm and cnn_lstm with "
    "pooling: attention"
)
LENGTHS = (7, 1, 12, 3, 8)
EXACT = 1e-12
"""float64, where nothing is computed in another way for other pads."""

NEARLY = 1e-6
"""float32. Attention weights are computed in it in any case."""


def as_id(case: tuple[str, dict[str, Any]]) -> str:
    return "-".join([case[0], *(f"{key}={value}" for key, value in case[1].items())])


@cache
def _built(name: str, options: tuple[tuple[str, Any], ...]) -> nn.Module:
    variant = registry.get("head", name)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = variant.Config(**{**SMALL.get(name, {}), **dict(options)})
        head: nn.Module = variant(config, width=WIDTH, n_classes=N_CLASSES)
    return head.eval()


def built(name: str, options: dict[str, Any]) -> Any:
    """The head in float64, in evaluation mode."""
    return _built(name, tuple(options.items())).double()


ALL = [(name, options) for name in NAMES for options in CASES.get(name, [{}])]
ATTENTIVE = [case for case in ALL if built(*case).has_attention]


@pytest.fixture(params=ALL, ids=as_id)
def head(request: pytest.FixtureRequest) -> Any:
    return built(*request.param)


@pytest.fixture(params=[case for case in ALL if case[0] not in OF_THE_MEAN], ids=as_id)
def ordered(request: pytest.FixtureRequest) -> Any:
    return built(*request.param)


@pytest.fixture(params=ATTENTIVE, ids=as_id)
def attentive(request: pytest.FixtureRequest) -> Any:
    return built(*request.param)


def sequences(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Residue vectors (L, D) of sequences of unlike length."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, WIDTH, generator=generator, dtype=dtype) for length in LENGTHS]


def padded(parts: list[Tensor], n_more: int = 0, *, pads: float = 0.0) -> tuple[Tensor, Tensor]:
    """(B, L, D) and (B, L), padded on the right to the longest and some more."""
    longest = max(map(len, parts)) + n_more
    x = torch.full((len(parts), longest, WIDTH), pads, dtype=parts[0].dtype)
    mask = torch.zeros((len(parts), longest), dtype=torch.bool)
    for row, part in enumerate(parts):
        x[row, : len(part)], mask[row, : len(part)] = part, True
    return x, mask


# --- the contract


def test_batch_gives_a_row_of_logits_a_sequence(head: Any) -> None:
    logits = head(*padded(sequences()))
    assert logits.shape == (len(LENGTHS), N_CLASSES)
    assert torch.isfinite(logits).all()
    assert len(torch.unique(logits[:, 0])) == len(LENGTHS)


@pytest.mark.parametrize(("dtype", "same"), [(torch.float32, NEARLY), (torch.float64, None)])
def test_sequence_has_its_logits_alone_in_any_batch_and_behind_any_pads(
    head: Any, dtype: torch.dtype, same: float | None
) -> None:
    tolerance = same or (NEARLY if head.has_attention else EXACT)
    head = head.to(dtype)
    parts = sequences(dtype)
    with torch.inference_mode():
        together = head(*padded(parts)).numpy()
        alone = np.concatenate([head(*padded([part])).numpy() for part in parts])
        assert alone == pytest.approx(together, abs=tolerance)
        order = [3, 0, 4, 2, 1]
        turned = head(*padded([parts[row] for row in order])).numpy()
        assert turned == pytest.approx(together[order], abs=tolerance)
        for n_more in (1, 2, 3, 30):
            assert head(*padded(parts, n_more)).numpy() == pytest.approx(together, abs=tolerance)


def test_what_stands_at_a_pad_does_not_matter(head: Any) -> None:
    with torch.inference_mode():
        expected = head(*padded(sequences())).numpy()
        assert head(*padded(sequences(), 3, pads=50.0)).numpy() == pytest.approx(expected, abs=NEARLY)


def test_each_residue_matters(head: Any) -> None:
    x, mask = padded(sequences()[:1])
    with torch.inference_mode():
        before = head(x, mask)
        for place in range(LENGTHS[0]):
            changed = x.clone()
            changed[0, place] += 3
            assert not torch.allclose(head(changed, mask), before, atol=1e-6), place


def test_place_of_a_residue_matters(ordered: Any) -> None:
    x, mask = padded(sequences()[:1])
    with torch.inference_mode():
        assert not torch.allclose(ordered(x, mask), ordered(x.flip(1), mask), atol=1e-6)


@pytest.mark.parametrize("case", [case for case in ALL if case[0] in OF_THE_MEAN], ids=as_id)
def test_head_of_the_mean_takes_it_for_the_sequence(case: tuple[str, dict[str, Any]]) -> None:
    head = built(*case)
    with torch.inference_mode():
        expected = head(*padded([part.mean(dim=0, keepdim=True) for part in sequences()])).numpy()
        assert head(*padded(sequences(), 2)).numpy() == pytest.approx(expected, abs=EXACT)


def gradients(head: Any, n_more: int) -> dict[str, DoubleArray]:
    head.zero_grad()
    y = torch.tensor([0, 1, 2, 0, 1])
    loss = nn.functional.cross_entropy(head(*padded(sequences(), n_more)), y)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.numpy().copy() for name, p in head.named_parameters() if p.grad is not None}


def test_gradients_do_not_depend_on_pads(head: Any) -> None:
    expected = gradients(head, 0)
    assert len(expected) == len(list(head.parameters()))
    for n_more in (1, 20):
        for name, found in gradients(head, n_more).items():
            tolerance = NEARLY if head.has_attention else EXACT
            assert found == pytest.approx(expected[name], abs=tolerance), (name, n_more)


def test_pads_get_no_gradient(head: Any) -> None:
    x, mask = padded(sequences(), 4)
    x.requires_grad_(True)
    head(x, mask).square().sum().backward()
    assert x.grad is not None
    assert (x.grad[~mask] == 0).all()
    assert (x.grad[mask].abs().sum(dim=-1) > 0).any()


def test_dropout_works_in_training_alone(head: Any) -> None:
    x, mask = padded(sequences())
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        head.train()
        try:
            assert not torch.equal(head(x, mask), head(x, mask))
        finally:
            head.eval()
        assert torch.equal(head(x, mask), head(x, mask))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        registry.get("head", name).Config(no_such_option=1)


@pytest.mark.parametrize("name", NAMES)
def test_head_is_made_without_options(name: str) -> None:
    head = registry.get("head", name)(width=WIDTH, n_classes=2)
    assert isinstance(head.has_attention, bool)
    assert head.config == registry.get("head", name).Config()


# --- attention


def test_attention_sums_to_one_over_the_residues(attentive: Any) -> None:
    x, mask = padded(sequences(), 5)
    with torch.inference_mode():
        logits, weights = attentive.attention(x, mask)
        assert torch.equal(logits, attentive(x, mask))
    assert weights.shape == mask.shape
    assert (weights >= 0).all()
    assert (weights[~mask] == 0).all()
    assert weights.sum(dim=1).numpy() == pytest.approx(np.ones(len(LENGTHS)), abs=NEARLY)


def test_attention_of_a_sequence_is_its_own(attentive: Any) -> None:
    parts = sequences()
    with torch.inference_mode():
        _, together = attentive.attention(*padded(parts, 7))
        for row, part in enumerate(parts):
            _, alone = attentive.attention(*padded([part]))
            assert alone[0].numpy() == pytest.approx(together[row, : len(part)].numpy(), abs=NEARLY)


@pytest.mark.parametrize("case", [case for case in ALL if case not in ATTENTIVE], ids=as_id)
def test_head_without_attention_says_so(case: tuple[str, dict[str, Any]]) -> None:
    with pytest.raises(ConfigError) as caught:
        built(*case).attention(*padded(sequences()))
    expected = "this head has no attention; use pooling: attention"
    if case[0] in OF_THE_MEAN:
        expected = WITHOUT_ATTENTION.format(case[0])
    if case[0] == "cnn_attention":
        expected = "this head has no attention; use self_attention: true"
    assert str(caught.value) == expected


@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
def test_attention_is_where_it_is_asked_for(name: str, options: dict[str, Any]) -> None:
    if "pooling" in options:
        assert built(name, options).has_attention == (options["pooling"] == "attention")
    if "self_attention" in options:
        assert built(name, options).has_attention == options["self_attention"]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_attention_is_the_published_equation(bidirectional: bool) -> None:
    # a_t = softmax_t(w . tanh(W h_t)), and the sequence is sum_t a_t h_t.
    head = built("lstm", {"bidirectional": bidirectional, "pooling": "attention"})
    for part in sequences():
        with torch.inference_mode():
            x, mask = padded([part])
            logits, weights = head.attention(x, mask)
            h = head.recurrent(x, mask)[0].numpy()  # (L, H)
        inner = head.pooling.attention.inner.weight.detach().numpy()
        outer = head.pooling.attention.outer.weight.detach().numpy()[0]
        energy = np.array([outer @ np.tanh(inner @ h_t) for h_t in h])
        expected = np.exp(energy) / np.exp(energy).sum()
        assert weights[0].numpy() == pytest.approx(expected, abs=NEARLY)
        with torch.inference_mode():
            pooled = torch.from_numpy(expected @ h)[None]
            assert logits.numpy() == pytest.approx(head.classifier(pooled).numpy(), abs=NEARLY)


def test_residues_of_a_window_share_its_weight() -> None:
    head = built("cnn_lstm", {"pooling": "attention", "window": 3})
    x, mask = padded(sequences())  # 7, 1, 12, 3 and 8 residues
    with torch.inference_mode():
        _, of_windows = head._run(x, mask)
        _, of_residues = head.attention(x, mask)
    for row, length in enumerate(LENGTHS):
        for start in range(0, length, 3):
            n = min(3, length - start)
            expected = np.full(n, of_windows[row, start // 3] / n)
            assert of_residues[row, start : start + n].numpy() == pytest.approx(expected, abs=1e-9)


# --- the recurrent layer


def lstm_by_hand(x: DoubleArray, layer: Any) -> DoubleArray:
    """(L, D) → (L, H) by the equations of Hochreiter & Schmidhuber (1997) with a forget gate."""

    def sigmoid(z: DoubleArray) -> DoubleArray:
        return np.asarray(1 / (1 + np.exp(-z)))

    w, u = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    h = c = np.zeros(layer.hidden_size)
    states = []
    for x_t in x:
        i, f, g, o = np.split(w @ x_t + u @ h + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


@pytest.fixture
def both_ways() -> Recurrent:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Recurrent(WIDTH, 4, bidirectional=True).double()


def test_recurrent_layer_is_its_equations(both_ways: Recurrent) -> None:
    assert both_ways.back is not None
    with torch.inference_mode():
        found = both_ways(*padded(sequences())).numpy()
    for row, part in enumerate(sequences()):
        ahead = lstm_by_hand(part.numpy(), both_ways.ahead)
        back = lstm_by_hand(part.numpy()[::-1], both_ways.back)[::-1]
        assert found[row, : len(part)] == pytest.approx(np.hstack([ahead, back]), abs=EXACT)


def test_both_directions_are_those_of_pytorch(both_ways: Recurrent) -> None:
    assert both_ways.back is not None
    theirs = nn.LSTM(WIDTH, 4, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for name, weight in both_ways.ahead.named_parameters():
            getattr(theirs, name).copy_(weight)
        for name, weight in both_ways.back.named_parameters():
            getattr(theirs, f"{name}_reverse").copy_(weight)
    x, mask = padded(sequences(), 4)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    with torch.inference_mode():
        expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True, total_length=x.shape[1])
        found = both_ways(x, mask)
    assert found[mask].numpy() == pytest.approx(expected[mask].numpy(), abs=EXACT)


def test_one_direction_is_a_plain_lstm() -> None:
    layer = Recurrent(WIDTH, 4, bidirectional=False).double()
    x, mask = padded(sequences())
    with torch.inference_mode():
        assert torch.equal(layer(x, mask), layer.ahead(x)[0])
    assert layer.width == 4


def test_reversed_positions_turn_residues_and_leave_pads() -> None:
    mask = torch.tensor([[True] * 4, [True, True, False, False], [True, False, False, False]])
    assert reversed_positions(mask).tolist() == [[3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 2, 3]]


# --- pooling and convolution


def test_maximum_is_over_residues_alone() -> None:
    h = torch.tensor([[[-3.0, -1.0], [-2.0, -5.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    assert _pooling.masked_max(h, mask).tolist() == [[-2.0, -1.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maximum_is_found_in_half_precision(dtype: torch.dtype) -> None:
    h = torch.tensor([[[-3.0], [-2.0], [9.0]]], dtype=dtype)
    assert _pooling.masked_max(h, torch.tensor([[True, True, False]])).tolist() == [[-2.0]]


def pooled_by_hand(head: Any, part: Tensor) -> DoubleArray:
    """(L, D) → (P, F): convolutions over the sequence with zeros beyond its ends, ReLU, maxima of windows."""
    found = []
    for convolution in head.convolutions:
        weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()  # (F, D, K)
        reach = weight.shape[2] // 2
        around = np.pad(part.numpy(), ((reach, reach), (0, 0)))
        found.append(
            [
                np.einsum("fdk,kd->f", weight, around[place : place + weight.shape[2]]) + bias
                for place in range(len(part))
            ]
        )
    features = np.maximum(np.concatenate(found, axis=1), 0)  # (L, F)
    size = head.config.window
    return np.array([features[start : start + size].max(axis=0) for start in range(0, len(part), size)])


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("kernels", [(3,), (1, 5)])
def test_convolutions_and_their_maxima_by_hand(window: int, kernels: tuple[int, ...]) -> None:
    head = built("cnn_lstm", {"window": window, "kernels": kernels})
    with torch.inference_mode():
        together = head(*padded(sequences(), 2)).numpy()
    for row, part in enumerate(sequences()):
        h = lstm_by_hand(pooled_by_hand(head, part), head.recurrent.ahead)
        with torch.inference_mode():
            expected = head.classifier(torch.from_numpy(h.max(axis=0))[None])[0].numpy()
        assert together[row] == pytest.approx(expected, abs=1e-10)


def test_filters_are_as_many_as_residue_vectors_are_wide_unless_asked() -> None:
    assert built("cnn_lstm", {"filters": None}).convolutions[0].out_channels == WIDTH
    assert built("cnn_lstm", {"filters": 2}).convolutions[0].out_channels == 2


@pytest.mark.parametrize("kernels", [(2,), (3, 4, 6)])
def test_convolution_without_a_middle_is_refused(kernels: tuple[int, ...]) -> None:
    even = [width for width in kernels if width % 2 == 0]
    with pytest.raises(ValidationError) as caught:
        registry.get("head", "cnn_lstm").Config(kernels=kernels)
    assert f"widths must be odd, found {even}" in str(caught.value)


# --- light attention


def convolved(layer: Any, part: Tensor) -> DoubleArray:
    """(L, D) → (L, F): a convolution with zeros beyond the ends of the sequence."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()  # (F, D, K)
    reach = weight.shape[2] // 2
    around = np.pad(part.numpy(), ((reach, reach), (0, 0)))
    windows = (around[place : place + weight.shape[2]] for place in range(len(part)))
    return np.array([np.einsum("fdk,kd->f", weight, window) + bias for window in windows])


@pytest.mark.parametrize("options", [{}, {"kernel": 9, "filters": 3}], ids=str)
def test_light_attention_is_the_published_equations(options: dict[str, Any]) -> None:
    # Values and attention by a convolution each; softmax over the residues of each channel by itself.
    head = built("light_attention", options)
    with torch.inference_mode():
        logits, attention = head.attention(*padded(sequences(), 2))
    for row, part in enumerate(sequences()):
        values, energy = convolved(head.values, part), convolved(head.energy, part)
        weights = np.exp(energy - energy.max(axis=0))
        weights /= weights.sum(axis=0)  # (L, F)
        pooled = np.concatenate([(weights * values).sum(axis=0), values.max(axis=0)])
        with torch.inference_mode():
            expected = head.classifier(torch.from_numpy(pooled)[None])[0].numpy()
        assert logits[row].numpy() == pytest.approx(expected, abs=NEARLY)
        assert attention[row, : len(part)].numpy() == pytest.approx(weights.mean(axis=1), abs=NEARLY)


def test_light_attention_has_the_published_sizes_unless_asked() -> None:
    head = registry.get("head", "light_attention")(width=WIDTH, n_classes=N_CLASSES)
    assert head.values.weight.shape == head.energy.weight.shape == (WIDTH, WIDTH, 9)
    assert [layer.out_features for layer in head.classifier if isinstance(layer, nn.Linear)] == [32, 3]
    assert {layer.p for layer in head.modules() if isinstance(layer, nn.Dropout)} == {0.25}


def test_light_attention_needs_a_middle() -> None:
    with pytest.raises(ValidationError, match="the width must be odd, found 4"):
        registry.get("head", "light_attention").Config(kernel=4)


# --- dense layers


def kinds(head: Any) -> list[tuple[str, float]]:
    """Kind and size of each layer, in order; the share of a dropout."""
    sizes = {"Linear": "out_features", "BatchNorm": "num_features", "Dropout": "p"}
    names = [type(layer).__name__ for layer in head.layers]
    return [(n, getattr(layer, sizes.get(n, ""), 0)) for n, layer in zip(names, head.layers, strict=True)]


def test_mlp_has_the_two_published_forms() -> None:
    variant = registry.get("head", "mlp")
    shallow = variant(width=1024, n_classes=4)
    assert kinds(shallow) == [("Linear", 512), ("ReLU", 0), ("Dropout", 0.3), ("Linear", 4)]
    deep = variant(variant.Config(**DEEP_MLP), width=320, n_classes=4)
    assert kinds(deep) == [
        *[("Linear", 512), ("ReLU", 0), ("BatchNorm", 512), ("Dropout", 0.3)],
        *[("Linear", 256), ("ReLU", 0), ("BatchNorm", 256), ("Dropout", 0.2)],
        ("Linear", 4),
    ]
    assert deep.layers[0].in_features == 320


def test_one_dropout_is_that_of_every_layer() -> None:
    config = registry.get("head", "mlp").Config(hidden=(8, 4), dropout=0.5)
    assert config.dropouts == (0.5, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"hidden": (8, 4), "dropout": (0.1,)},
            "dropout holds 1 numbers for 2 hidden layers; give one a layer, or one for all",
        ),
        ({"dropout": 1.0}, "dropout is a share from 0 to below 1; found 1"),
        ({"dropout": (-0.1,)}, "dropout is a share from 0 to below 1; found -0.1"),
        ({"hidden": ()}, "hidden: Tuple should have at least 1 item"),
    ],
)
def test_mlp_option_that_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Component(name="mlp", options=options).resolved("head")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["mlp", "light_attention"])
def test_batch_of_one_can_be_learned_from(name: str) -> None:
    # The last batch of an epoch may be one sequence, which has no spread over the batch.
    options = {"hidden": (4,), "batch_norm": True} if name == "mlp" else {"hidden": 4}
    variant = registry.get("head", name)
    head = variant(variant.Config(**options), width=WIDTH, n_classes=N_CLASSES).train()
    before = {key: value.clone() for key, value in head.state_dict().items() if "running" in key}
    assert len(before) == 2
    x, mask = padded(sequences(torch.float32)[:1])
    head(x, mask).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    for key, value in before.items():
        assert torch.equal(head.state_dict()[key], value), key
    both = padded(sequences(torch.float32)[:3:2])
    head(*both)
    assert not any(torch.equal(head.state_dict()[key], value) for key, value in before.items())
