"""Segment one scan: what a notebook calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_tumor_unet._common import drain
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.inference.result import Segmentation
from napari_tumor_unet.io.find import ScanFiles
from napari_tumor_unet.model.device import considerate_threads
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError, Sequence, scan_from_volume
from napari_tumor_unet.scan.combine import combine


def segment(
    volume_or_path: Any,
    *,
    spacing: tuple[float, float, float] | None = None,
    sequences: tuple[Sequence, ...] = SEQUENCES,
    model: str | Path | Model | None = None,
    device: str = "auto",
    threshold: float | None = None,
) -> Segmentation:
    """Segment the tumour in a scan.

    Parameters
    ----------
    volume_or_path : array, Scan, str, Path or mapping
        An array (Y, X) or (Z, Y, X), taken as FLAIR, or with a channel axis for ``sequences`` second or
        last; or a file or folder that :func:`read_scan` reads. Slices are axial, the front of the head up.
        Separate sequences are a mapping of "flair", and of "pre" and "post" if they are there, to such;
        those on another grid are resampled to FLAIR's.
    spacing : tuple of float, optional
        Distance between voxels (z, y, x) in mm; for arrays, and to correct a file's.
    sequences : tuple of {"pre", "flair", "post"}
        What the channels of an array are.
    model : str, Path or Model, optional
        A bundled model's name, a model file, or a model loaded before; the default one otherwise.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threshold : float, optional
        Probability from which a voxel is tumour; the model's own by default.

    Notes
    -----
    In a process of your own set OMP_WAIT_POLICY=PASSIVE before torch is imported: threads that spin while
    they wait slow a busy machine down. Without it, one thread computes while other programs use all cores.

    Returns
    -------
    Segmentation
        With ``mask``, ``probability``, ``findings``, ``provenance`` and ``warnings``, on the scan's own grid.

    Raises
    ------
    ScanError, ModelError, DeviceError
        Each with one sentence that says what is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> result = segment(np.zeros((3, 64, 64), np.uint8))
    >>> result.mask.shape, int(result.mask.sum())
    ((3, 64, 64), 0)
    """
    scan = _scan(volume_or_path, spacing, sequences)
    if spacing is not None:
        scan = scan.with_spacing(spacing)
    loaded = model if isinstance(model, Model) else load_model(model)
    with considerate_threads():
        return drain(run(scan, loaded, device=device, threshold=threshold))


def _scan(source: Any, spacing: tuple[float, float, float] | None, sequences: tuple[Sequence, ...]) -> Scan:
    if isinstance(source, Scan):
        return source
    if isinstance(source, str | Path):
        return ScanFiles(Path(source).expanduser()).read()
    if not isinstance(source, Mapping):
        return scan_from_volume(source, spacing=spacing, sequences=sequences)
    if "flair" not in source or not source.keys() <= set(SEQUENCES):
        raise ScanError(
            f"Separate sequences are named flair, pre and post, with flair at least: {[*source]}."
        )
    return combine(**{name: _scan(part, spacing, sequences) for name, part in source.items()})
