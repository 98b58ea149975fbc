"""What a family of language models tells of itself; each file without an underscore defines one.

A family is the class `VARIANT` of its file. Its rules are written here once: how a sequence is given to
the tokenizer, what the vocabulary is, how the module is made.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._spelling import Spelling
from sortilin.language_models._vocabulary import Vocabulary

DTYPES = ("float32", "bfloat16", "float16")
ALL_LINEAR = "all-linear"
"""PEFT's word for every linear layer of a model."""


class Family:
    """A family of checkpoints with one architecture, one tokenizer and one way to take sequences.

    Attributes:
        name: Public name, the file's name.
        title: One line for lists.
        model_type: `model_type` in the `config.json` of its checkpoints.
        checkpoints: Its table, smallest first.
        spelling: How a sequence is given to its tokenizer.
        has_learned_positions: Whether positions are rows of a table, so that there is a longest sequence.
        dtypes: What transformers' module of it can compute in.
        lora_targets: Linear layers that adapters are put into, by how their names end; those of the
            attention, where it has such layers.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    model_type: ClassVar[str]
    checkpoints: ClassVar[tuple[Checkpoint, ...]] = ()
    spelling: ClassVar[Spelling] = Spelling()
    has_learned_positions: ClassVar[bool] = False
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    lora_targets: ClassVar[tuple[str, ...] | str] = ALL_LINEAR

    @classmethod
    def vocabulary(cls) -> Vocabulary:
        """The published vocabulary, as tables."""
        raise NotImplementedError

    @classmethod
    def options(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """What `config.json` of a checkpoint says of its architecture."""
        raise NotImplementedError

    @classmethod
    def config_class(cls) -> Any:
        """The configuration's class in transformers."""
        raise NotImplementedError

    @classmethod
    def fuse(cls, module: Any) -> None:
        """Let layers of a module be computed in fewer passes, in place; most families need nothing."""

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """The encoder's class in transformers, and what it is called with to leave out all else."""
        raise NotImplementedError
