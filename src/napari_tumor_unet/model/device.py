"""Where to compute, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from napari_tumor_unet._common import TumourUnetError

DEVICES = ("auto", "cpu", "cuda", "mps")


class DeviceError(TumourUnetError, ValueError):
    """A device that is not there, or too small; the message is one sentence."""


def choose_device(name: str = "auto") -> str:
    """Choose the device named, or for "auto" the fastest that is there.

    Raises
    ------
    DeviceError
        If the one named is unknown or not there.
    """
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if _is_there(kind))
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise DeviceError(f"There is no device {name!r}; choose one of {', '.join(DEVICES)}.")
    if not _is_there(kind):
        raise DeviceError(f"This machine, or its torch, has no {kind} device; choose auto or cpu.")
    return name


def devices() -> tuple[tuple[str, ...], str]:
    """List the devices of this machine, and say in one sentence what "auto" takes and why."""
    there = ("cpu", *(kind for kind in ("cuda", "mps") if _is_there(kind)))
    chosen = choose_device()
    why = "the fastest device here" if len(there) > 1 else "there is no GPU that torch can use"
    kind = str(precision(chosen)).removeprefix("torch.")
    return ("auto", *there), f"auto takes {chosen} ({kind}): {why}."


def precision(device: str) -> torch.dtype:
    """Return the type of convolutions: bfloat16 where there is hardware for it, float16 on older CUDA."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if kind == "cpu" and _cpu_multiplies_bf16() else torch.float32


def autocast(device: str) -> AbstractContextManager[Any]:
    """Return a context of mixed precision, where the device gains from it."""
    dtype = precision(device)
    return nullcontext() if dtype is torch.float32 else torch.autocast(torch.device(device).type, dtype)


@contextmanager
def considerate_threads() -> Iterator[None]:
    """Compute with one thread while others keep all cores of the machine busy, and set it back.

    Threads that wait for each other spin unless the environment said OMP_WAIT_POLICY=PASSIVE before torch was
    imported; on a busy machine they take several times as long together as one alone.
    """
    before = torch.get_num_threads()
    spinning = os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE"
    if spinning and _load() > (os.cpu_count() or 1) + 0.5:  # our own threads are no more than the cores
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def enough_memory(device: str) -> Iterator[None]:
    """Say in a DeviceError that a device's memory was not enough."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # The CPU's allocator has no error of its own.
        kinds = (MemoryError, torch.OutOfMemoryError)
        if not isinstance(error, kinds) and "DefaultCPUAllocator" not in str(error):
            raise
        raise DeviceError(
            f"The memory of {device} is not enough; close what else uses it, take another device, or train "
            "with smaller batches."
        ) from error


def _load() -> float:
    """Return how many processes and threads wanted a core in the last minute; 0 where nobody tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _is_there(kind: str) -> bool:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return bool(there.get(kind))


@cache
def _cpu_multiplies_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:  # neither Windows nor macOS tell; float32 is right everywhere
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
