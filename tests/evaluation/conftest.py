"""Masks that several modules of tests compare."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def ball() -> np.ndarray:
    """Voxels of label 2 in a volume, nearer to one corner, and a lone one of label 1 at the border."""
    z, y, x = np.ogrid[:8, :20, :24]
    labels = np.where((2 * (z - 3)) ** 2 + (y - 8) ** 2 + (x - 13) ** 2 < 30, np.uint8(2), np.uint8(0))
    labels[7, 0, 23] = 1
    return labels
