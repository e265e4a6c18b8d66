"""Lesion-wise Dice, as the BraTS challenges define it since 2023.

Lesions
    Voxels of the reference that are in one component of the reference after dilation: by 3 steps, in each of
    which a voxel reaches those that share a face or an edge with it.
Matches
    A connected part of the prediction belongs to each lesion that it touches when the lesion is dilated by as
    much. Components are connected by faces, edges or corners.
Dice
    Of each lesion with all that was matched with it, 0 where nothing was. Lesions of 50 mm3 or less do not
    count, but what is matched with them is not false.
Score
    The sum of these, over the number of lesions that count and of parts of the prediction that belong to
    none. Where there is neither it is 1.

The steps are voxels, as in the challenge's own code, whose scans have voxels of 1 mm.

References
----------
Saluja et al., "BraTS 2023 lesion-wise performance metrics", code and rules of the challenge, with the
parameters of its task on adult glioma, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.regions import label_regions

_STEPS = 3
_SMALLEST = 50.0  # mm3; voxels where their size is not known


def lesion_wise_dice(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], voxel_mm3: float = 1.0
) -> float:
    """Compare two masks lesion by lesion.

    Parameters
    ----------
    prediction, reference : array of bool
        (Y, X) or (Z, Y, X).
    voxel_mm3 : float
        Volume of a voxel.

    Examples
    --------
    Two lesions, of which one is found, and something else:

    >>> reference, prediction = np.zeros((2, 60, 60), bool)
    >>> reference[5:15, 5:15] = reference[40:50, 5:15] = True
    >>> prediction[5:15, 5:15] = prediction[5:15, 40:50] = True
    >>> round(lesion_wise_dice(prediction, reference), 3)
    0.333
    """
    parts, n = label_regions(prediction)
    voxels = np.bincount(parts.ravel(), minlength=n + 1)
    matched: set[int] = set()
    scores = []
    for lesion, near, part in _lesions(reference, parts):
        hits = np.unique(part[near])
        hits = hits[hits > 0]
        matched.update(hits.tolist())
        size = int(np.count_nonzero(lesion))
        if size * voxel_mm3 > _SMALLEST:
            both = np.count_nonzero(np.isin(part[lesion], hits))
            scores.append(2 * both / (size + int(voxels[hits].sum())))
    judged = len(scores) + n - len(matched)
    return float(sum(scores) / judged) if judged else 1.0


def _lesions(
    reference: NDArray[np.bool_], parts: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int32]]]:
    """Yield each lesion, the lesion dilated, and the parts of the prediction, in a box around it."""
    from scipy import ndimage  # as in label_regions

    lesions = label_regions(_dilate(reference))[0] * reference
    for number, box in enumerate(ndimage.find_objects(lesions), 1):
        wide = tuple(slice(max(0, side.start - _STEPS), side.stop + _STEPS) for side in box)
        lesion = lesions[wide] == number
        yield lesion, _dilate(lesion), parts[wide]


def _dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    step = ndimage.generate_binary_structure(mask.ndim, 2)
    grown: NDArray[np.bool_] = ndimage.binary_dilation(mask, step, iterations=_STEPS)
    return grown
