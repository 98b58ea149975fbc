"""ProtXLNet: XLNet on UniRef100, with relative positions.

The tokenizer takes residues with spaces between them. Its vocabulary has no token for X after a space, and
would split it into two; its authors write `<unk>` for X and for rare residues, and so U, Z, O, B and X are
one token here as well. Nothing stands in front of the residues, `<sep>` and `<cls>` stand behind them, and
pads stand in front. XLNet can be told segments as well; neither the tokenizer of transformers 5 nor the
authors' own notebook for features gives any, and so there are none here.

Vocabulary: special tokens as transformers has them, 37 in all. The order of the residues below is assumed;
it matters for random weights only, because the order of a fetched checkpoint is read from its tokenizer.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models import _protrans
from sortilin.language_models._checkpoint import MAIN, Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._spelling import RARE, UNKNOWN, Spelling
from sortilin.language_models._vocabulary import Vocabulary

WRITTEN_FOR_X = "<unk>"
SPECIAL = ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>")
TOKENS = (*SPECIAL, *(f"▁{letter}" for letter in "ALGVSREDTIPKFQNYMHWC"))
N_TOKENS = 37


class VARIANT(Family):
    """ProtXLNet."""

    name = "protxlnet"
    title = "ProtXLNet (ProtTrans), UniRef100"
    model_type = "xlnet"
    # The matrices of its attention are no layers; those of its dense blocks are.
    lora_targets: ClassVar[tuple[str, ...] | str] = ("ff.layer_1", "ff.layer_2")
    dtypes = ("float32",)  # its table of relative positions is float32 always, and cannot meet other weights
    spelling = Spelling(" ", dict.fromkeys(RARE + UNKNOWN, WRITTEN_FOR_X))
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        Checkpoint(
            name="protxlnet",
            family="protxlnet",
            hub_id="Rostlab/prot_xlnet",
            revision=MAIN,
            width=1024,
            n_layers=30,
            n_parameters=409_413_632,
            download_bytes=1_637_757_076,
            licence=_protrans.LICENCE,
            citation=_protrans.CITATION,
            most_residues=None,
            trained_residues=None,
            half_precision=False,
        ),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """Residues, `<sep>`, `<cls>`; pads on the left."""
        return Vocabulary.of(
            _protrans.letters(TOKENS, "▁", WRITTEN_FOR_X),
            after=[TOKENS.index("<sep>"), TOKENS.index("<cls>")],
            pad=TOKENS.index("<pad>"),
            pads_left=True,
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture."""
        return {
            "vocab_size": N_TOKENS,
            "d_model": checkpoint.width,
            "n_layer": checkpoint.n_layers,
            "n_head": 16,
            "d_inner": 4096,
            "ff_activation": "gelu",
            "attn_type": "bi",
            "layer_norm_eps": 1e-12,
            "pad_token_id": TOKENS.index("<pad>"),
        }

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`XLNetModel`."""
        from transformers import XLNetModel

        return XLNetModel, {}

    @classmethod
    def config_class(cls) -> Any:
        """`XLNetConfig`."""
        from transformers import XLNetConfig

        return XLNetConfig
