"""The fingerprint of a case sees what a model sees, and stays what it was: model cards hold it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.scan import Scan

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
MASKS = SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape, elements=st.integers(0, 3)))


def test_a_card_written_before_still_names_its_data() -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    scan = Scan("a", {"flair": voxels, "pre": voxels.astype(np.float32)})
    prints = fingerprint(scan, voxels > 5)
    assert prints.case == "51f7814c22098a2c108e8b6f910f7f7fabd97d546ed6b121e73aa16ee7681a40"
    assert fingerprint(scan, voxels > 5, prints.scan) == prints


@given(mask=MASKS, dtype=st.sampled_from(["u1", "<i2", ">u2", "<f4", ">f8"]))
def test_the_hash_sees_voxels_and_neither_name_nor_place_nor_how_they_are_stored(
    mask: np.ndarray, dtype: str
) -> None:
    voxels = np.arange(mask.size).reshape(mask.shape).astype(dtype)
    swapped = {"flair": np.asfortranarray(voxels).astype(np.dtype(dtype).newbyteorder())}
    one = fingerprint(Scan("a", {"flair": voxels}), mask)
    assert one == fingerprint(Scan("b", swapped, (5.0, 1.0, 1.0), in_mm=True), mask != 0)


@given(mask=MASKS)
def test_the_hash_sees_each_change_of_scan_and_mask(mask: np.ndarray) -> None:
    voxels = np.arange(mask.size, dtype=np.int16).reshape(mask.shape)
    scans = {"flair": voxels}, {"flair": voxels + 1}, {"flair": voxels, "post": voxels}
    flat = {"flair": voxels.reshape(1, 1, -1)}
    other = mask.copy()
    other[-1, -1, -1] = other[-1, -1, -1] == 0
    hashes = [fingerprint(Scan("a", sequences), mask).case for sequences in scans]
    hashes += [fingerprint(Scan("a", scans[0]), other).case]
    hashes += [fingerprint(Scan("a", {"flair": voxels.astype(np.int32)}), mask).case]
    if mask.shape[:2] != (1, 1):
        hashes += [fingerprint(Scan("a", flat), mask.reshape(1, 1, -1)).case]
    assert len(set(hashes)) == len(hashes)


def test_a_file_read_twice_has_one_hash_and_another_file_another(data: Path) -> None:
    hashes = [fingerprint(*pair.read()).case for pair in find_pairs(data).pairs for _ in range(2)]
    assert hashes[0::2] == hashes[1::2]
    assert len(set(hashes)) == 3
