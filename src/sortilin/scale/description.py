"""What a run in parts is, and in what another one is unlike it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sortilin import __version__

_MAX_NAMED = 3
_MAX_LENGTH = 80


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a run is; two folders of one run have the same.

    Attributes:
        kind: "predict" or "embed".
        about: What decides the results: the model's checksum, options.
        notes: What is to be said of them; not compared.
        on_error: What becomes of faulty records; not compared, since it changes no result.
        shards: What is read: name, kind, size, digest, and number of parts.
        part_bytes: Size of parts.
        n_parts: How many there are.
        version: sortilin's, for a person.
        source: As given, for a person.
    """

    kind: str
    about: Mapping[str, Any]
    notes: Mapping[str, Any]
    on_error: str
    shards: Sequence[Mapping[str, Any]]
    part_bytes: int
    n_parts: int
    version: str = __version__
    source: str = ""

    def differences(self, other: RunDescription) -> list[str]:
        """In what another run is unlike this one, in words, but for shards that were changed."""
        if self.kind != other.kind:
            return [f"it is a run of {other.kind}, not of {self.kind}"]
        found = self._of_models(other)
        found += _unlike(_but_model(other.about), _but_model(self.about))
        if self.part_bytes != other.part_bytes:
            found.append(f"its parts are of {other.part_bytes:,} bytes, not {self.part_bytes:,}")
        return found + _of_names(other.shards, self.shards)

    def _of_models(self, other: RunDescription) -> list[str]:
        before, now = other.about.get("model"), self.about.get("model")
        if before == now:
            return []
        named = [f"{run.notes.get('model')} ({run.about.get('model', '')[:12]})" for run in (other, self)]
        return [f"its model is {named[0]}, not {named[1]}"]

    def changed_shards(self, other: RunDescription) -> Iterator[tuple[str, range]]:
        """Names of shards of both that differ, and the parts that the other one has of them."""
        now = {one["name"]: one for one in self.shards}
        start = 0
        for shard in other.shards:
            parts = range(start, start + shard["n_parts"])
            if now.get(shard["name"], shard) != shard:
                yield shard["name"], parts
            start = parts.stop

    def has_parts_of(self, other: RunDescription) -> bool:
        """Whether all shards have as many parts as in another run."""
        return [one["n_parts"] for one in self.shards] == [one["n_parts"] for one in other.shards]


def _but_model(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name != "model"}


def _unlike(theirs: Mapping[str, Any], ours: Mapping[str, Any], within: str = "") -> list[str]:
    """What differs; of values that have names themselves, only those that do."""
    found: list[str] = []
    for name in {**theirs, **ours}:
        before, now = theirs.get(name), ours.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _unlike(before, now, f"{name}.")
        elif before != now:
            found.append(f"its {within}{name} is {_short(before)}, not {_short(now)}")
    return found


def _of_names(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> list[str]:
    before, now = ([one["name"] for one in shards] for shards in (theirs, ours))
    lost, new = (named([name for name in a if name not in b]) for a, b in ((before, now), (now, before)))
    found = [f"shard {lost} of its input is missing"] if lost else []
    return found + ([f"it does not know shard {new}"] if new else [])


def named(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:_MAX_NAMED]) + (", ..." if len(names) > _MAX_NAMED else "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "..."
