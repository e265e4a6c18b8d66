r"""Tell how well each of some signs of a mask tells a tumour from a false mask, FLAIR alone.

    python -m scripts.mask_signs DATA5 --split DATA5/split.csv --out mask_signs.csv --folds 2 3 4 \
        --models "begun{}.safetensors" "cv{}.safetensors"

``DATA5`` and the models are those of ``scripts/cross_validate.py``. Each scan of a fold is segmented as it is
and, where the other side of the head is free of tumour, with the tumour painted over by that side. A sign is
judged by the area under its curve, of masks of tumours and of false ones; nothing is fitted. Rows
are added to ``mask_signs.csv``; stopped, the same command goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scripts.cross_validate import Done, added, arguments, held_out
from scripts.tumour_at_all import LGG_VOXEL_ML, TUMOUR, area, kinds_of

from napari_tumor_unet._common import drain
from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.inference.result_check import signs_of
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.head import fill_planes, find_head, find_midline

SIGNS = {
    "ml": "volume",
    "mean_probability": "mean probability",
    "contrast": "contrast to the other side",
    "one_sided": "no overlap with its own mirror image",
    "deep": "depth in the head, not along the cortex",
    "high": "height in the head, not in the cerebellum",
    "stable": "Dice to the mask of the scan shaded by 15 %",
}
COLUMNS = ("scan", "fold", "group", "sequences", *SIGNS)


def main() -> None:
    """Segment, and print the areas."""
    given = arguments(__doc__)

    def score(done: Done) -> Iterator[dict[str, object]]:
        for fold, model, case in held_out(given):
            scan, reference = case.read()
            for group, one in kinds_of(scan.flair_alone(), reference).items():
                if (case.name, group, "1") not in done:
                    known = {"scan": case.name, "fold": fold, "group": group, "sequences": 1}
                    yield known | signs(one, model)

    show([row for row in added(given.out, score, COLUMNS) if row["mean_probability"]])


def signs(scan: Scan, model: Model) -> dict[str, object]:
    """Segment a scan, and measure the mask; nothing of an empty one."""
    result = drain(run(scan, model))
    known = signs_of(scan, result.probability, result.mask)
    if known is None:
        return dict.fromkeys(SIGNS, "")
    mask, flair = result.mask > 0, np.asarray(scan.sequences["flair"], np.float32)
    head = fill_planes(find_head(flair))
    depth = np.stack([ndimage.distance_transform_edt(plane) for plane in head])
    levels = np.flatnonzero(head.any(axis=(1, 2)))
    midline = find_midline(flair)
    return {
        "ml": np.count_nonzero(mask) * (scan.voxel_ml or LGG_VOXEL_ML),
        "mean_probability": known.mean_probability,
        "contrast": known.contrast,
        "one_sided": "" if midline is None else -dice(mask, mirrored(mask, midline[0])),
        "deep": float(np.median(depth[mask]) / depth.max()),
        "high": float((np.nonzero(mask)[0].mean() - levels[0]) / max(1, levels[-1] - levels[0])),
        "stable": dice(mask, drain(run(shaded(scan), model)).mask > 0),
    }


def mirrored(mask: NDArray[np.bool_], column: float) -> NDArray[np.bool_]:
    """Return the mirror image of a mask (Z, Y, X) about a column."""
    opposite = np.round(2 * column - np.arange(mask.shape[2])).astype(int)
    inside = (opposite >= 0) & (opposite < mask.shape[2])
    return np.where(inside, mask[:, :, opposite.clip(0, mask.shape[2] - 1)], False)


def shaded(scan: Scan) -> Scan:
    """Brighten FLAIR towards one corner, by 15 % from side to side and from front to back."""
    flair = np.asarray(scan.sequences["flair"], np.float32)
    y, x = (np.linspace(-0.075, 0.075, n) for n in flair.shape[1:])
    return replace(scan, sequences={"flair": flair * ((1 + y[:, None]) * (1 + x))})


def show(rows: list[dict[str, str]]) -> None:
    """Print the area under the curve of each sign."""
    tumours = [row for row in rows if row["group"] == TUMOUR]
    false = [row for row in rows if row["group"] != TUMOUR]
    print(f"tumours {len(tumours)}, false masks {len(false)}")
    for name, what in SIGNS.items():
        one, other = (
            np.array([float(row[name]) for row in those if row[name] not in ("", "nan")])
            for those in (tumours, false)
        )
        print(f"| {what} | {len(one)}, {len(other)} | {area(one, other):.3f} |")


if __name__ == "__main__":
    main()
