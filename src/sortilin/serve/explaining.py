"""Attributions of single sequences: one at a time, since each costs many predictions; the last are kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from sortilin.explain import occlusion
from sortilin.explain.occlusion import Profile
from sortilin.predictor import Predictor

MAX_RESIDUES = 5_000
"""Residues of a sequence that a visitor may ask an attribution of."""

_KEPT = 256

Key = tuple[str, int, str]
"""Job, position, class."""


class Explainer:
    """Profiles, the last ones kept: they hold numbers, and no residue of a sequence.

    Args:
        patience_s: What a visitor waits for others who ask.
    """

    def __init__(self, patience_s: float = 15.0) -> None:
        self._patience_s = patience_s
        self._turn = asyncio.Semaphore(1)
        self._kept: OrderedDict[Key, Profile] = OrderedDict()

    async def profile(self, key: Key, model: Predictor, sequence: str) -> Profile | None:
        """How much each residue speaks for the class in the key; None where too many others ask at once."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            await asyncio.wait_for(self._turn.acquire(), self._patience_s)
        except TimeoutError:
            return None
        try:
            found = await asyncio.to_thread(occlusion.profile, model, sequence, key[2])
        finally:
            self._turn.release()
        self._kept[key] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found
