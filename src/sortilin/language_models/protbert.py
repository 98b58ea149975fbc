"""ProtBert: BERT on UniRef100, or on BFD, with learned positions.

The tokenizer takes residues with spaces between them; U, Z, O and B are given as X.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models import _protrans
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._vocabulary import Vocabulary

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO")
N_POSITIONS = 40_000
TRAINED_RESIDUES = 2046
"""The last tenth to quarter of pretraining was on crops of 2,048 tokens, the rest on 512."""


def _checkpoint(name: str, hub: str, revision: str, download_bytes: int) -> Checkpoint:
    return Checkpoint(
        name=name,
        family="protbert",
        hub_id=f"Rostlab/{hub}",
        revision=revision,
        width=1024,
        n_layers=30,
        n_parameters=418_881_536,
        download_bytes=download_bytes,
        licence=_protrans.LICENCE,
        citation=_protrans.CITATION,
        most_residues=N_POSITIONS - 2,
        trained_residues=TRAINED_RESIDUES,
        half_precision=False,
    )


class VARIANT(Family):
    """ProtBert."""

    name = "protbert"
    title = "ProtBert (ProtTrans), UniRef100 or BFD"
    model_type = "bert"
    lora_targets: ClassVar[tuple[str, ...] | str] = ("query", "key", "value", "attention.output.dense")
    spelling = _protrans.SPACED
    has_learned_positions = True
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        _checkpoint("protbert", "prot_bert", "7a894481acdc12202f0a415dd567f6cfdb698908", 0),
        _checkpoint("protbert_bfd", "prot_bert_bfd", "6c5c8a55a52ff08a664dfd584aa1773f125a0487", 0),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """`[CLS]`, residues, `[SEP]`; pads on the right."""
        return Vocabulary.of(
            _protrans.letters(TOKENS),
            before=[TOKENS.index("[CLS]")],
            after=[TOKENS.index("[SEP]")],
            pad=TOKENS.index("[PAD]"),
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture."""
        return {
            "vocab_size": len(TOKENS),
            "hidden_size": checkpoint.width,
            "num_hidden_layers": checkpoint.n_layers,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "max_position_embeddings": N_POSITIONS,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu",
            "pad_token_id": TOKENS.index("[PAD]"),
        }

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`BertModel` without pooling layer."""
        from transformers import BertModel

        return BertModel, {"add_pooling_layer": False}

    @classmethod
    def config_class(cls) -> Any:
        """`BertConfig`."""
        from transformers import BertConfig

        return BertConfig
