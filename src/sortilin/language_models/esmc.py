"""ESM C: masked language models of 2.8 billion proteins, of 300 and 600 million parameters, rotary positions.

The tokenizer takes residues without spaces; its alphabet is that of ESM-2 with a chain break. Rotary
positions have no limit; the models were trained on at most 2,048 tokens.

Alphabet and architecture: `EsmcTokenizer` and `EsmcConfig` of transformers; needs transformers 5.23.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.errors import MissingDependencyError
from sortilin.language_models._checkpoint import MAIN, Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._vocabulary import Vocabulary

CITATION = (
    "ESM Team. ESM Cambrian: revealing the mysteries of proteins with unsupervised learning (2024). "
    "https://evolutionaryscale.ai/blog/esm-cambrian"
)
TOKENS = ("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-|", "<mask>")
N_TOKENS = 64
"""Rows of the embedding; the alphabet has 33."""

TRAINED_RESIDUES = 2046


def _checkpoint(name: str, hub: str, width: int, n_layers: int, n_parameters: int) -> Checkpoint:
    return Checkpoint(
        name=name,
        family="esmc",
        hub_id=f"biohub/{hub}",
        revision=MAIN,
        width=width,
        n_layers=n_layers,
        n_parameters=n_parameters,
        download_bytes=0,
        licence="MIT",
        citation=CITATION,
        most_residues=None,
        trained_residues=TRAINED_RESIDUES,
        half_precision=False,
    )


class VARIANT(Family):
    """ESM C."""

    name = "esmc"
    title = "ESM C (Biohub), 2.8 billion proteins"
    model_type = "esmc"
    lora_targets: ClassVar[tuple[str, ...] | str] = ("q_proj", "k_proj", "v_proj", "o_proj")
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        _checkpoint("esmc_300m", "ESMC-300M", 960, 30, 332_011_200),
        _checkpoint("esmc_600m", "ESMC-600M", 1152, 36, 573_632_640),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """`<cls>`, residues, `<eos>`; pads on the right."""
        ids = {token: number for number, token in enumerate(TOKENS)}
        return Vocabulary.of(
            {letter: number for letter, number in ids.items() if len(letter) == 1 and letter.isalpha()},
            before=[ids["<cls>"]],
            after=[ids["<eos>"]],
            pad=ids["<pad>"],
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture: heads of 64 numbers, a gated layer of 8/3 of the width."""
        return {
            "vocab_size": N_TOKENS,
            "hidden_size": checkpoint.width,
            "num_hidden_layers": checkpoint.n_layers,
            "num_attention_heads": checkpoint.width // 64,
            "intermediate_size": -(-8 * checkpoint.width // 3 // 256) * 256,
            "pad_token_id": TOKENS.index("<pad>"),
        }

    @classmethod
    def config_class(cls) -> Any:
        """`EsmcConfig`."""
        try:
            from transformers import EsmcConfig
        except ImportError:
            raise MissingDependencyError("ESM C", "transformers>=5.23", "plm") from None
        return EsmcConfig

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`EsmcModel`."""
        cls.config_class()
        from transformers import EsmcModel

        return EsmcModel, {}
