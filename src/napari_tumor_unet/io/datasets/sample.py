"""The scan that comes with the project, made by scripts/make_sample.py: no patient's."""

from __future__ import annotations

from pathlib import Path

NAME = "sample_brain"


def sample_scan() -> Path:
    """Return the path of the sample scan; its true mask lies beside it, as ``sample_brain_mask.tif``.

    In a wheel the folder lies in the package, in a checkout at the top.
    """
    package = Path(__file__).parents[2]
    folders = (package / "sample_data", package.parents[1] / "sample_data")
    return next(folder for folder in folders if folder.is_dir()) / f"{NAME}.tif"


def sample_mask() -> Path:
    """Return the path of the sample's true mask."""
    return sample_scan().with_name(f"{NAME}_mask.tif")
