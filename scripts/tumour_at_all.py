r"""Try to tell by the signs of a mask whether a scan has a tumour at all.

    python -m scripts.tumour_at_all DATA5 --split DATA5/split.csv --out signs.csv --folds 0 2 \
        --models "begun{}.safetensors" "cv{}.safetensors"

``DATA5`` and the models are those of ``scripts/cross_validate.py``. Each scan of a fold is segmented as it is
and, where the other side of the head is free of tumour, with the tumour painted over by that side: what is
marked then is false. A logistic regression of mean probability, contrast and volume tells the one from the
other, judged on patients that it was not fitted to; beside it, how often the limits of ``default`` warn. Rows
are added to ``signs.csv``; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import minimize
from scripts.cross_validate import COLUMNS, Done, added, arguments, figures_of, held_out

from napari_tumor_unet.model.card import read_card
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.head import find_midline

TUMOUR, PAINTED, FREE = "tumour", "painted over", "no tumour"
LGG_VOXEL_ML = 0.0044  # 0.94 x 0.94 x 5 mm: the files do not tell
MARGIN = 6  # pixels around a tumour that are painted over, too
CUTS = (0.05, 0.1, 0.2)


def main() -> None:
    """Segment, and print how well false masks are told from tumours."""
    given = arguments(__doc__)
    rows = added(given.out, lambda done: score(given, done))
    show([row for row in rows if row["mean_probability"]])


def score(given: argparse.Namespace, done: Done) -> Iterator[dict[str, object]]:
    """Yield the signs of the masks of scans, of each with all sequences and with FLAIR alone."""
    for fold, model, case in held_out(given):
        scan, reference = case.read()
        for group, one in kinds_of(scan, reference).items():
            for what in (one, one.flair_alone()) if len(one.sequences) > 1 else (one,):
                if (case.name, group, str(len(what.sequences))) not in done:
                    known = {"scan": case.name, "fold": fold, "group": group}
                    truth = reference if group == TUMOUR else None
                    yield known | figures_of(what, model, truth, LGG_VOXEL_ML)


def kinds_of(scan: Scan, tumour: NDArray[np.bool_]) -> dict[str, Scan]:
    """Return a scan by its group, and with the tumour painted over where that can be."""
    kinds = {TUMOUR if tumour.any() else FREE: scan}
    if (painted := paint_over(scan, tumour)) is not None:
        kinds[PAINTED] = painted
    return kinds


def paint_over(scan: Scan, tumour: NDArray[np.bool_]) -> Scan | None:
    """Put the other side of the head where a tumour is; None where there is none, or it crosses over."""
    volumes = {name: np.asarray(volume, np.float32) for name, volume in scan.sequences.items()}
    midline = find_midline(volumes["flair"])
    if midline is None or not tumour.any():
        return None
    columns = np.round(2 * midline[0] - np.arange(tumour.shape[2])).astype(int)
    columns = columns.clip(0, tumour.shape[2] - 1)
    wide = ndimage.binary_dilation(tumour, np.ones((3, 2 * MARGIN + 1, 2 * MARGIN + 1), bool))
    if (wide[:, :, columns] & tumour).any():
        return None
    share = ndimage.gaussian_filter(wide.astype(np.float32), (0, MARGIN / 3, MARGIN / 3))
    painted = {name: v * (1 - share) + v[:, :, columns] * share for name, v in volumes.items()}
    return replace(scan, sequences=painted)


def show(rows: list[dict[str, str]]) -> None:
    """Print how many false masks over 1 ml, and how many tumours, the answer "nothing found" would take."""
    signs = np.array([[float(row[name]) for name in COLUMNS[-3:]] for row in rows])
    signs[:, 0] = np.log10(np.maximum(signs[:, 0], 0.01))
    signs = np.nan_to_num(signs)
    tumour = np.array([row["group"] == TUMOUR for row in rows])
    patients = np.array([row["scan"] for row in rows])
    chance = np.zeros(len(rows))
    for patient in set(patients):
        others = patients != patient
        chance[~others] = fitted(signs[others], tumour[others])(signs[~others])
    false = ~tumour & (signs[:, 0] > 0)
    print(f"tumours {tumour.sum()}, false masks over 1 ml {false.sum()}, patients {len(set(patients))}")
    for name, value in (("all signs", chance), *zip(("volume", *COLUMNS[-2:]), signs.T, strict=True)):
        print(f"{name}: area under the curve {area(value[tumour], value[false]):.3f}")
    for cut in CUTS:
        gone = chance < cut
        print(f"under {cut}: {(gone & false).sum()} false masks, {(gone & tumour).sum()} tumours")
    limits = read_card(find_model("default")).doubtful_under
    assert limits is not None
    warned = (signs[:, 1] < limits.mean_probability) | (signs[:, 2] < limits.contrast)
    print(f"warned of: {(warned & false).sum()} false masks, {(warned & tumour).sum()} tumours")
    for low in np.arange(0, 1, 0.2):
        here = (chance >= low) & (chance < low + 0.2)
        said = f"{chance[here].mean():.2f}" if here.any() else "-"
        print(f"said {said}: {tumour[here].sum()} of {here.sum()} are tumours")


def area(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """Return the area under the curve by which values that should be high are told from low ones."""
    above, same = high[:, None] > low[None], high[:, None] == low[None]
    return float((above + same / 2).mean())


def fitted(
    signs: NDArray[np.float64], tumour: NDArray[np.bool_]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Fit a logistic regression, both classes weighing the same, and return what it says of others."""
    mean, spread = signs.mean(axis=0), signs.std(axis=0)
    weight = np.where(tumour, 1 / tumour.sum(), 1 / (~tumour).sum()) * len(tumour) / 2

    def logits(those: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
        return (those - mean) / spread @ factors[1:] + factors[0]

    def loss(factors: NDArray[np.float64]) -> float:
        away = np.logaddexp(0, np.where(tumour, -1, 1) * logits(signs, factors))
        return float((weight * away).sum() + 0.05 * (factors[1:] ** 2).sum())

    best = minimize(loss, np.zeros(signs.shape[1] + 1)).x
    return lambda those: 1 / (1 + np.exp(-logits(those, best)))


if __name__ == "__main__":
    main()
