"""Any encoder of the hub, or of a folder, whose tokenizer has one token a residue.

The architecture is told by `model_type` of its `config.json`, and the rules by what its tokenizer does to
probe sequences. Code of a repository is never run.
"""

from __future__ import annotations

from typing import Any

from sortilin.language_models._family import Family


class VARIANT(Family):
    """Checkpoints by hub id (`ORGANIZATION/NAME`, `ORGANIZATION/NAME@REVISION`) or folder."""

    name = "huggingface"
    title = "any encoder by hub id or folder"
    model_type = ""

    @classmethod
    def module_class(cls) -> tuple[Any, dict[str, Any]]:
        """`AutoModel`: the class that the configuration names."""
        from transformers import AutoModel

        return AutoModel, {}

    @classmethod
    def config_class(cls) -> Any:
        """`AutoConfig`."""
        from transformers import AutoConfig

        return AutoConfig
