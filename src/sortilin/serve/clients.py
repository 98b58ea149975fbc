"""Who asks, and how often: without names, addresses or cookies being kept."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_WINDOW_S = 60.0
_MAX_CLIENTS = 100_000
_IPV6_NETWORK = 64
"""Bits that one household or server has to itself: each can choose among 2^64 addresses."""


class Clients:
    """Counts the submissions of each client within a minute.

    Args:
        per_minute: How many are allowed.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._salt = secrets.token_bytes(16)
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def name(self, address: str | None) -> str:
        """A client as it is remembered: a hash that nobody can turn back once this process has ended."""
        return hashlib.blake2b(_network(address or "").encode(), key=self._salt, digest_size=8).hexdigest()

    def wait_s(self, client: str) -> float:
        """Count a submission; seconds until it would be allowed, 0 where it is."""
        now = self._clock()
        times = self._times.setdefault(client, deque())
        self._times.move_to_end(client)
        while len(self._times) > _MAX_CLIENTS:
            self._times.popitem(last=False)
        while times and times[0] <= now - _WINDOW_S:
            times.popleft()
        if len(times) >= self.per_minute:
            return times[0] + _WINDOW_S - now
        times.append(now)
        return 0.0


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
