"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

from sortilin.errors import UnknownNameError

PRETRAINED = Path(__file__).parent / "pretrained"


def names() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(path.parent.name for path in PRETRAINED.glob("*/model.json")))


def locate(model: str | Path) -> Path:
    """The folder of a bundled model's name or of a path.

    Raises:
        UnknownNameError: It is neither a bundled name nor an existing folder.
    """
    if isinstance(model, str) and model in names():
        return PRETRAINED / model
    if Path(model).exists() or Path(model).name != str(model):
        return Path(model)
    raise UnknownNameError("model", str(model), [*names(), "or the path of a model folder"])
