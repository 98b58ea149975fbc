"""What `config.json` of a checkpoint says, and whether it is a model that can be used here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sortilin.errors import BackboneError
from sortilin.language_models import _catalog, _files
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._family import Family

ROBERTA_LIKE = ("camembert", "data2vec-text", "roberta", "xlm-roberta")
"""Their positions begin behind the number of the pad."""


def read(folder: Path) -> dict[str, Any]:
    """`config.json` of a folder.

    Raises:
        BackboneError: It cannot be read, or names no type of model.
    """
    path = folder / _files.CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise BackboneError(f"{path} has no `model_type`; it is no configuration of transformers")
    return found


def family_of(folder: Path, listed: Checkpoint | None) -> type[Family]:
    """The family whose rules the model in a folder follows.

    Raises:
        BackboneError: It is not the listed checkpoint, no encoder, or needs code of its repository.
    """
    config = read(folder)
    model_type = config["model_type"]
    family = _catalog.family_of_type(model_type)
    if listed is not None and family.name != listed.family:
        raise BackboneError(
            f"{folder} is not {listed.name}: its config.json says model_type '{model_type}', which "
            f"{listed.family} is not"
        )
    refusal = _refusal(config)
    if refusal:
        raise BackboneError(f"{folder} cannot be used: {refusal}; a backbone is an encoder of transformers")
    return family


def _refusal(config: dict[str, Any]) -> str | None:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    model_type = config["model_type"]
    if model_type not in CONFIG_MAPPING:
        if "auto_map" in config:
            return f"model_type '{model_type}' runs code of its repository, which is never done here"
        return f"model_type '{model_type}' is not known to the installed transformers"
    is_encoder = (
        model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        or model_type in modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
        or any(family.model_type == model_type for family in _catalog.families())
    )
    if not is_encoder or config.get("is_decoder"):
        return f"model_type '{model_type}' is a decoder or no language model"
    if config.get("is_encoder_decoder") and (
        model_type not in modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    ):
        return f"transformers has no encoder by itself of model_type '{model_type}'"
    return None


def module_class(family: type[Family], config: Any) -> tuple[Any, dict[str, Any]]:
    """The class of the encoder, and what it is called with to leave out the pooling layer."""
    if family.checkpoints:
        return family.module_class()
    import inspect

    from transformers.models.auto import modeling_auto

    text = modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING
    mapping = text if type(config) in text else modeling_auto.MODEL_MAPPING
    found: Any = mapping[type(config)]
    has_pooling = "add_pooling_layer" in inspect.signature(found).parameters
    return found, {"add_pooling_layer": False} if has_pooling else {}


def most_residues(family: type[Family], config: Any, n_special: int) -> int | None:
    """The longest sequence that the model's table of positions allows; None if it has no such table."""
    if family.model_type == "esm" and getattr(config, "position_embedding_type", "absolute") == "rotary":
        return None
    is_of_table = bool(family.checkpoints)
    if is_of_table and not family.has_learned_positions and family.model_type != "esm":
        return None
    n_positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(n_positions, int) or n_positions < 1:
        return None
    begins_behind_pad = config.model_type in (*ROBERTA_LIKE, "esm")
    n_lost = (config.pad_token_id or 0) + 1 if begins_behind_pad else 0
    return n_positions - n_lost - n_special
