"""Parts on a Ray cluster, by Ray Data: one model a worker, parts dealt out as workers get free.

What travels through Ray are descriptions of parts and notes of what was met. Sequences and results do not: a
worker reads its part where the input is and writes its results where they go, so that neither the driver nor
Ray's object store grows with the input. Ray Data holds back parts while all workers are busy, starts a worker
again that died, and gives its part, and those whose notes were lost with a node, to another one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from sortilin import device
from sortilin.errors import ConfigError, InputError, MissingDependencyError, OutputError, SortilinError
from sortilin.interfaces import OnProgress
from sortilin.report._summary import to_json
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.jobs import Job, Worker, do_part
from sortilin.scale.local import Failure, OnFailure
from sortilin.scale.places import absolute
from sortilin.scale.plan import Part

_OBJECT_STORE_BYTES = 200 << 20
"""Of a cluster that is started here; only descriptions and notes go through it."""

_FATAL = "fatal"
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where workers are, and what each of them is given.

    Attributes:
        address: Of the cluster ("auto", "host:6379", "ray://host:10001"); None for what RAY_ADDRESS says, or
            one on this machine that ends with the run.
        workers: At most so many; None for as many as there is room for.
        cores: Of each worker.
        gpus: Of each worker; None for one where there are any and the job can use it.
    """

    address: str | None = None
    workers: int | None = None
    cores: int = 1
    gpus: float | None = None


def run(
    job: Job,
    parts: Sequence[Part],
    folder: RunFolder,
    cluster: Cluster,
    *,
    on_failure: OnFailure,
    on_progress: OnProgress,
) -> dict[int, Done]:
    """Do parts on a cluster; a part that fails is told, and the others go on.

    Args:
        job: What workers are told.
        parts: What is to be done.
        folder: Where results go; all workers must see it.
        cluster: Where workers are.
        on_failure: Called with each part that failed.
        on_progress: Called with parts that ended, and how many there are.

    Raises:
        ConfigError: There is no such cluster, a worker has no room in it, or cannot begin.
        OutputError: Results cannot be written, or the cluster was lost.
    """
    if not parts:
        return {}
    by_number = {part.number: part for part in parts}
    done: dict[int, Done] = {}
    on_progress("parts", 0, len(parts))
    with _connected(cluster.address), ExitStack() as closing:
        cluster = _with_room(cluster, job, len(parts))
        # Whatever ends the loop, the run on the cluster is over before the cluster is.
        notes = closing.enter_context(contextlib.closing(_notes(job, parts, folder, cluster)))
        for n_ended, note in enumerate(notes, 1):
            if note["done"]:
                found = Done(**json.loads(note["done"]))
                done[found.part] = found
            elif note["kind"] == _FATAL:
                raise OutputError(f"a worker cannot go on: {note['error']}")
            else:
                on_failure(Failure(by_number[note["part"]], note["error"]))
            on_progress("parts", n_ended, len(parts))
    return done


def _notes(job: Job, parts: Sequence[Part], folder: RunFolder, cluster: Cluster) -> Generator[dict[str, Any]]:
    """What workers say of parts, as they end."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    # Nodes run in other folders than the driver.
    there = [replace(part, address=absolute(part.address)) for part in parts]
    items = [{"part": json.dumps(part.as_dict())} for part in there]
    ended = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _Actor,
        fn_constructor_args=(job.absolute(), absolute(folder.address)),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=cluster.workers, initial_size=cluster.workers
        ),
        num_cpus=cluster.cores,
        num_gpus=cluster.gpus or None,
    )
    try:
        yield from ended.iter_rows()
    except ray.exceptions.RayTaskError:
        raise  # a fault of the program keeps its traceback
    except ray.exceptions.RayError as error:
        raise _plain(error) from None


class _Actor:
    """A worker's process: holds one model."""

    def __init__(self, job: Job, address: str) -> None:
        self._job, self._folder = job, RunFolder(address)
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        notes = [self._note(Part(**json.loads(text))) for text in batch["part"]]
        return {name: [note[name] for note in notes] for name in notes[0]}

    def _note(self, part: Part) -> dict[str, Any]:
        """Errors that a person can act on travel as text: others would come as a traceback of Ray's."""
        empty = {"part": part.number, "done": "", "kind": "", "error": ""}
        try:
            if self._worker is None:
                self._worker = self._job.start()
            return empty | {"done": to_json(asdict(do_part(self._worker, part, self._folder)))}
        except InputError as error:
            return empty | {"kind": "part", "error": str(error)}
        except SortilinError as error:  # would be so for the next part too
            return empty | {"kind": _FATAL, "error": str(error)}


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """A connection to a cluster; one that was started here ends with it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody of the run
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else Ray warns of actors that can be restarted
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError("the engine 'ray'", "ray", "scale") from error
    own: dict[str, Any] = {}
    if address is None and "RAY_ADDRESS" not in os.environ:
        own = {
            "num_cpus": device.usable_cores(),
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "address": "local",
        }
    elif address is not None:
        own = {"address": address}
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if address is not None:
        _check_answers(address)
    ours = signal.getsignal(signal.SIGTERM)
    try:
        with _silence():
            ray.init(**own, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = address or os.environ.get("RAY_ADDRESS", "this machine")
        raise ConfigError(f"no Ray cluster answers at {where}: {_first_line(error)}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)  # Ray's own ends the process where it stands
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes.

    Raises:
        ConfigError: Nothing listens there.
    """
    found = re.fullmatch(r"(?:ray://)?([^:/]+):(\d+)", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_CONNECT_S).close()
    except OSError as error:
        raise ConfigError(f"no Ray cluster answers at {address}: {error.strerror or error}") from None


@contextmanager
def _silence() -> Iterator[None]:
    """No standard error while Ray begins: its C++ part says there what log level it was given."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _with_room(cluster: Cluster, job: Job, n_parts: int) -> Cluster:
    """What of a cluster there is room and work for.

    Raises:
        ConfigError: No node has room for a worker.
    """
    import ray

    nodes = [node["Resources"] for node in cast(Any, ray).nodes() if node["Alive"]]
    gpus = cluster.gpus
    if gpus is None:
        gpus = 1.0 if job.uses_gpu and any(there.get("GPU", 0) >= 1 for there in nodes) else 0.0
    room = sum(
        int(min(there.get("CPU", 0) // cluster.cores, there.get("GPU", 0) // gpus if gpus else float("inf")))
        for there in nodes
    )
    if not room:
        wanted = f"{cluster.cores} cores" + (f" and {gpus:g} GPUs" if gpus else "")
        has = "; ".join(f"{there.get('CPU', 0):g} cores, {there.get('GPU', 0):g} GPUs" for there in nodes)
        raise ConfigError(
            f"no node of the Ray cluster has room for a worker of {wanted}; the nodes have {has}"
        )
    return replace(cluster, workers=min(cluster.workers or room, n_parts), gpus=gpus)


def _plain(error: Exception) -> SortilinError:
    """What Ray says, in a line; its own traceback names places in its code."""
    return OutputError(f"the Ray cluster could not end the run: {_first_line(error)}; run again to go on")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
