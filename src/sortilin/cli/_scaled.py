"""Options of runs in parts, and what the person is told of them."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress
    from sortilin.scale.jobs import Job
    from sortilin.scale.local import Failure, Share
    from sortilin.scale.on_ray import Cluster
    from sortilin.scale.running import Outcome

_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)", re.IGNORECASE)
_THOUSANDS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_MAX_SHOWN = 10
_SECONDS_BETWEEN_LINES = 60.0


class _ShareType(click.ParamType[Any]):
    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from sortilin.scale.local import Share

        if isinstance(value, Share):
            return value
        found = re.fullmatch(r"(\d+)/(\d+)", str(value))
        if found is None:
            self.fail(f"'{value}' is not I/N, such as 3/100", param, ctx)
        number, of = int(found[1]), int(found[2])
        if of < 1:
            self.fail(f"'{value}': there must be at least one job, as 1/1", param, ctx)
        if not 1 <= number <= of:
            self.fail(f"'{value}': the first number must be 1 to {of}", param, ctx)
        return Share(number, of)


class CountType(click.ParamType[Any]):
    """A number of things, as 2000000, 2M or 500k."""

    name = "COUNT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; a wrong one is a usage error."""
        found = _COUNT.fullmatch(str(value).strip())
        count = int(float(found[1]) * _THOUSANDS[found[2].lower()]) if found else 0
        if count < 1:
            self.fail(f"'{value}' is no number of at least 1; write 2000000 or 2M", param, ctx)
        return count


class _SizeType(click.ParamType[Any]):
    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _SIZE.fullmatch(str(value).strip())
        n_bytes = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
        if n_bytes < 1:
            self.fail(f"'{value}' is no size; write bytes, or as 500K, 4M, 1G", param, ctx)
        return n_bytes


def scale_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a run in parts has."""
    options = (
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Where it runs: in this process, or on a Ray cluster, in parts; then -o is a folder.",
        ),
        click.option(
            "--ray-address",
            metavar="ADDRESS",
            help="With --engine ray: the cluster, as auto or host:6379.  [default: RAY_ADDRESS, or one on "
            "this machine for the time of the run]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help="With --engine ray: at most so many processes, each with a model.  [default: as many as "
            "there is room for]",
        ),
        click.option(
            "--worker-gpus",
            type=click.FloatRange(min=0),
            help="With --engine ray: GPUs of each worker; 0.5 puts two on one.  [default: 1 for a language "
            "model where there are any]",
        ),
        click.option(
            "--shard",
            "share",
            type=_ShareType(),
            help="Do every N-th part, beginning with the I-th: one of N array jobs; -o is a folder that they "
            "share. `sortilin merge` makes one file of it.",
        ),
        click.option(
            "--part-size",
            "part_bytes",
            type=_SizeType(),
            help="With --engine ray or --shard: input of a part, as 4M.  [default: a 4,000th, 128K to 32M]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Scaled:
    """What of these options was given.

    Attributes:
        engine: "local" or "ray".
        ray_address: Of the cluster.
        workers: At most so many.
        worker_gpus: Of each.
        share: One of several array jobs.
        part_bytes: Size of parts.
    """

    engine: str
    ray_address: str | None
    workers: int | None
    worker_gpus: float | None
    share: Share | None
    part_bytes: int | None

    @classmethod
    def take(cls, options: dict[str, Any]) -> Scaled:
        """Take them out of the options of a command.

        Raises:
            click.UsageError: They do not go together.
        """
        found = cls(**{name: options.pop(name) for name in cls.__slots__})
        if found.engine == "local":
            given = [
                option
                for option, value in (
                    ("--ray-address", found.ray_address),
                    ("--workers", found.workers),
                    ("--worker-gpus", found.worker_gpus),
                )
                if value is not None
            ]
            if given:
                raise click.UsageError(f"{', '.join(given)} is for --engine ray")
            if found.part_bytes is not None and found.share is None:
                raise click.UsageError("--part-size is for --engine ray or --shard")
        elif found.share is not None:
            raise click.UsageError("--shard is for array jobs, without --engine ray")
        return found

    @property
    def is_in_parts(self) -> bool:
        """Whether a folder of parts is to be written."""
        return self.engine == "ray" or self.share is not None

    def how(self, cores: int | None) -> Share | Cluster:
        """Who does the parts."""
        if self.share is not None:
            return self.share
        from sortilin.scale.on_ray import Cluster

        return Cluster(self.ray_address, self.workers, cores or 1, self.worker_gpus)


def check_folder(output: str | None, endings: Sequence[str]) -> str:
    """Refuse what is no name of a folder of parts.

    Raises:
        click.UsageError: There is none, or it is the name of one file.
    """
    if output is None or output == "-":
        raise click.UsageError("a run in parts writes a folder: give its name with -o")
    if Path(output).name.lower().endswith(tuple(endings)) and not Path(output).is_dir():
        raise click.UsageError(
            f"-o {output}: a run in parts writes a folder; give the name of one, and make one file of it "
            f"with `sortilin merge FOLDER -o {output}`"
        )
    return output


def run_in_parts(
    job: Job, source: str, output: str, scaled: Scaled, *, cores: int | None, quiet: bool
) -> None:
    """Run, and tell what it came to.

    Raises:
        InputError: Parts could not be done; the others are kept.
    """
    from sortilin.scale import running

    def tell_failure(failure: Failure) -> None:
        _console.warn(f"part {failure.part.number} failed: {failure.reason}")

    with _console.progress(quiet=quiet) as on_progress:
        outcome = running.run(
            job,
            source,
            output,
            how=scaled.how(cores),
            part_bytes=scaled.part_bytes,
            on_progress=on_progress if quiet else _lines(on_progress),
            on_failure=tell_failure,
            on_warning=_console.warn if not quiet else lambda _: None,
        )
    if not quiet:
        _tell(outcome, scaled.share)
    _raise_if_failed(outcome)


def _tell(outcome: Outcome, share: Share | None) -> None:
    from sortilin.scale.folder import totals, workers

    address, n_parts = outcome.folder.address, outcome.description.n_parts
    sums = totals(list(outcome.new.values()))
    what = "predicted" if outcome.description.kind == "predict" else "embedded"
    left_out = f", {sums['skipped']:,} left out" if sums["skipped"] else ""
    n_before = outcome.n_own - len(outcome.new) - len(outcome.failures)
    before = f"; {n_before:,} of its parts were done before" if n_before else ""
    who = "" if share is None else f", job {share.number}/{share.of}"
    _console.note(
        f"{address}{who}: {len(outcome.new):,} parts done now, {sums['rows']:,} sequences {what}{left_out}"
        f"{before}; {len(outcome.parts):,} of {n_parts:,} parts are done"
    )
    if outcome.new:
        peaks = [worker["peak_bytes"] / 2**20 for worker in workers(list(outcome.new.values()))]
        _console.note(f"peak memory of a worker: {max(peaks):,.0f} MB ({len(peaks)} in all)")
    if outcome.is_complete:
        _console.note(f"one file of them: sortilin merge {address} -o FILE")


def _lines(on_progress: OnProgress) -> OnProgress:
    """Off a terminal, a line a minute: a log that says nothing for hours helps nobody."""
    if sys.stderr.isatty():
        return on_progress
    last = time.monotonic()

    def told(stage: str, done: int, total: int) -> None:
        nonlocal last
        if done < total and time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _console.note(f"{stage}: {done:,}/{total:,}")
        on_progress(stage, done, total)

    return told


def _raise_if_failed(outcome: Outcome) -> None:
    from sortilin.errors import InputError

    n_without = sum(len(done.failed) for done in outcome.parts.values())
    if n_without and not outcome.failures and outcome.description.on_error == "fail":
        raise InputError(
            f"no vector: {n_without:,} sequences, which merge lists; all others have one. With --on-error "
            "skip this is no error"
        )
    if outcome.failures:
        named = ", ".join(str(failure.part.number) for failure in outcome.failures[:_MAX_SHOWN])
        more = ", ..." if len(outcome.failures) > _MAX_SHOWN else ""
        kept = f"; {len(outcome.parts):,} are kept in {outcome.folder.address}" if outcome.parts else ""
        n_failed, n_own = f"{len(outcome.failures):,}", f"{outcome.n_own:,}"
        raise InputError(
            f"{n_failed} of {n_own} parts failed ({named}{more}){kept}. Mend what is named above and run the "
            "same command again: it does only what is not done"
        )
