"""What of a language model must be known, and be right, before vectors are computed."""

from __future__ import annotations

from sortilin import language_models, registry
from sortilin.embedding import pooling
from sortilin.errors import ConfigError
from sortilin.interfaces import OnProgress
from sortilin.language_models import Checkpoint, LoadedModel

_UNPINNED = "main"
_ANY = "huggingface"
"""The family of what is in no table; a folder may have the name of a listed checkpoint."""


def pinned(backbone: str, *, offline: bool | None, on_progress: OnProgress | None) -> Checkpoint:
    """What is known of a backbone, its revision too; fetched where only its files tell that.

    Raises:
        UnknownNameError: There is no such backbone.
        BackboneError: It is not on this machine and cannot be fetched.
    """
    if backbone not in language_models.names() and language_models.locate(backbone) is None and not offline:
        language_models.fetch(backbone, on_progress=on_progress)
    found = language_models.checkpoint(backbone)
    if found.revision != _UNPINNED:
        return found
    if offline:
        language_models.path(backbone)  # says what is missing
    else:
        language_models.fetch(backbone, on_progress=on_progress)
    return language_models.checkpoint(backbone)


def recorded_layer(layer: int, checkpoint: Checkpoint) -> int:
    """A layer as it is recorded: the last is -1, however it was asked for.

    Raises:
        ConfigError: There is no such layer.
    """
    if layer > checkpoint.n_layers:
        raise ConfigError(
            f"{checkpoint.name} has no layer {layer}; allowed: 0 (the embedding) to {checkpoint.n_layers}, "
            "or -1 for the last"
        )
    return -1 if layer == checkpoint.n_layers else layer


def check_pooling(name: str, checkpoint: Checkpoint, model: LoadedModel | None) -> None:
    """Refuse a pooling that the model has not, before it is loaded where its family's file tells.

    Raises:
        ConfigError: It has no summary token, and "cls" is asked for.
    """
    if name != pooling.CLS:
        return
    if model is not None:
        pooling.check_cls(model.vocabulary, checkpoint.name)
    elif checkpoint.family != _ANY and checkpoint.name in language_models.names():
        family = registry.get("language_model", checkpoint.family)
        pooling.check_cls(family.vocabulary(), checkpoint.name)
