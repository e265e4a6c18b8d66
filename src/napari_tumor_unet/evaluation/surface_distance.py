"""Distances between the surfaces of two masks, by MONAI."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray

from napari_tumor_unet.inference.regions import box_around


@dataclass(frozen=True)
class SurfaceDistances:
    """Between the surfaces of two masks, in the unit of the spacing.

    Attributes
    ----------
    hausdorff95 : float
        The larger of the 95th percentiles of the distances from each surface to the other.
    average : float
        Mean distance from either surface to the other (average symmetric surface distance).
    dice : float
        Share of both surfaces that lies within the tolerance of the other.
    """

    hausdorff95: float
    average: float
    dice: float


def surface_distances(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    tolerance: float,
) -> SurfaceDistances:
    """Measure two masks, neither of them empty.

    The surface of a mask is made of its voxels that have a face in common with the background, or lie at
    the border of the grid. In a volume of one slice these are the voxels along its outline.

    Parameters
    ----------
    prediction, reference : array of bool
        (Y, X) or (Z, Y, X).
    spacing : sequence of float
        Distance between voxels along each axis.
    tolerance : float
        For the surface Dice; Nikolov et al., "Clinically applicable segmentation of head and neck
        anatomy", JMIR 23(7), 2021.
    """
    if reference.ndim == 3 and len(reference) == 1:
        prediction, reference, spacing = prediction[0], reference[0], spacing[1:]
    box = box_around(prediction | reference)
    # A background around them: what was cut at the box, or at the grid's border, has a surface there.
    masks = [torch.from_numpy(np.pad(m[box], 1))[None, None] for m in (prediction, reference)]
    options = {"include_background": True, "spacing": [float(s) for s in spacing]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "monai.metrics.utils", FutureWarning)  # MONAI's, of itself
        return SurfaceDistances(
            compute_hausdorff_distance(*masks, percentile=95, **options).item(),
            compute_average_surface_distance(*masks, symmetric=True, **options).item(),
            compute_surface_dice(*masks, class_thresholds=[tolerance], **options).item(),
        )
