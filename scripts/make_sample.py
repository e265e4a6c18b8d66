"""Make the sample scan: a head with a tumour in three sequences, and the tumour's true mask.

    python -m pip install --group sample
    python scripts/make_sample.py

The anatomy is the ICBM152 average brain (T1, grey and white matter maps) that nilearn carries; skull and
scalp are drawn around it, FLAIR and contrast are modelled from the tissue maps, and the tumour is drawn
into it. No patient's data is in it. Deterministic for the versions pinned in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
from numpy.typing import NDArray
from scipy import ndimage

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"
NAME = "sample_brain"
SPACING = (5.0, 0.9375, 0.9375)  # mm; a 240 mm field of view in 256 pixels
SLICES, SIZE = 26, 256
CENTRE = (118.0, 104.0, 152.0)  # of the tumour, in voxels of the 1 mm volume (z, y, x)
Volume = NDArray[np.float64]


def main() -> None:
    """Make both files."""
    random = np.random.default_rng(20)
    t1, grey, white = _anatomy()
    t1, grey, white = (_mass_effect(v) for v in (t1, grey, white))
    tumour, oedema, core = _tumour(grey, white, random)
    sequences = _sequences(t1, grey, white, tumour, oedema, core, random)
    voxels = np.stack([_scanner(sequence, random) for sequence in sequences], axis=1)
    mask = _largest(_slices(np.maximum(tumour, oedema)) > 0.5).astype(np.uint8)
    FOLDER.mkdir(exist_ok=True)
    resolution = (1 / SPACING[2], 1 / SPACING[1])
    for name, array, axes in ((NAME, voxels, "ZCYX"), (f"{NAME}_mask", mask, "ZYX")):
        tifffile.imwrite(
            FOLDER / f"{name}.tif",
            array,
            imagej=True,
            resolution=resolution,
            metadata={"axes": axes, "spacing": SPACING[0], "unit": "mm"},
            compression="zlib",
            compressionargs={"level": 9},
            datetime=False,
        )
    print(f"{NAME}: {voxels.shape}, tumour {mask.sum() * np.prod(SPACING) / 1000:.1f} ml")


def _anatomy() -> tuple[Volume, Volume, Volume]:
    """T1, grey and white matter, 1 mm, axes (z, y, x) towards superior, posterior, left."""
    volumes = []
    for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template):
        data = np.asarray(load(resolution=1).dataobj, float)
        lps = data.transpose(2, 1, 0)[:, ::-1, ::-1]
        volumes.append(np.pad(lps, ((24, 24), (24, 24), (32, 32))))
    return volumes[0], volumes[1], volumes[2]


def _noise(shape: tuple[int, ...], smoothness: float, random: np.random.Generator) -> Volume:
    """Smooth noise of standard deviation 1."""
    noise = ndimage.gaussian_filter(random.standard_normal(shape), smoothness, mode="wrap")
    return noise / noise.std()


def _distance_from_centre(shape: tuple[int, ...]) -> Volume:
    grid = np.indices(shape, sparse=True)
    return np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, CENTRE, strict=True)))


def _tumour(grey: Volume, white: Volume, random: np.random.Generator) -> tuple[Volume, Volume, Volume]:
    """Share of tumour, oedema and necrotic core in every voxel."""
    r = _distance_from_centre(grey.shape)
    rough = 2.6 * _noise(grey.shape, 5, random) + 1.3 * _noise(grey.shape, 2.5, random)
    tissue = (1.3 * ndimage.gaussian_filter(grey + white, 0.7)).clip(0, 1)
    # Oedema runs along the white matter, and stays on its side of the falx.
    reach = 19 + 13 * ndimage.gaussian_filter(white, 3)
    side = _soft(np.arange(grey.shape[2]) - grey.shape[2] / 2 - 3.0)
    oedema = _soft(reach + 1.6 * rough - r) * tissue * side
    return _soft(17 + rough - r) * tissue, oedema, _soft(8 + 0.8 * rough - r)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected region: crumbs at the border are no tumour."""
    regions, _ = ndimage.label(mask)
    return regions == np.bincount(regions.ravel())[1:].argmax() + 1


def _soft(inside: Volume) -> Volume:
    """0 to 1 over about 2 mm, for a signed distance in mm."""
    return 1 / (1 + np.exp(-2.2 * inside.clip(-10, 10)))


def _mass_effect(volume: Volume) -> Volume:
    """Tissue pushed away from the tumour, by up to 5 mm."""
    r = _distance_from_centre(volume.shape)
    push = 5 * (r / 18) * np.exp(0.5 - 0.5 * (r / 18) ** 2) / np.maximum(r, 1)
    grid = np.indices(volume.shape, sparse=True)
    source = [g - push * (g - c) for g, c in zip(grid, CENTRE, strict=True)]
    return ndimage.map_coordinates(volume, source, order=1)


def _sequences(
    t1: Volume,
    grey: Volume,
    white: Volume,
    tumour: Volume,
    oedema: Volume,
    core: Volume,
    random: np.random.Generator,
) -> tuple[Volume, Volume, Volume]:
    """Signal of T1 before contrast, FLAIR and T1 after contrast; 1 is about the brightest brain."""
    brain = ndimage.binary_fill_holes(t1 > 0.05)
    texture = 1 + 0.025 * _noise(t1.shape, 1.2, random)
    # The average of 152 brains is smooth; steeper tissue borders look like one brain's.
    grey, white = (np.clip(1.5 * v - 0.2, 0, 1) for v in (grey, white))
    flair = (0.52 * grey + 0.36 * white + 0.07 * brain) * texture
    plain = np.clip(1.9 * t1 - 0.85, 0, 1) * 0.62 * brain * texture
    post = plain * 1.02

    # Below, the brain is in parts; the head around it is not.
    disk = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 24)
    head = np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(s, disk)) for s in brain])
    between = ndimage.gaussian_filter(
        (head & ~ndimage.binary_dilation(brain, iterations=4)).astype(float), 1.5
    )
    muscle = between * (1 + 0.3 * _noise(t1.shape, 3, random))
    plain, flair, post = plain + 0.28 * muscle, flair + 0.24 * muscle, post + 0.33 * muscle

    outside = ndimage.distance_transform_edt(~head)
    uneven = 1.1 * _noise(t1.shape, 12, random)
    skull_in, skull_out, skin = 2.0, 8.5 + uneven, 14.5 + 1.8 * uneven
    bone = (outside > skull_in) & (outside <= skull_out)
    marrow = bone & (abs(outside - (skull_in + skull_out) / 2) < 1.4)
    scalp = (outside > skull_out) & (outside <= skin)
    fat = scalp & (outside <= skin - 2)
    shells = (
        (bone, 0.07, 0.06, 0.08),
        (marrow, 0.30, 0.20, 0.31),
        (scalp, 0.34, 0.30, 0.40),
        (fat, 0.82, 0.62, 0.84),
    )
    for where, in_plain, in_flair, in_post in shells:
        soft = ndimage.gaussian_filter(where.astype(float), 0.7) * (1 + 0.08 * _noise(t1.shape, 2, random))
        inside = soft.clip(0, 1)
        plain, flair, post = (
            signal * (1 - inside) + level * inside
            for signal, level in ((plain, in_plain), (flair, in_flair), (post, in_post))
        )
    # Contrast: the dura, and the sagittal sinus under the vertex and behind.
    middle = abs(np.arange(t1.shape[2]) - t1.shape[2] / 2) < 4
    dura = (outside > 0.5) & (outside <= 2.0)
    sinus = (outside > 0) & (outside <= 5.0) & middle
    post = np.maximum(post, 0.42 * ndimage.gaussian_filter(dura.astype(float), 0.6))
    post = np.maximum(post, 0.95 * ndimage.gaussian_filter(sinus.astype(float), 0.8))

    mottled = 1 + 0.07 * _noise(t1.shape, 2.5, random)
    flair = flair * (1 - oedema) + 0.78 * mottled * oedema
    flair = flair * (1 - tumour) + 0.88 * mottled * tumour
    flair = flair * (1 - core) + 0.5 * mottled * core
    for signal, depth in ((plain, 0.3), (post, 0.3)):
        signal *= 1 - depth * oedema
        signal *= 1 - 0.25 * tumour
        signal *= 1 - 0.45 * core
    ring = (tumour - core) * (0.75 + 0.35 * _noise(t1.shape, 3, random)).clip(0.1, 1)
    post = post * (1 - ring) + 0.98 * ring
    return plain, flair, post


def _scanner(signal: Volume, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return what a scanner makes of it: thick slices, a coil's uneven field, noise, 8 bits."""
    image = _slices(ndimage.gaussian_filter(signal, (0, 0.45, 0.45)))
    field = ndimage.zoom(
        random.uniform(0.86, 1.14, (3, 4, 4)),
        [n / m for n, m in zip(image.shape, (3, 4, 4), strict=True)],
        order=3,
    )
    image = image * field
    noisy = np.hypot(image + random.normal(0, 0.014, image.shape), random.normal(0, 0.014, image.shape))
    return np.round(noisy.clip(0, 1.25) * 200).astype(np.uint8)


def _slices(volume: Volume) -> Volume:
    """Slices 5 mm apart, each the mean over 4 mm, in pixels of 0.9375 mm, around the head's middle."""
    slabs = ndimage.uniform_filter1d(volume, 4, axis=0)
    z = 38 + SPACING[0] * np.arange(SLICES)
    y = volume.shape[1] / 2 + SPACING[1] * (np.arange(SIZE) - SIZE / 2)
    x = volume.shape[2] / 2 + SPACING[2] * (np.arange(SIZE) - SIZE / 2)
    grid = np.meshgrid(z, y, x, indexing="ij")
    return ndimage.map_coordinates(slabs, grid, order=1, cval=0.0)


if __name__ == "__main__":
    main()
