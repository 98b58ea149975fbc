"""A program in several processes, as `accelerate launch` starts them: one leads, the others follow.

The first process runs the program as if it were alone: it reads, measures, writes and speaks. Where it comes
to a training it has the others do the same one (`share`), and the loop then splits each step among all. So
nothing but training is done twice, only one process needs a lock or a folder, and classifiers that the loop
does not train are fitted by the first process while the others wait.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from sortilin import device
from sortilin.errors import ConfigError, MissingDependencyError, SortilinError, TrainingError

T = TypeVar("T")

_SIZE, _PLACE = "WORLD_SIZE", "LOCAL_RANK"
"""Variables by which a launcher says how many processes there are, and which of its machine this one is. The
first by itself is of something else, as a container's."""

_MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""The same of MPI; believed below `accelerate launch` alone, since a queue may set them for lone programs."""

_USE_CPU = "ACCELERATE_USE_CPU"

STEP_TIMEOUT = timedelta(hours=1)
"""How long a step waits for another process: long enough to write a checkpoint of a large model."""

_LOST = ("closed by peer", "reset by peer", "Broken pipe", "Connection refused", "remote process exited")
"""What gloo and NCCL say of a process that is no longer there."""

_INTERRUPTED = 130
_FAULT, _TOLD = "sortilin/fault", "sortilin/told"
"""Keys in the store that all processes see: what went wrong in a follower; that the leader says what did."""

_tasks: list[int] = []
"""Numbers of trainings that this process has led; the first entry says that it leads at all."""


def n_launched(environment: Mapping[str, str] | None = None) -> int:
    """How many processes the launcher has started; needs no torch."""
    found = os.environ if environment is None else environment
    names = (_SIZE,) * (_PLACE in found) + _MPI_SIZES * (_USE_CPU in found)
    given = (found.get(name, "") for name in names)
    return max((int(text) for text in given if text.isdigit()), default=1)


def start() -> Any:
    """This process's part of the group that a launcher has started; the state of Accelerate.

    Raises:
        MissingDependencyError: Accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingDependencyError("training a network", "accelerate", "train") from None
    if n_launched() == 1:
        return PartialState()
    # Each process reads all weights: with Accelerate's way, where the first alone does, buffers get lost.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    # Without a device of its own Accelerate would take each process for a lone one.
    on_cpu = os.environ.get(_USE_CPU, "").lower() == "true" or not device.has_gpu()
    return PartialState(cpu=on_cpu, timeout=STEP_TIMEOUT)


def run(work: Callable[[], T]) -> tuple[T, int] | None:
    """Do some work in the first process, with the others at hand for each training.

    Args:
        work: What the program does.

    Returns:
        What the work gives, and how many trainings were shared; None in the other processes, which return
        when the first one is done.

    Raises:
        TrainingError: Another process failed or was lost.
        SystemExit: In a process that follows, when another one says what has failed.
    """
    from sortilin.training import processes

    start()
    own = processes.current()
    if not own.is_first:
        code = _follow(own)
        del own
        if not code or _is_on_processors():  # while it ends the others know already, and can say why
            _leave()
        if code:
            sys.exit(code)
        return None
    with _leading():
        result, n_shared = work(), len(_tasks) - 1
    own.from_first(None)
    del own
    _leave()
    return result, n_shared


def share(function: Callable[..., object], *arguments: Any) -> None:
    """Have the processes that follow call a function, which this one is about to do itself.

    Args:
        function: Found by its module and name.
        arguments: What can be pickled; they go to processes of the same program and are never stored.

    Raises:
        ConfigError: A launcher has started several processes, and none leads: each does work of its own.
    """
    if not _tasks and (n := n_launched()) > 1:
        raise ConfigError(
            f"{n} processes were started by a launcher, and only `sortilin train` shares a training among "
            "them: start this command without accelerate launch or torchrun"
        )
    if _tasks:
        from sortilin.training import processes

        _tasks.append(len(_tasks))
        processes.current().from_first((function, arguments))


@contextmanager
def _leading() -> Iterator[None]:
    _tasks.append(0)
    try:
        yield
    except (RuntimeError, SystemExit) as error:  # the launcher ends all processes when one has failed
        fault = _read(_FAULT)
        _write(_TOLD, "yes")
        if fault is None and not _is_lost(error):
            raise
        raise TrainingError(fault or _ended(n_launched())) from error
    except BaseException:
        _write(_TOLD, "yes")
        raise
    finally:
        _tasks.clear()


def _follow(own: Any) -> int:
    """Do what the first process says until it says no more; the exit code."""
    try:
        while (task := own.from_first(None)) is not None:
            function, arguments = task
            function(*arguments)
    except SortilinError as error:  # mostly the first process has met it too; else it says this
        _write(_FAULT, f"process {own.index + 1} of {own.n}: {error}")
        return 1
    except KeyboardInterrupt:  # sent to all of them
        return _INTERRUPTED
    except (Exception, SystemExit) as error:
        if not _is_lost(error):
            _write(_FAULT, f"process {own.index + 1} of {own.n} failed: {_line(error)}")
            raise
        if _read(_TOLD) is None and _read(_FAULT) is None:  # it was killed: nobody else will say so
            raise TrainingError(_ended(own.n)) from error
        return 1
    return 0


def _ended(n: int) -> str:
    return (
        f"one of {n} processes has ended and did not say why; perhaps it was killed, by hand or for want of "
        "memory: the same command goes on from the last checkpoint"
    )


def _is_lost(error: BaseException) -> bool:
    """Whether another process has ended: it no longer answers, or the launcher ends this one for it."""
    from torch import distributed

    return isinstance(error, (distributed.DistError, SystemExit)) or any(word in str(error) for word in _LOST)


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _store() -> Any:
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def _write(key: str, text: str) -> None:
    with suppress(Exception):  # it stands with a process that may be gone
        _store().set(key, text)


def _read(key: str) -> str | None:
    with suppress(Exception):
        if _store().check([key]):
            return str(_store().get(key).decode())
    return None


def _is_on_processors() -> bool:
    """Whether there is gloo alone. NCCL may wait for others before it lets go."""
    from torch import distributed

    return distributed.is_initialized() and str(distributed.get_backend()) == "gloo"


def _leave() -> None:
    """Close all connections while Python still runs: their threads do not survive its end."""
    from torch import distributed

    from sortilin.training import processes

    processes.forget()
    gc.collect()  # networks that were sharded hold the group too
    if distributed.is_initialized():
        distributed.destroy_process_group()
