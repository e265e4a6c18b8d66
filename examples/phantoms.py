"""Heads with tumours that no patient has, written as the LGG data set is: for trying the workflow out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray


def write_phantoms(folder: Path, patients: int = 15, slices: int = 8, size: int = 64) -> None:
    """Write ``folder/<patient>/<patient>_<n>.tif``, three sequences, and ``<patient>_<n>_mask.tif``."""
    for i in range(patients):
        patient = f"phantom_{i + 1:02}"
        (folder / patient).mkdir(parents=True, exist_ok=True)
        for n, (pixels, mask) in enumerate(zip(*make_phantom(slices, size, seed=i), strict=True), start=1):
            tifffile.imwrite(folder / patient / f"{patient}_{n}.tif", pixels, photometric="rgb")
            tifffile.imwrite(folder / patient / f"{patient}_{n}_mask.tif", mask)


def make_phantom(slices: int, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One head: pre, FLAIR and post (Z, Y, X, 3), and the mask of its tumour (Z, Y, X), 0 and 255."""
    chance = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (slices, size, size)), indexing="ij")
    radius = np.sqrt((0.6 * z) ** 2 + (y / 0.85) ** 2 + (x / 0.7) ** 2)
    head, brain = radius < 1, radius < 0.85
    ventricles = (z / 0.6) ** 2 + (y / 0.3) ** 2 + ((np.abs(x) - 0.1) / 0.06) ** 2 < 1
    angle, distance, width = chance.uniform((0, 0.25, 0.12), (2 * np.pi, 0.45, 0.3))
    place = chance.uniform(-0.3, 0.3), distance * np.sin(angle), distance * np.cos(angle)
    ripple = 1 + 0.2 * np.sin(4 * np.arctan2(y - place[1], x - place[2]) + angle)
    away = sum(((a - at) / r) ** 2 for a, at, r in zip((z, y, x), place, (0.5, width, width), strict=True))
    tumour = (away < ripple) & brain
    # Scalp, brain, ventricles, tumour: T1 before contrast, FLAIR, T1 after contrast.
    levels = np.array([(150, 120, 150), (90, 80, 95), (25, 20, 25), (65, 150, 110)], np.float64)
    tissue = np.select([tumour, ventricles & brain, brain], [3, 2, 1], 0)
    signal = levels[tissue] * head[..., None] * chance.uniform(0.8, 1.2)
    noisy = signal + chance.normal(8, 5, signal.shape)
    return noisy.clip(0, 255).astype(np.uint8), 255 * tumour.astype(np.uint8)
