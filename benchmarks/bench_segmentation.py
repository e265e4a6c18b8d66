"""How long a segmentation takes, against a plain forward pass in the same run.

    python benchmarks/bench_segmentation.py [--rounds 5]

The scan is a phantom of 33 slices of 256 x 256 with three sequences. The plain forward pass is float32,
slice by slice, channels first, of a 2D U-Net of 32 to 512 filters with batch normalisation, the best-known
network for this kind of data; it neither prepares nor restores. Ours is all of it with the default model,
warm: head and intensities measured, slices prepared, computed, mirrored, brought back to the scan's grid,
mask and findings made; once here, and once as a window does it, in a child process that asks for the slices.
So is a FLAIR of 155 slices of 1 mm. Where the CPU multiplies bfloat16, both are computed in float32 too, as
on one that does not. They take turns, and the median of the ratios is printed, as other work
on the machine disturbs all. On Linux, the memory that the shell takes for 512 x 512 x 800 is told too.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import numpy as np
import SimpleITK as sitk
import torch
from phantoms import make_phantom

from napari_tumor_unet.inference.segment import segment
from napari_tumor_unet.model import device
from napari_tumor_unet.model.device import precision
from napari_tumor_unet.model.model_file import load_model
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.model.settings import UNetConfig
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.scan import Scan, scan_from_volume
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.remote_scan import handle_of, planes_of
from napari_tumor_unet.worker.worker import Callbacks, Worker

PLAIN = UNetConfig(in_channels=3, widths=(32, 64, 128, 256, 512), normalisation="batch", dropout=0.0)

SHELL = """
import atexit, pathlib
atexit.register(lambda: print(pathlib.Path("/proc/self/status").read_text()))
from napari_tumor_unet.cli import main
main()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    volume, _ = make_phantom(slices=33, size=256, seed=0)
    scan, model = scan_from_volume(volume), load_model()
    thin = scan_from_volume(make_phantom(slices=155, size=240, seed=0)[0][..., 1], spacing=(1.0, 1.0, 1.0))
    network = UNet(PLAIN).eval()
    worker = Worker()
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain_pass(network, len(volume)),
        "here": lambda: segment(scan, model=model, device="cpu"),
        "child": lambda: in_child(worker, scan),
        "155 slices of 1 mm": lambda: segment(thin, model=model, device="cpu"),
    }
    if precision("cpu") is torch.bfloat16:
        ways |= {
            f"{name}, float32": partial(in_float32, ways[name]) for name in ("here", "155 slices of 1 mm")
        }
    for way in ways.values():  # warm
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    first: list[float] = []
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.monotonic()
            answer = way()
            seconds[name].append(time.monotonic() - start)
            if name == "child":
                first.append(answer)
        print(", ".join(f"{name} {times[-1]:.2f} s" for name, times in seconds.items()))
    worker.close()
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    kind = str(precision("cpu")).removeprefix("torch.")
    print(
        f"Plain: {parameters:.1f} M parameters. {torch.get_num_threads()} threads, {kind}, {rounds} rounds:"
    )
    for name in [*ways][1:]:
        ratios = [plain / ours for plain, ours in zip(seconds["plain"], seconds[name], strict=True)]
        print(
            f"{name}: {statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})"
        )
    print(f"first slices from the child after {statistics.median(first):.2f} s ({max(first):.2f} at most)")
    if sys.platform == "linux":
        print(
            f"512 x 512 x 800, float32, in a shell: {memory_of_a_large_scan():.2f} GB above the scan itself"
        )


def plain_pass(network: torch.nn.Module, slices: int) -> None:
    """One forward pass of each slice."""
    with torch.no_grad():
        for _ in range(slices):
            network(torch.zeros(1, 3, 256, 256))


def in_float32(way: Callable[[], Any]) -> Any:
    """Compute as a CPU does that does not multiply bfloat16."""
    with patch.object(device, "_cpu_multiplies_bf16", lambda: False):
        return way()


def in_child(worker: Worker, scan: Scan) -> float:
    """Segment in the child; seconds until its first slices."""
    start, ended = time.monotonic(), queue.SimpleQueue[Any]()
    first: list[float] = []
    callbacks = Callbacks(
        event=lambda _: first.append(time.monotonic() - start),
        finished=ended.put,
        failed=ended.put,
        cancelled=lambda: ended.put(None),
    )
    arguments = (handle_of(scan), str(find_model()), None, "cpu", 0, False)
    worker.run(tasks.segment, *arguments, callbacks=callbacks, answer=partial(planes_of, scan))
    findings, _ = ended.get()
    if not findings.voxels:
        raise SystemExit("The phantom's tumour was not found.")
    return first[0]


def memory_of_a_large_scan() -> float:
    """Segment a large file with the shell command; GB of its process at most, without the scan's own."""
    flair = make_phantom(slices=32, size=512, seed=0)[0][..., 1].astype(np.float32)
    image = sitk.GetImageFromArray(np.repeat(flair, 25, axis=0))
    image.SetSpacing((0.45, 0.45, 0.2))
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), f"{folder}/large.nii")
        done = subprocess.run(
            [sys.executable, "-c", SHELL, "segment", "--out", folder, f"{folder}/large.nii"],
            capture_output=True,
            text=True,
            check=True,
        )
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is not None
    return (int(peak[1]) * 1024 - 800 * 512 * 512 * 4) / 1e9


if __name__ == "__main__":
    main()
