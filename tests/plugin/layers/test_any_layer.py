"""Whatever an image layer is made of, it gets a right mask or one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.scan import Scan, ScanError
from tests.conftest import is_one_sentence

TYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
FILLS = ("noise", "constant", "nan", "infinite", "huge")


@st.composite
def images(draw: st.DrawFn) -> Image:
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    rgb = draw(st.booleans()) and dtype in (np.uint8, np.uint16, np.float32)
    shape = [draw(st.integers(1, n)) for n in (3, 4, 4, 40, 40)[draw(st.integers(0, 3)) :]]
    voxels = filled((*shape, 3) if rgb else tuple(shape), dtype, draw(st.sampled_from(FILLS)))
    kind = draw(st.sampled_from(["NumPy", "multiscale"] + ["dask"] * (not rgb)))
    if kind == "dask":
        voxels = dask.array.from_array(voxels)
    if kind == "multiscale":
        return Image([voxels, voxels[..., ::2, :] if rgb else voxels[..., ::2]], multiscale=True, rgb=rgb)
    return Image(voxels, rgb=rgb, contrast_limits=(0, 1))


def filled(shape: tuple[int, ...], dtype: np.dtype[Any], how: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    voxels = np.full(shape, 3.0) if how == "constant" else rng.random(shape) * 100
    if how == "huge":
        voxels *= 1e30 if dtype.kind == "f" else 1
    with np.errstate(all="ignore"):
        voxels = voxels.astype(dtype)
    if dtype.kind == "f" and how in ("nan", "infinite"):
        voxels[rng.random(shape) < 0.3] = np.nan if how == "nan" else -np.inf
    return voxels


def segmented(scan: Scan, model: Model) -> np.ndarray:
    steps = run(scan, model, device="cpu")
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.mask


@settings(max_examples=60)
@given(image=images())
def test_every_layer_gets_a_right_mask_or_one_sentence(tiny_model: Model, image: Image) -> None:
    refusal = None
    try:
        source = scan_of(image, [image], [0.0] * image.ndim)
        found = segmented(source.scan, tiny_model)
    except ScanError as error:
        refusal = str(error)
    if refusal is not None:
        assert is_one_sentence(refusal), refusal
        return
    mask = Labels(np.zeros(source.mask_shape(), np.uint8), **source.geometry())
    source.place.volume(mask.data)[...] = found
    assert set(np.unique(mask.data)) <= {0, 1}
    assert (mask.data == 1).sum() == found.sum()
    assert mask.ndim == image.ndim - (source.axes.channel is not None and not image.rgb)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4096, 4096), (16, 16), (1, 16, 16), (2, 4096, 64)])
def test_large_and_small_images_are_segmented(tiny_model: Model, shape: tuple[int, ...]) -> None:
    image = Image(np.random.default_rng(0).random(shape, np.float32))
    scan = scan_of(image, [image]).scan
    assert segmented(scan, tiny_model).shape == (1,) * (3 - len(shape)) + shape


def test_a_zarr_on_disk_is_segmented(tiny_model: Model, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    stored = zarr.open(
        str(tmp_path / "scan.zarr"), mode="w", shape=(5, 40, 40), chunks=(1, 40, 40), dtype="i2"
    )
    stored[:] = (np.random.default_rng(0).random(stored.shape) * 99).astype(np.int16)
    image, whole = Image(stored), Image(stored[:])
    lazy, eager = (segmented(scan_of(layer, [layer]).scan, tiny_model) for layer in (image, whole))
    np.testing.assert_array_equal(lazy, eager)
