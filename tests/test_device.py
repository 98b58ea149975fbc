"""Precision by device, and what a result was computed on."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sortilin import device


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "no"), ("bfloat16", "bf16"), ("float16", "fp16")]
)
def test_precision_that_is_asked_for_is_taken(precision: str, expected: str) -> None:
    assert device.mixed_precision(precision) == expected


@pytest.mark.parametrize(
    ("has_cuda", "has_bfloat16", "expected"),
    [(False, False, "no"), (True, False, "no"), (True, True, "bf16")],
)
def test_auto_is_bfloat16_where_the_device_computes_it(
    has_cuda: bool, has_bfloat16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert device.mixed_precision("auto") == expected


def test_machine_is_described() -> None:
    found = device.describe()
    assert found["python"] == platform.python_version()
    assert found["processor"]
    assert 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert set(found) == {"python", "system", "processor", "cores", "accelerator"}


def test_accelerator_is_named_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    assert device.describe()["accelerator"] == "NVIDIA H200"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.describe()["accelerator"] is None


def test_machine_without_torch_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device.describe()["accelerator"] is None


def test_processor_without_a_list_of_processors_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "open", absent)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert device.describe()["processor"] == platform.machine()
