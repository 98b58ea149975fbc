"""Every registered backbone by the contract; then the fixed and the learned code of residues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

import tiny
from sortilin import registry
from sortilin.sequences import tokens

NAMES = registry.names("backbone")
CASES: dict[str, list[dict[str, Any]]] = {"onehot": [{"embedding": 6}, {"embedding": None}]}
SEQUENCES = ["MKVX", "A", "ACDEFGHIKLMNPQRSTVWY", "KRKR"]
NEARLY = 1e-6


@pytest.fixture(params=[(n, o) for n in NAMES for o in CASES.get(n, [{}])], ids=str)
def backbone(request: pytest.FixtureRequest) -> Any:
    name, options = request.param
    variant = registry.get("backbone", name)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return variant(variant.Config(**options)).eval()


def batch(sequences: list[str], n_more: int = 0) -> tuple[Tensor, Tensor]:
    """(B, L) tokens and mask, with more pads than needed."""
    table = np.pad(tokens.pad(sequences), ((0, 0), (0, n_more)), constant_values=tokens.PAD)
    found = torch.from_numpy(table)
    return found, found != tokens.PAD


def test_batch_gives_a_vector_a_residue_and_nothing_at_pads(backbone: Any) -> None:
    given, mask = batch(SEQUENCES, 3)
    with torch.inference_mode():
        x = backbone(given, mask)
    assert x.shape == (*given.shape, backbone.width)
    assert torch.isfinite(x).all()
    assert (x[~mask] == 0).all()


def test_sequence_has_its_vectors_alone_and_behind_any_pads(backbone: Any) -> None:
    with torch.inference_mode():
        together = backbone(*batch(SEQUENCES, 9))
        for row, sequence in enumerate(SEQUENCES):
            alone = backbone(*batch([sequence]))[0].numpy()
            assert alone == pytest.approx(together[row, : len(sequence)].numpy(), abs=NEARLY)


def test_each_kind_of_residue_has_another_vector(backbone: Any) -> None:
    with torch.inference_mode():
        x = backbone(*batch([tiny.RESIDUES]))[0]
    assert len(torch.unique(x, dim=0)) == 20


@pytest.mark.parametrize("name", NAMES)
def test_backbone_is_made_without_options(name: str) -> None:
    backbone = registry.get("backbone", name)()
    assert backbone.width > 0
    assert backbone.config == registry.get("backbone", name).Config()


@pytest.mark.parametrize("name", NAMES)
def test_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        registry.get("backbone", name).Config(no_such_option=1)


# --- residues without their neighbours


def onehot(**options: Any) -> Any:
    variant = registry.get("backbone", "onehot")
    return variant(variant.Config(**options))


def test_fixed_code_has_a_one_at_the_residue() -> None:
    backbone = onehot(embedding=None)
    x = backbone(*batch(["ACDEFGHIKLMNPQRSTVWY", "YA"]))
    assert torch.equal(x[0], torch.eye(20))
    assert torch.equal(x[1, 0], torch.eye(20)[19])
    assert torch.equal(x[1, 1], torch.eye(20)[0])
    assert (x[1, 2:] == 0).all()


def test_unknown_residue_is_none_of_the_twenty_in_the_fixed_code() -> None:
    x = onehot(embedding=None)(*batch(["XA"]))
    assert (x[0, 0] == 0).all()
    assert x[0, 1].sum() == 1


def test_fixed_code_is_not_trained() -> None:
    assert not any(parameter.requires_grad for parameter in onehot(embedding=None).parameters())


def test_learned_code_has_a_vector_for_unknown_residues_and_learns_none_for_pads() -> None:
    backbone = onehot(embedding=6)
    given, mask = batch(["MXX", "M"])
    x = backbone(given, mask)
    assert (x[0, 1] != 0).any()
    assert torch.equal(x[0, 1], x[0, 2])
    x.square().sum().backward()
    gradient = backbone.vectors.weight.grad
    assert (gradient[tokens.PAD] == 0).all()
    assert (gradient[given[0, 0]] != 0).any()
    assert (gradient[given[0, 1]] != 0).any()
    assert (gradient[1] == 0).all()  # alanine was not there
