"""One run in parts, from its source to its manifest: what both commands and both engines share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import OnProgress
from sortilin.report._summary import to_json
from sortilin.scale import inputs, local, on_ray
from sortilin.scale.description import RunDescription
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.holding import held
from sortilin.scale.inputs import Shard
from sortilin.scale.jobs import Job, Worker
from sortilin.scale.local import Failure, OnFailure, Share
from sortilin.scale.on_ray import Cluster
from sortilin.scale.places import SEPARATOR
from sortilin.scale.plan import Part, part_bytes_for, plan

LARGE_BYTES = 256 << 20
"""A compressed file beyond this size should be cut: nobody can help the worker that reads it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run, or one array job of it, came to.

    Attributes:
        folder: Where the results are.
        description: What the run is.
        parts: Number of each part that is done → what was noted of it, whoever did it.
        new: Those that were done now.
        failures: Parts that could not be done.
        n_own: Parts that this run or job had to do, those that were done before among them.
    """

    folder: RunFolder
    description: RunDescription
    parts: Mapping[int, Done]
    new: Mapping[int, Done]
    failures: Sequence[Failure]
    n_own: int

    @property
    def is_complete(self) -> bool:
        """Whether all parts of the run are done."""
        return len(self.parts) == self.description.n_parts


def run(
    job: Job,
    source: str,
    output: str,
    *,
    how: Share | Cluster,
    part_bytes: int | None = None,
    on_progress: OnProgress,
    on_failure: OnFailure,
    on_warning: Callable[[str], None],
) -> Outcome:
    """Do the parts of a run that are not done.

    Args:
        job: What is made of a part.
        source: A file, a folder or a pattern of names; on local disk or in object storage.
        output: The folder of the run.
        how: A share of the parts in this process, or all of them on a Ray cluster.
        part_bytes: About how large a part is; None for what suits the input.
        on_progress: Called with parts that ended, and how many there are.
        on_failure: Called with each part that failed.
        on_warning: Called with what a person should know.

    Raises:
        InputError: The source is missing, empty, or cannot be read.
        ConfigError: The folder holds another run, or another process works in it.
        OutputError: Results cannot be written.
    """
    shards = inputs.find(source)
    _check_apart(source, output)
    _warn_of_large(shards, on_warning)
    folder = RunFolder(output)
    part_bytes = _part_bytes(folder, shards, part_bytes)
    parts = plan(shards, part_bytes)
    if not parts:
        raise InputError(f"{source} holds no records")
    share = how if isinstance(how, Share) else None
    with held(folder, share):
        worker = job.start()
        description = _description(job.kind, worker, source, shards, parts, part_bytes)
        folder.begin(description)
        own = share.parts(parts) if share else parts
        there = _valid(folder, description)
        failures: list[Failure] = []

        def note(failure: Failure) -> None:
            failures.append(failure)
            on_failure(failure)

        todo = [part for part in own if part.number not in there]
        if isinstance(how, Cluster):
            del worker  # the model is held where parts are done
            new = on_ray.run(job, todo, folder, how, on_failure=note, on_progress=on_progress)
        else:
            new = local.run(worker, todo, folder, on_failure=note, on_progress=on_progress)
        found = there | new
        if share and len(found) < len(parts):  # other jobs went on meanwhile
            found |= _valid(folder, description)
        if len(found) == len(parts):
            folder.write_manifest(description, found)
            folder.tidy()
    return Outcome(folder, description, found, new, failures, len(own))


def _valid(folder: RunFolder, description: RunDescription) -> dict[int, Done]:
    """Parts that need not be done again."""
    there = folder.all_done(description.n_parts)
    return {number: done for number, done in there.items() if done.is_valid(description.on_error)}


def _check_apart(source: str, output: str) -> None:
    """Refuse a folder for results below the one that is read, where they would be taken for input.

    Raises:
        ConfigError: It is one.
    """
    read, written = Path(source), Path(output)
    if SEPARATOR in source or SEPARATOR in output:
        is_below = f"{output.rstrip('/')}/".startswith(f"{source.rstrip('/')}/")
    else:
        is_below = read.is_dir() and written.resolve().is_relative_to(read.resolve())
    if is_below:
        raise ConfigError(f"{output} lies in {source}, which is read: choose a folder beside it")


def _part_bytes(folder: RunFolder, shards: Sequence[Shard], asked: int | None) -> int:
    """A run that is taken up again keeps the size of its parts, unless another is asked for."""
    if asked is not None:
        return asked
    there = folder.description()
    return part_bytes_for(shards) if there is None else there.part_bytes


def _description(
    kind: str, worker: Worker, source: str, shards: Sequence[Shard], parts: Sequence[Part], part_bytes: int
) -> RunDescription:
    n_parts = Counter(part.shard for part in parts)
    return RunDescription(
        kind,
        _plain(worker.about()),
        _plain(worker.notes()),
        worker.on_error,
        [shard.identity | {"n_parts": n_parts[shard.name]} for shard in shards],
        part_bytes,
        len(parts),
        source=source,
    )


def _plain(record: Mapping[str, Any]) -> Any:
    """As it will be read back."""
    return json.loads(to_json(record))


def _warn_of_large(shards: Sequence[Shard], on_warning: Callable[[str], None]) -> None:
    large = [shard for shard in shards if shard.kind == "whole" and shard.n_bytes > LARGE_BYTES]
    for shard in large[:3]:
        on_warning(
            f"{shard.name} ({shard.n_bytes / 2**20:,.0f} MB) can only be read from its beginning, so that it "
            "is one part and one worker's; `sortilin shards` cuts it"
        )
