"""A scan and a model to a segmentation: probability, mask, what was found, and where it came from."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_tumor_unet.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.device import autocast, choose_device, precision
from napari_tumor_unet.model import Model, for_inference
from napari_tumor_unet.preparation import find_frame, prepare, restore
from napari_tumor_unet.scan import SEQUENCES, Scan

_BATCH = 4  # slices; more are no faster on a CPU, and each event brings as many to the screen


@dataclass(frozen=True)
class Slices:
    """Progress: probability (n, Y, X), 0 to 255, and mask of the slices named, and how many are done."""

    indices: tuple[int, ...]
    probability: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    done: int
    total: int


@dataclass(frozen=True)
class Findings:
    """What is in a mask.

    Attributes
    ----------
    voxels, slices, regions : int
        Tumour voxels, slices with tumour, connected regions (faces, edges or corners touching).
    volume_ml : float or None
        None where the scan's spacing is unknown.
    """

    voxels: int
    slices: int
    regions: int
    volume_ml: float | None

    def __str__(self) -> str:
        if not self.voxels:
            return f"No tumour found; try a lower threshold, and check that the image is FLAIR. {NOT_FOR_THE_CLINIC}"
        volume = f"{self.voxels:,} voxels" if self.volume_ml is None else f"{self.volume_ml:.1f} ml"
        return f"Tumour found: {volume} in {_count(self.slices, 'slice')}, {_count(self.regions, 'region')}. {NOT_FOR_THE_CLINIC}"


@dataclass(frozen=True)
class Provenance:
    """Where a mask came from; it names no patient and no path."""

    model: str
    model_hash: str
    version: str
    threshold: float
    sequences: tuple[str, ...]
    device: str
    precision: str
    date: str
    seconds: float


@dataclass(frozen=True)
class Segmentation:
    """The result of a run.

    Attributes
    ----------
    probability : array of uint8
        (Z, Y, X) on the scan's grid; 255 is certain tumour.
    mask : array of uint8
        (Z, Y, X), 0 and 1.
    findings : Findings
    provenance : Provenance
    """

    probability: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    findings: Findings
    provenance: Provenance

    def to_json(self) -> dict[str, Any]:
        """Findings and provenance, as a sidecar file holds them."""
        return {
            "findings": dataclasses.asdict(self.findings),
            "provenance": dataclasses.asdict(self.provenance),
            "note": NOT_FOR_THE_CLINIC,
        }


def run(
    scan: Scan, model: Model, *, threshold: float | None = None, device: str = "auto", first: int = 0
) -> Generator[Slices, None, Segmentation]:
    """Segment slice by slice, the slice ``first`` and its surroundings first.

    Parameters
    ----------
    scan : Scan
    model : Model
    threshold : float, optional
        Probability from which a voxel is tumour; the model's own by default.
    device : str
        "auto", "cpu", "cuda" or "mps".
    first : int
        Index of the slice that is wanted first.

    Yields
    ------
    Slices
        As they come.

    Returns
    -------
    Segmentation
        The whole.
    """
    start = time.monotonic()
    threshold = model.card.threshold if threshold is None else threshold
    device = choose_device(device)
    network = for_inference(model.network).to(device)
    frame = find_frame(scan, model.preparation)
    depth, height, width = scan.shape
    probability = np.zeros(scan.shape, np.uint8)
    nearest_first = sorted(range(depth), key=lambda z: abs(z - first))
    for done in range(0, depth, _BATCH):
        indices = sorted(nearest_first[done : done + _BATCH])
        inputs = prepare(scan, frame, model.preparation, indices)
        outputs = predict(network, inputs, device)
        probability[indices] = part = restore(outputs, frame, (height, width))
        yield Slices(tuple(indices), part, threshold_mask(part, threshold), done + len(indices), depth)
    mask = threshold_mask(probability, threshold)
    return Segmentation(
        probability,
        mask,
        find(mask, scan),
        Provenance(
            model=model.card.name,
            model_hash=model.hash,
            version=version("napari-tumor-unet"),
            threshold=threshold,
            sequences=tuple(s for s in SEQUENCES if s in scan.sequences),
            device=device,
            precision=str(precision(device)).removeprefix("torch."),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - start, 3),
        ),
    )


def predict(network: torch.nn.Module, inputs: torch.Tensor, device: str) -> torch.Tensor:
    """Probability (N, size, size) for inputs (N, C, size, size), averaged with that of the mirrored head."""
    inputs = inputs.to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(device):
        straight: torch.Tensor = network(inputs)
        mirrored: torch.Tensor = network(inputs.flip(-1)).flip(-1)
    return ((straight + mirrored) / 2)[:, 0].float().cpu()


def threshold_mask(probability: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """The mask, 0 and 1, of a probability from 0 to 255."""
    return (probability >= max(1, round(threshold * 255))).astype(np.uint8)


def find(mask: NDArray[np.uint8], scan: Scan) -> Findings:
    """Measure a mask (Z, Y, X)."""
    voxels = int(np.count_nonzero(mask))
    _, regions = ndimage.label(mask, np.ones((3, 3, 3)))
    return Findings(
        voxels=voxels,
        slices=int(mask.any(axis=(1, 2)).sum()),
        regions=int(regions),
        volume_ml=voxels * float(np.prod(scan.spacing)) / 1000 if scan.in_mm else None,
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
