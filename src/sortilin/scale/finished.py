"""A run all parts of which are done, in one folder or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sortilin.errors import ConfigError, OutputError
from sortilin.report import check_outputs
from sortilin.scale.description import RunDescription, named
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.places import LocalPlace, place_of


@dataclass(slots=True)
class FinishedRun:
    """A run all parts of which are done.

    Attributes:
        description: What it is.
        parts: What was noted of each part, in order, and the folder that has its results.
        addresses: The folders.
    """

    description: RunDescription
    parts: Sequence[tuple[Done, RunFolder]]
    addresses: Sequence[str]

    @property
    def on_error(self) -> str:
        """The policy for faulty records."""
        return self.description.on_error

    @property
    def n_failed(self) -> int:
        """Records that the model could not read; they are listed whatever the policy is."""
        return sum(len(done.failed) for done, _ in self.parts)


def finished(addresses: Sequence[str], *, on_error: str | None = None) -> FinishedRun:
    """The run that one folder holds, or several folders together.

    Args:
        addresses: The folders.
        on_error: The policy for ids that several records have; None for the run's own.

    Raises:
        ConfigError: A folder holds no run, or another one; parts are missing.
    """
    folders = [RunFolder(address) for address in addresses]
    first: RunDescription | None = None
    found: dict[int, tuple[Done, RunFolder]] = {}
    for folder in folders:
        description = folder.description()
        if description is None:
            raise ConfigError(f"{folder.address} holds no run.json: it is no folder of a run in parts")
        first = first or description
        differences = first.differences(description)
        differences += [f"its shard {name} is another one" for name, _ in first.changed_shards(description)]
        if differences:
            raise ConfigError(
                f"{folder.address} holds another run than {folders[0].address}: {'; '.join(differences)}"
            )
        for number, done in folder.all_done(description.n_parts).items():
            found.setdefault(number, (done, folder))
    assert first is not None
    first = replace(first, on_error=on_error or first.on_error)
    missing = [number for number in range(first.n_parts) if number not in found]
    if missing:
        raise ConfigError(
            f"{', '.join(addresses)}: {len(missing):,} of {first.n_parts:,} parts are not done "
            f"({named(list(map(str, missing)))}); "
            f"run the same `sortilin {first.kind}` again, or with --shard 1/1: it does only these"
        )
    return FinishedRun(first, [found[number] for number in range(first.n_parts)], addresses)


def check_apart(run: FinishedRun, path: Path) -> None:
    """Refuse a file that would replace a part of the run, or its input.

    Raises:
        OutputError: It would, or it cannot be written.
    """
    for _, folder in run.parts:
        place = folder.place
        if isinstance(place, LocalPlace) and path.resolve().is_relative_to(place.path.resolve()):
            raise OutputError(
                f"{path} lies in {place.address}, the folder of the run; choose a place beside it"
            )
    source = run.description.source
    check_outputs(path, source=source)
    read = place_of(source) if Path(source).is_dir() else None
    for shard in run.description.shards if read is not None else ():
        check_outputs(path, source=str(Path(source) / shard["name"]))
