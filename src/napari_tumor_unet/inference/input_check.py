"""When not to trust a segmentation: what in a scan is unlike the scans that the models learned from.

The limits lie outside of what the FLAIR of the 68 training patients of the LGG data set shows, given in
brackets; no other patient was looked at to choose them.
"""

from __future__ import annotations

from napari_tumor_unet.inference.image_features import Looks, look
from napari_tumor_unet.scan import Scan

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
_MOST_CUT = 0.35  # of a side of the image [0 to 0.21]
_LEAST_LEAN = -0.1  # [-0.08 to 0.10]; T1 without contrast [-0.34 to -0.08], with contrast [-0.30 to -0.05]

_THICK, _TOO_THICK = 6.0, 10.0  # mm
_PIXEL = (0.2, 3.0)  # mm
_LENGTH = (100.0, 320.0)  # mm, of a head from front to back
_FEW = 3  # slices


def warnings_of(scan: Scan) -> tuple[str, ...]:
    """Why the segmentation of a scan may not be worth much; empty where nothing speaks against it.

    It looks at eight slices of FLAIR, and takes the time of those.

    Parameters
    ----------
    scan : Scan

    Returns
    -------
    tuple of str
        Sentences, each with a reason and what to do.
    """
    looks = look(scan)
    if scan.modality not in ("", "MR"):
        seen: tuple[str, ...] = (f"This is {scan.modality}, no MRI; choose a FLAIR image.",)
    else:
        seen = _appearance(looks, oriented=scan.geometry is not None and scan.geometry.oriented)
    return seen + _grid(scan, looks)


def _appearance(looks: Looks, *, oriented: bool) -> tuple[str, ...]:
    """What is to be seen; of what would follow from each other the first alone."""
    if looks.lightness > _LIGHTEST_AIR:
        return ("The image is inverted: the air is brighter than the head; invert its values.",)
    if _is_ct(looks):
        return (
            "This looks like a CT: the brain is all but uniform and bone far brighter; choose a FLAIR image.",
        )
    if not _HEAD[0] < looks.filled < _HEAD[1]:
        return ("No head stands out from dark air; is this an MRI of a whole head?",)
    if looks.contrast < _LEAST_CONTRAST:
        return ("The head shows almost no contrast; is this an MRI?",)
    found = []
    lies = "" if oriented else _lies(looks)  # a file that knows has been turned already
    if lies:
        found.append(f"{lies}; slices have to be axial, with the front of the head up.")
    if looks.cut > _MOST_CUT:
        found.append("The head is cut off at the edge of the image; the model has learned from whole heads.")
    if not lies and looks.lean < _LEAST_LEAN:
        found.append("This looks like T1, not FLAIR: white matter is brighter than grey; choose the FLAIR.")
    return tuple(found)


def _is_ct(looks: Looks) -> bool:
    (air_from, air_to), (brain_from, brain_to) = _HOUNSFIELD_AIR, _HOUNSFIELD_BRAIN
    in_hounsfield = air_from < looks.air < air_to and brain_from < looks.brain < brain_to
    return in_hounsfield or (0 < looks.contrast < _LEAST_CONTRAST and looks.bone > _LEAST_BONE)


def _lies(looks: Looks) -> str:
    """What shows that the head does not lie as it should."""
    if looks.length_mm < _SHORTEST * looks.width_mm:
        return "The head is wider than long, so it is turned, or the slices are not axial"
    if looks.symmetry < _LEAST_SYMMETRY:
        return "The left and right of the head differ, as in sagittal slices"
    if looks.roundness < _ROUNDEST_LEAST:
        return "The head has not the oval shape of axial slices"
    if looks.taper > _WIDEST_FRONT:
        return "The head is wider in front than behind, as if it were upside down"
    return ""


def _grid(scan: Scan, looks: Looks) -> tuple[str, ...]:
    """What the size of voxels and of the whole say."""
    found = []
    depth = scan.shape[0]
    if depth < _FEW:
        slices = "1 slice" if depth == 1 else f"{depth} slices"
        found.append(f"The scan has only {slices}; the model also looks above and below each.")
    if not scan.in_mm:
        return tuple(found)
    thick, *pixel = scan.spacing
    length = looks.length_mm
    if length and not _LENGTH[0] < length < _LENGTH[1]:
        found.append(
            f"The head would be {length:,.{0 if length > 10 else 3}f} mm long; correct the voxel spacing, "
            "which may be in another unit."
        )
    elif not _PIXEL[0] <= min(pixel) <= max(pixel) <= _PIXEL[1]:
        found.append(
            f"Pixels of {pixel[0]:.3g} x {pixel[1]:.3g} mm are unlike those of a head's MRI; check the voxel "
            "spacing."
        )
    elif thick > _TOO_THICK:
        found.append(
            f"Slices are {thick:.3g} mm apart, too far to trust the volume; check the voxel spacing."
        )
    elif thick > _THICK:
        found.append(f"Slices are {thick:.3g} mm apart; small parts of a tumour may be missed.")
    return tuple(found)
