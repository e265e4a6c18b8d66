"""The probability that a mask came from, as a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from napari.utils import Colormap

from napari_tumor_unet.plugin.layers.looks import show_outline
from napari_tumor_unet.plugin.layers.metadata import MASK_OF, mask_metadata
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM

if TYPE_CHECKING:
    from napari import Viewer

# What is surely tumour, or surely none, hides nothing. As viridis, dark to bright.
_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
_BANDS = ("#00000000", "#414487", "#2a788e", "#22a884", "#7ad151", "#00000000")


def add_probability(viewer: Viewer, mask: Labels) -> None:
    """Add the probability as an image layer under the mask, from 0 to 1, shown from 0.1 to 0.9.

    Parameters
    ----------
    viewer : Viewer
    mask : Labels
        One of which :func:`~napari_tumor_unet.plugin.layers.metadata.has_result` is true; it becomes an
        outline, and stays active if it is.
    """
    metadata, active = mask_metadata(mask), viewer.layers.selection.active
    data = np.zeros(mask.data.shape, np.float32)
    volume = metadata.place.volume(data)
    for z, plane in enumerate(metadata.probability):
        volume[z] = plane / np.float32(255)
    layer = Image(
        data,
        rgb=False,  # napari takes three or four columns for colours
        name=f"{metadata.scan} probability",
        colormap=Colormap(_BANDS, "doubt", interpolation="zero", controls=_EDGES),
        blending="translucent",
        opacity=0.7,
        contrast_limits=(0, 1),
        metadata={MASK_OF: str(mask.unique_id)},
        **{name: getattr(mask, name) for name in (*TRANSFORM, "axis_labels")},
    )
    viewer.layers.insert(viewer.layers.index(mask), layer)
    show_outline(mask)
    viewer.layers.selection.active = active if active is not None and active.visible else mask
