"""Check the input: warn of a scan that is unlike those that the models learned from.

The limits lie outside of what the FLAIR of the 68 training patients of the LGG data set shows, given in
brackets; no other patient was looked at to choose them, but for those of the skewness of tissue.
"""

from __future__ import annotations

from typing import NamedTuple

from napari_tumor_unet._common import plural
from napari_tumor_unet.inference.image_features import ImageFeatures, measure_features
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.sequence_names import sequence_named

_LIGHTEST_AIR = 0.75  # of the way from the darkest to the brightest [0 to 0.03]
_HEAD = (0.08, 0.85)  # share of a slice [0.28 to 0.64]
_ROUNDEST_LEAST = 0.8  # [0.89 to 0.98]
_LEAST_CONTRAST = 0.06  # of the brain's value [0.14 to 0.72]
_LEAST_BONE = 1.3  # in a CT, where the brain is all but uniform
_HOUNSFIELD_AIR = (-1100.0, -900.0)
_HOUNSFIELD_BRAIN = (-50.0, 150.0)
_SHORTEST = 1.0  # front to back over side to side [1.08 to 1.42]
_LEAST_SYMMETRY = 0.87  # [0.91 to 0.99]
_WIDEST_FRONT = 1.03  # over the width behind [0.77 to 0.98]
_MOST_TRUNCATION = 0.35  # of a side of the image [0 to 0.21]
_LEAST_SKEWNESS = -0.1  # [-0.07 to 0.10]; T1 before contrast [-0.33 to -0.06], after it [-0.28 to -0.04]
_LEAST_NAMED = -0.15  # where the name says FLAIR: that is wrong less often than this sign
_LEAST_FAMILIAR = -0.075

_THICK, _TOO_THICK = 6.0, 10.0  # mm
_PIXEL = (0.2, 3.0)  # mm
_LENGTH = (100.0, 320.0)  # mm, of a head from front to back
_FEW = 3  # slices

NO_HEAD = "No head found against a dark background: is this a whole-head MRI?"
NO_HEAD_NO_MASK = f"{NO_HEAD} Nothing was found in it, so there is no mask."


class InputWarnings(NamedTuple):
    """Sentences, each with a reason and what to do.

    Attributes
    ----------
    image : tuple of str
        What the scan itself has noted, and what is wrong with how it looks.
    grid : tuple of str
        What the number of slices and the size of voxels may cost: of less weight than doubt of the mask.
    familiar : bool
        Whether the tissue looks as in the scans that models learned from: else no shortcut is taken.
    """

    image: tuple[str, ...]
    grid: tuple[str, ...]
    familiar: bool = True

    def around(self, doubts: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return all, each once and the gravest first, with doubts of the mask among them."""
        return tuple(dict.fromkeys(self.image + doubts + self.grid))


def warnings_of(scan: Scan) -> tuple[str, ...]:
    """List why the segmentation of a scan may not be worth much; empty where nothing speaks against it."""
    return check_input(scan).around()


def check_input(scan: Scan) -> InputWarnings:
    """Check whether the segmentation of a scan may be worth much.

    Eight slices of FLAIR are read.

    Parameters
    ----------
    scan : Scan

    Returns
    -------
    InputWarnings
    """
    features = measure_features(scan)
    if scan.modality not in ("", "MR"):
        warnings: tuple[str, ...] = (f"This is {scan.modality}, no MRI; choose a FLAIR image.",)
    else:
        warnings = _appearance(
            features,
            oriented=scan.geometry is not None and scan.geometry.oriented,
            named_flair=sequence_named(scan.name) == "flair",
        )
    familiar = not features.tissue_skewness < _LEAST_FAMILIAR
    return InputWarnings(scan.notes + warnings, _grid(scan, features), familiar)


def _appearance(features: ImageFeatures, *, oriented: bool, named_flair: bool) -> tuple[str, ...]:
    """Warn of how the scan looks; of reasons that follow from each other give the first alone."""
    if features.lightness > _LIGHTEST_AIR:
        return ("The image is inverted: the air is brighter than the head; invert its values.",)
    if _is_ct(features):
        return (
            "This looks like a CT: the brain is all but uniform and bone far brighter; choose a FLAIR image.",
        )
    if not _HEAD[0] < features.filled < _HEAD[1]:
        return (NO_HEAD,)
    if features.contrast < _LEAST_CONTRAST:
        return ("The head shows almost no contrast; is this an MRI?",)
    reasons = []
    misplaced = "" if oriented else _orientation(features)  # a file that knows has been turned already
    if misplaced:
        reasons.append(f"{misplaced}; slices have to be axial, with the front of the head up.")
    if features.truncation > _MOST_TRUNCATION:
        reasons.append(
            "The head is cut off at the edge of the image; the model has learned from whole heads."
        )
    least = _LEAST_NAMED if named_flair else _LEAST_SKEWNESS
    if not misplaced and features.tissue_skewness < least:
        reasons.append("This looks like T1, not FLAIR: white matter is brighter than grey; choose FLAIR.")
    return tuple(reasons)


def _is_ct(features: ImageFeatures) -> bool:
    (air_from, air_to), (brain_from, brain_to) = _HOUNSFIELD_AIR, _HOUNSFIELD_BRAIN
    in_hounsfield = air_from < features.air < air_to and brain_from < features.brain < brain_to
    return in_hounsfield or (0 < features.contrast < _LEAST_CONTRAST and features.bone > _LEAST_BONE)


def _orientation(features: ImageFeatures) -> str:
    """Say why the head seems to lie otherwise than it should; empty where it does not."""
    if features.length_mm < _SHORTEST * features.width_mm:
        return "The head is wider than long, so it is turned, or the slices are not axial"
    if features.symmetry < _LEAST_SYMMETRY:
        return "The left and right of the head differ, as in sagittal slices"
    if features.roundness < _ROUNDEST_LEAST:
        return "The head has not the oval shape of axial slices"
    if features.anterior_width_ratio > _WIDEST_FRONT:
        return "The head is wider in front than behind, as if it were upside down"
    return ""


def _grid(scan: Scan, features: ImageFeatures) -> tuple[str, ...]:
    """Warn of the number of slices and the size of voxels."""
    reasons = []
    depth = scan.shape[0]
    if depth < _FEW:
        slices = plural(depth, "slice")
        reasons.append(f"The scan has only {slices}; the model also looks above and below each.")
    if not scan.in_mm:
        return tuple(reasons)
    thick, *pixel = scan.spacing
    length = features.length_mm
    if length and not _LENGTH[0] < length < _LENGTH[1]:
        reasons.append(
            f"The head would be {length:,.{0 if length > 10 else 3}f} mm long; correct the voxel spacing, "
            "which may be in another unit."
        )
    elif not _PIXEL[0] <= min(pixel) <= max(pixel) <= _PIXEL[1]:
        reasons.append(
            f"Pixels of {pixel[0]:.3g} x {pixel[1]:.3g} mm are unlike those of a head's MRI; check the voxel "
            "spacing."
        )
    elif thick > _TOO_THICK:
        reasons.append(
            f"Slices are {thick:.3g} mm apart, too far to trust the volume; check the voxel spacing."
        )
    elif thick > _THICK:
        reasons.append(f"Slices are {thick:.3g} mm apart; small parts of a tumour may be missed.")
    return tuple(reasons)
