"""ProtAlbert: ALBERT on UniRef100; twelve layers that share one set of weights, with learned positions.

The tokenizer takes residues with spaces between them; U, Z, O and B are given as X.

Vocabulary: special tokens as transformers has them, 34 in all. The order of the residues below is assumed;
it matters for random weights only, because the order of a fetched checkpoint is read from its tokenizer.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models import _protrans
from sortilin.language_models._checkpoint import MAIN, Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._vocabulary import Vocabulary

SPECIAL = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
TOKENS = (*SPECIAL, *(f"▁{letter}" for letter in "ALGVSREDTIPKFQNYMHWCXBOUZ"))
N_TOKENS = 34
N_POSITIONS = 40_000


class VARIANT(Family):
    """ProtAlbert."""

    name = "protalbert"
    title = "ProtAlbert (ProtTrans), UniRef100"
    model_type = "albert"
    lora_targets: ClassVar[tuple[str, ...] | str] = ("query", "key", "value", "attention.dense")
    spelling = _protrans.SPACED
    has_learned_positions = True
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        Checkpoint(
            name="protalbert",
            family="protalbert",
            hub_id="Rostlab/prot_albert",
            revision=MAIN,
            width=4096,
            n_layers=12,
            n_parameters=207_033_088,
            download_bytes=0,
            licence=_protrans.LICENCE,
            citation=_protrans.CITATION,
            most_residues=N_POSITIONS - 2,
            trained_residues=None,
            half_precision=False,
        ),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """`[CLS]`, residues, `[SEP]`; pads on the right."""
        return Vocabulary.of(
            _protrans.letters(TOKENS, "▁"),
            before=[TOKENS.index("[CLS]")],
            after=[TOKENS.index("[SEP]")],
            pad=TOKENS.index("<pad>"),
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture."""
        return {
            "vocab_size": N_TOKENS,
            "embedding_size": 128,
            "hidden_size": checkpoint.width,
            "num_hidden_layers": checkpoint.n_layers,
            "num_hidden_groups": 1,
            "inner_group_num": 1,
            "num_attention_heads": 64,
            "intermediate_size": 16_384,
            "max_position_embeddings": N_POSITIONS,
            "hidden_act": "gelu_new",
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "pad_token_id": TOKENS.index("<pad>"),
        }

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`AlbertModel` without pooling layer."""
        from transformers import AlbertModel

        return AlbertModel, {"add_pooling_layer": False}

    @classmethod
    def config_class(cls) -> Any:
        """`AlbertConfig`."""
        from transformers import AlbertConfig

        return AlbertConfig
