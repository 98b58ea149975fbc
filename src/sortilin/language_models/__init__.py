"""One file, one family of protein language models: its checkpoints and its rules."""

from sortilin.language_models._adapters import add_adapter, check_peft, save_adapter, with_adapter
from sortilin.language_models._building import from_config
from sortilin.language_models._catalog import names
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._hub import fetch, path
from sortilin.language_models._loading import checkpoint, load
from sortilin.language_models._model import LoadedModel
from sortilin.language_models._place import locate
from sortilin.language_models._saving import save
from sortilin.language_models._training import ready_to_train
from sortilin.language_models._vocabulary import Vocabulary

__all__ = [
    "Checkpoint",
    "LoadedModel",
    "Vocabulary",
    "add_adapter",
    "check_peft",
    "checkpoint",
    "fetch",
    "from_config",
    "load",
    "locate",
    "names",
    "path",
    "ready_to_train",
    "save",
    "save_adapter",
    "with_adapter",
]
