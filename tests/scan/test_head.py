from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_tumor_unet.scan.head import open_planes


@given(mask=arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))))
def test_planes_are_opened_as_scipy_does(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(open_planes(mask), ndimage.binary_opening(mask, np.ones((1, 3, 3))))
