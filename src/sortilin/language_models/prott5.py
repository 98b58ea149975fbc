"""ProtT5: the encoder of T5-XL on BFD and UniRef50, with relative positions, published in half precision.

The tokenizer takes residues with spaces between them; U, Z, O and B are given as X.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models import _protrans
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._vocabulary import Vocabulary

TOKENS = ("<pad>", "</s>", "<unk>", *(f"▁{letter}" for letter in "ALGVSREDTIPKFQNYMHWCXBOUZ"))
N_TOKENS = 128
"""With the 100 sentinels of pretraining."""


class VARIANT(Family):
    """ProtT5."""

    name = "prott5"
    title = "ProtT5-XL-U50 encoder (ProtTrans), BFD and UniRef50"
    model_type = "t5"
    lora_targets: ClassVar[tuple[str, ...] | str] = ("q", "k", "v", "o")
    spelling = _protrans.SPACED
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        Checkpoint(
            name="prott5",
            family="prott5",
            hub_id="Rostlab/prot_t5_xl_half_uniref50-enc",
            revision="94a6abc029ae13029317b140b7424e012bf8dfbf",
            width=1024,
            n_layers=24,
            n_parameters=1_208_141_824,
            download_bytes=2_416_373_051,
            licence=_protrans.LICENCE,
            citation=_protrans.CITATION,
            most_residues=None,
            trained_residues=511,
            half_precision=True,
        ),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """Residues, `</s>`; pads on the right."""
        return Vocabulary.of(
            _protrans.letters(TOKENS, "▁"),
            after=[TOKENS.index("</s>")],
            pad=TOKENS.index("<pad>"),
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture."""
        return {
            "vocab_size": N_TOKENS,
            "d_model": checkpoint.width,
            "num_layers": checkpoint.n_layers,
            "num_heads": 32,
            "d_kv": 128,
            "d_ff": 16_384,
            "feed_forward_proj": "relu",
            "relative_attention_num_buckets": 32,
            "pad_token_id": TOKENS.index("<pad>"),
        }

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`T5EncoderModel`."""
        from transformers import T5EncoderModel

        return T5EncoderModel, {}

    @classmethod
    def config_class(cls) -> Any:
        """`T5Config`."""
        from transformers import T5Config

        return T5Config
