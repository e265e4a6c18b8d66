"""Segment a scan with a model, slice by slice."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from napari_tumor_unet.inference.cells import predict_cells
from napari_tumor_unet.inference.input_check import InputWarnings, check_input
from napari_tumor_unet.inference.regions import drop_faint_regions, threshold_mask
from napari_tumor_unet.inference.result import (
    LeftOut,
    Provenance,
    Segmentation,
    Slices,
    Warned,
    blank,
    measure,
    update,
)
from napari_tumor_unet.inference.result_check import doubts_of, doubts_of_gaps
from napari_tumor_unet.inference.thin_slices import Scout, interpolate, slices_to_compute
from napari_tumor_unet.model.card import ModelError
from napari_tumor_unet.model.device import autocast, choose_device, enough_memory, precision
from napari_tumor_unet.model.model_file import Model, channels_last
from napari_tumor_unet.model.preprocessing import FittedPreprocessing, fit_preprocessing
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.scan import SEQUENCES, Scan
from napari_tumor_unet.scan.recognise import brightness_of

Compute = Callable[[torch.Tensor], torch.Tensor]
"""A network, or what stands for one: probability (N, 1, size, size) of inputs (N, C, size, size)."""

_SEEN = 0.01  # probability under which nothing in a slice and those beside it may be tumour
_LIKELY = 0.05  # probability under which the mirrored head's makes no tumour of a slice
_LEAST = 5  # of 255; what is less likely is kept as 0, which takes no memory
_BATCH = 4  # slices; more are no faster on a CPU, and each event brings as many to the screen


def run(
    scan: Scan,
    model: Model,
    *,
    threshold: float | None = None,
    device: str = "auto",
    first: int = 0,
    only: bool = False,
    fitted: FittedPreprocessing | None = None,
) -> Generator[Slices | Warned, None, Segmentation]:
    """Segment slice by slice, the slice ``first`` and its surroundings first; the result is the same.

    Of slices closer than the card's ``slice_distance_mm`` only some are computed, and of these every
    ``scout_stride``-th and those beside one in which something is seen; the probability of the others is
    interpolated. Where the card's ``cell_scout`` excludes tumour it is 0, but for the scan's first slice and
    in scans unlike those that models learned from.

    Parameters
    ----------
    scan : Scan
    model : Model
    threshold : float, optional
        Probability from which a voxel is tumour; the model's own by default.
    device : str
        "auto", "cpu", "cuda" or "mps".
    first : int
        Index of the slice to segment first.
    only : bool
        Leave the others out; their probability is 0 then.
    fitted : FittedPreprocessing, optional
        This model's preprocessing fitted to this scan, where that was done already.

    Yields
    ------
    Slices
        As they come, the first one alone, and once more if that was but a preview; at the end those again
        that lost small regions.
    Warned
        After the first slice, if the scan is unlike those that models learned from; and again at the end,
        with what was said before, if the mask is unlike those of tumours.

    Returns
    -------
    Segmentation
        The whole.
    """
    start = time.monotonic()
    threshold = model.card.threshold if threshold is None else threshold
    device = choose_device(device)
    checked: InputWarnings | None = None
    warnings: tuple[str, ...] = ()
    network = for_inference(model.network).to(device)
    compute: Compute = network
    if model.card.cell_scout and device == "cpu" and not only:  # on a GPU many small steps take longer
        compute = partial(predict_cells, network, model.card.cell_scout)
    fitted = fitted or fit_preprocessing(scan, model.preprocessing)
    depth, height, width = scan.shape
    probability, mask = blank(scan.shape), blank(scan.shape)
    slices = slices_to_compute(scan, model.card.slice_distance_mm)
    scout = Scout(slices, model.card.scout_stride, first, only=only)
    shown: set[int] = set()
    filled: set[int] = set()
    total = 1 if only else depth
    for indices in scout.batches(_BATCH):  # the slice on screen alone, to be there at once
        network_or_cells = network if indices == [0] else compute  # as where the run begins with 0
        inputs = fitted.apply(scan, indices)
        outputs = torch.zeros(len(inputs), *inputs.shape[2:])
        flair = inputs[:, SEQUENCES.index("flair")].flatten(1)
        head = flair.amax(1) > flair.amin(1)
        filled.update(np.array(indices)[head.numpy()].tolist())
        if head.any():  # air needs no network
            with enough_memory(device):
                outputs[head] = predict(network_or_cells, inputs[head], device, tta_flip=model.card.tta_flip)
            if not outputs.isfinite().all():
                raise ModelError(
                    f"The model {model.card.name!r} gives no numbers; take another model or device."
                )
        planes = fitted.invert(outputs, (height, width))
        planes[planes < _LEAST] = 0
        for z, plane in zip(indices, planes, strict=True):
            update(probability[z], plane)
        seen = (outputs.amax((1, 2)) >= _SEEN).numpy()
        scout.see(np.array(indices)[seen].tolist())
        for gap in scout.gaps():
            for z, plane in interpolate(probability, *gap):
                update(probability[z], plane)
                indices.append(z)
        part = probability[indices]
        thresholded = threshold_mask(part, threshold)
        for z, plane in zip(indices, thresholded, strict=True):
            update(mask[z], plane)
        shown.update(indices)
        yield Slices(tuple(indices), part, thresholded, len(shown), total)
        if checked is None:  # nobody waits for the first slice longer
            checked = check_input(scan)
            if warnings := checked.around():
                yield Warned(warnings)
            if (warnings or not checked.familiar) and compute is not network:
                compute = network
                if first > 0:
                    scout.forget()
    dropped = drop_faint_regions(mask, probability, threshold, model.card.min_region_weight)
    if changed := dropped.slices:
        yield Slices(tuple(changed), probability[changed], mask[changed], len(shown), total)
    if checked is not None and not only:
        doubts = doubts_of_gaps(scout.computed, filled)
        if (limits := model.card.doubtful_under) is not None:
            doubts += doubts_of(scan, probability, mask, limits, scout.computed)
        if doubts:
            warnings = checked.around(doubts)
            yield Warned(warnings)
    return Segmentation(
        probability,
        mask,
        measure(mask, scan.voxel_ml, dropped.regions_left),
        Provenance(
            model=model.card.name,
            model_hash=model.hash,
            version=version("napari-tumor-unet"),
            threshold=threshold,
            min_region_weight=model.card.min_region_weight,
            sequences=tuple(s for s in SEQUENCES if s in scan.sequences),
            device=device,
            precision=str(precision(device)).removeprefix("torch."),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - start, 3),
            left_out=LeftOut(
                dropped.regions,
                dropped.voxels,
                None if scan.voxel_ml is None else dropped.voxels * scan.voxel_ml,
            ),
            brightness=brightness_of(scan),
        ),
        warnings,
        scan.grid,
    )


def predict(compute: Compute, inputs: torch.Tensor, device: str, *, tta_flip: bool = True) -> torch.Tensor:
    """Predict a probability (N, size, size) for inputs (N, C, size, size), averaged with the mirrored head's.

    Mirrored are only slices in which something was seen: in the others the mean stays far from a tumour's.
    Where a GPU's memory is not enough for all at once, they go one half after the other.
    """
    inputs = inputs.to(device, memory_format=torch.channels_last)
    try:
        with torch.inference_mode(), autocast(device):
            probability: torch.Tensor = compute(inputs)[:, 0].float()
            seen = probability.amax((1, 2)) >= _LIKELY
            if tta_flip and seen.any():
                other = compute(inputs[seen].flip(-1)).flip(-1)[:, 0]
                probability[seen] = (probability[seen] + other) / 2
            return probability.cpu()
    except torch.OutOfMemoryError:
        if len(inputs) == 1:
            raise
    halves = inputs.tensor_split(2)
    return torch.cat([predict(compute, half, device, tta_flip=tta_flip) for half in halves])


def for_inference(network: UNet) -> UNet:
    """Copy a network, with batch normalisations folded into the convolutions, in the layout CPUs like."""
    network = copy.deepcopy(network).eval()
    for block in (*network.encoder, network.bottleneck, *network.decoder):
        for i, layer in enumerate(block):
            if isinstance(layer, nn.BatchNorm2d):
                block[i - 1] = fuse_conv_bn_eval(block[i - 1], layer)
                block[i] = nn.Identity()
    return channels_last(network)
