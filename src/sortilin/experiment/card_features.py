"""The card's words about vectors of language models: whose work they are, and what predicting needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLE = "## Vectors"
TITLE_OF_BACKBONE = "## Language model"


def section(described: Mapping[str, Any]) -> list[str]:
    """Title and text; empty for a model without a language model.

    Args:
        described: The content of `model.json`.
    """
    if "language_model" in described:
        return [TITLE_OF_BACKBONE, _below_the_head(described["language_model"])]
    features = described.get("features") or {}
    if "language_model" in features:
        return [TITLE, _of_language_model(features["language_model"], features["config"])]
    if "made_by" in features.get("config", {}):
        return [TITLE, _made_before(features)]
    return []


_TRAINED = {
    "frozen": "which was not trained here",
    "lora": "which was not trained here but for the adapters (LoRA) in `adapter`",
    "full": "which was trained here, together with the head, and stands in `backbone`",
}


def _below_the_head(model: Mapping[str, Any]) -> str:
    """A head on residue vectors: of which model, what was trained, and what predicting needs."""
    if model["mode"] == "full":
        needs = "Predicting needs nothing but this folder, and the extra `plm` of sortilin."
    else:
        needs = f"Predicting needs its files, which this folder does not hold: {_way(model)}."
    return (
        f"The head reads the vectors of all residues, layer {model['layer']}, of the protein language model "
        f"`{model['name']}` ({model['hub_id']}, revision `{model['revision']}`), {_TRAINED[model['mode']]}. "
        f"{needs} Licence of its weights: {model['licence']}. Cite: {model['citation']}"
    )


def _way(model: Mapping[str, Any]) -> str:
    is_own_folder = str(model["revision"]).startswith("sha256:")
    return "that folder" if is_own_folder else f"`sortilin backbones fetch {model['name']}`"


def _of_language_model(model: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    return (
        f"Features are vectors of the protein language model `{model['name']}` ({model['hub_id']}, revision "
        f"`{model['revision']}`): layer {config['layer']}, pooling {config['pooling']}, length policy "
        f"{config['length_policy']}, computed in {config['precision']}. Predicting needs its files, which "
        f"this folder does not hold: {_way(model)}. Licence of its weights: "
        f"{model['licence']}. Cite: {model['citation']}"
    )


def _made_before(features: Mapping[str, Any]) -> str:
    made_by: Mapping[str, str] = features["config"]["made_by"]
    kind = ", ".join(f"{key} {value}" for key, value in made_by.items())
    known = f" Their files say: {kind}." if kind else " Their files do not say how they were made."
    origin: Mapping[str, str] = features["origin"]
    licence = f" Licence of the language model: {origin['licence']}." if "licence" in origin else ""
    cite = f" Cite: {origin['citation']}" if "citation" in origin else ""
    return (
        f"Features are vectors of {features['n_features']} numbers that were made before "
        f"({', '.join(features['files'])}).{known} Predicting needs such vectors of the new sequences: "
        f"`sortilin predict FILE --model FOLDER --vectors VECTORS`.{licence}{cite}"
    )
