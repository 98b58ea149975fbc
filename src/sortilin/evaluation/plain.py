"""Figures as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any, decimals: int) -> Any:
    """Numbers rounded, NaN as None, tuples as lists; at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, decimals) for item in value]
    if isinstance(value, float):
        return round(value, decimals) if math.isfinite(value) else None
    return value
