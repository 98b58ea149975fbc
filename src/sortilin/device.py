"""Device and precision; nothing else asks what hardware there is."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

AUTO = "auto"
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_DEVICE_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""There on Linux with a GPU of Nvidia or AMD, or inside Windows; without them torch need not be asked."""
_ACCELERATE_NAMES = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def mixed_precision(precision: str) -> str:
    """Accelerate's name for a precision; "auto" is bfloat16 on a CUDA device that computes it.

    Args:
        precision: "auto", "float32", "bfloat16" or "float16".
    """
    import torch

    if precision == AUTO:
        precision = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return _ACCELERATE_NAMES[precision]


def keep_memory() -> None:
    """Let this process keep freed memory for the next batch, on Linux with glibc; elsewhere nothing.

    By default glibc takes every large block from the system and gives it back at once. Batches of unlike
    lengths then spend a third of a CPU training step on fresh, zeroed pages.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether torch has a GPU; torch is not even imported where there cannot be one."""
    if sys.platform == "linux" and not any(Path(name).exists() for name in _DEVICE_FILES):
        return False
    return _accelerator() is not None


def describe() -> dict[str, Any]:
    """What a result was computed on: processor, cores that this process may use, accelerator."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": usable_cores(),
        "accelerator": _accelerator(),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as stream:
            names = (line.partition(":")[2].strip() for line in stream if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def _accelerator() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
