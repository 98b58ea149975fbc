"""One file, one family of protein language models: its checkpoints and its rules."""

from sortilin.language_models._building import from_config
from sortilin.language_models._catalog import names
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._hub import fetch, path
from sortilin.language_models._loading import checkpoint, load
from sortilin.language_models._model import LoadedModel
from sortilin.language_models._place import locate
from sortilin.language_models._vocabulary import Vocabulary

__all__ = [
    "Checkpoint",
    "LoadedModel",
    "Vocabulary",
    "checkpoint",
    "fetch",
    "from_config",
    "load",
    "locate",
    "names",
    "path",
]
