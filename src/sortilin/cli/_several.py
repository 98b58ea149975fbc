"""What `sortilin evaluate` says of a model of several classes a sequence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sortilin.predictor import Predictor


def evaluated(
    model: Predictor, data: Sequence[str], *, labels: str, against: Sequence[str], as_json: bool
) -> str:
    """Tables for a person, or JSON.

    Raises:
        ConfigError: It is to be compared with other models.
        SortilinError: The data cannot be had, or do not fit.
    """
    from sortilin.errors import ConfigError
    from sortilin.multilabel.evaluate import as_record, evaluate, text

    if against:
        raise ConfigError(
            "--against is not for models of several classes a sequence: evaluate each by itself"
        )
    parts = evaluate(model, data, labels=labels)
    if as_json:
        return json.dumps(as_record(parts), indent=2, allow_nan=False)
    return text(model.name, parts)
