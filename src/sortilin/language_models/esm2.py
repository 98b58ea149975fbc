"""ESM-2: masked language models of UniRef50 with rotary positions, 8 million to 3 billion parameters.

The tokenizer takes residues without spaces. Rotary positions have no limit; the models were trained on
crops of at most 1,024 tokens. In training 15 % of the residues were chosen and 80 % of these masked; the
model scales its embeddings by the share that is not masked, which is 1 here and 0.88 in training
(`token_dropout`). X and pads are not masks, so that the scale is the same for every sequence.

Alphabet: the order of `vocab.txt`, which is `Alphabet.from_architecture("ESM-1b")` of the authors' package.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._vocabulary import Vocabulary

CITATION = (
    "Lin Z, Akin H, Rao R, et al. Evolutionary-scale prediction of atomic-level protein structure with a "
    "language model. Science 379:1123-1130 (2023). doi:10.1126/science.ade2574"
)
TOKENS = (
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO.-",
    *("<null_1>", "<mask>"),
)
CROP_RESIDUES = 1022
N_HEADS = {"esm2_t36": 40}


def _checkpoint(
    name: str, hub: str, revision: str, width: int, n_layers: int, n_parameters: int, download_bytes: int
) -> Checkpoint:
    return Checkpoint(
        name=name,
        family="esm2",
        hub_id=f"facebook/{hub}",
        revision=revision,
        width=width,
        n_layers=n_layers,
        n_parameters=n_parameters,
        download_bytes=download_bytes,
        licence="MIT",
        citation=CITATION,
        most_residues=None,
        trained_residues=CROP_RESIDUES,
        half_precision=False,
    )


class VARIANT(Family):
    """ESM-2."""

    name = "esm2"
    title = "ESM-2 (Meta AI), UniRef50"
    model_type = "esm"
    lora_targets: ClassVar[tuple[str, ...] | str] = ("query", "key", "value", "attention.output.dense")
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = (
        _checkpoint(
            "esm2_t6",
            "esm2_t6_8M_UR50D",
            "c731040fcd8d73dceaa04b0a8e6329b345b0f5df",
            320,
            6,
            7_409_081,
            31_384_292,
        ),
        _checkpoint(
            "esm2_t12",
            "esm2_t12_35M_UR50D",
            "6fbf070e65b0b7291e7bbcd451118c216cff79d8",
            480,
            12,
            33_269_521,
            0,
        ),
        _checkpoint(
            "esm2_t30",
            "esm2_t30_150M_UR50D",
            "a695f6045e2e32885fa60af20c13cb35398ce30c",
            640,
            30,
            147_728_601,
            595_257_706,
        ),
        _checkpoint(
            "esm2_t33",
            "esm2_t33_650M_UR50D",
            "08e4846e537177426273712802403f7ba8261b6c",
            1280,
            33,
            649_400_981,
            2_609_506_392,
        ),
        _checkpoint(
            "esm2_t36",
            "esm2_t36_3B_UR50D",
            "476b639933c8baad5ad09a60ac1a87f987b656fc",
            2560,
            36,
            2_832_444_321,
            11_367_082_474,
        ),
    )

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """`<cls>`, residues, `<eos>`; pads on the right."""
        ids = {token: number for number, token in enumerate(TOKENS)}
        return Vocabulary.of(
            {letter: number for letter, number in ids.items() if letter.isalpha() and len(letter) == 1},
            before=[ids["<cls>"]],
            after=[ids["<eos>"]],
            pad=ids["<pad>"],
        )

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The published architecture of a checkpoint."""
        return {
            "vocab_size": len(TOKENS),
            "hidden_size": checkpoint.width,
            "num_hidden_layers": checkpoint.n_layers,
            "num_attention_heads": N_HEADS.get(checkpoint.name, 20),
            "intermediate_size": 4 * checkpoint.width,
            "max_position_embeddings": 1026,
            "layer_norm_eps": 1e-5,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "position_embedding_type": "rotary",
            "emb_layer_norm_before": False,
            "token_dropout": True,
            "pad_token_id": TOKENS.index("<pad>"),
            "mask_token_id": TOKENS.index("<mask>"),
        }

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`EsmModel` without pooling layer."""
        from transformers import EsmModel

        return EsmModel, {"add_pooling_layer": False}

    @classmethod
    def fuse(cls, module: Any) -> None:
        """GELU in one pass: transformers computes it as a product of five tensors, and keeps them all."""
        from torch.nn.functional import gelu
        from transformers.models.esm.modeling_esm import EsmIntermediate

        class Fused(EsmIntermediate):
            def forward(self, hidden_states: Any) -> Any:
                return gelu(self.dense(hidden_states))

        for part in module.modules():
            if type(part) is EsmIntermediate:
                part.__class__ = Fused

    @classmethod
    def config_class(cls) -> Any:
        """`EsmConfig`."""
        from transformers import EsmConfig

        return EsmConfig
