r"""Score the models of a cross-validation, each on the scans of the fold that it did not see.

    python scripts/gather_scans.py DATA5 --folds 5 --lgg VOLUMES --split docs/lgg_split.csv \
        --gliomas GLIOMAS --no-tumour NO_TUMOUR
    napari-tumor-unet train DATA5 --recipe default --split DATA5/split.csv --fold 1 --out begun1.safetensors
    napari-tumor-unet train DATA5 --recipe robust --start begun1.safetensors \
        --split DATA5/split.csv --fold 1 --out cv1.safetensors
    python -m scripts.cross_validate DATA5 --split DATA5/split.csv --folds 1 --out folds.csv \
        --models "begun{}.safetensors" "cv{}.safetensors"

Of several models the weights are averaged, as those of the bundled one are. Each scan is segmented with all
its sequences and, if it has more than one, with FLAIR alone; ``folds.csv`` gets a row each: Dice to the
reference, or the false volume where there is no tumour, and the signs by which a mask is doubted. Stopped,
the same command goes on.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np
from numpy.typing import NDArray
from scripts.bundle_model import mean_of

from napari_tumor_unet._common import drain
from napari_tumor_unet.evaluation.overlap import overlap, statistics
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.inference.result_check import signs_of
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.split import plan_training
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import Scan

FOLDS = 5
COLUMNS = ("scan", "fold", "group", "sequences", "dice", "ml", "mean_probability", "contrast")
Done = set[tuple[str, str, str]]
"""Of rows that a table has: scan, group and number of sequences."""


def main() -> None:
    """Segment, score, and print the figures of each group of scans."""
    given = arguments(__doc__)
    show(added(given.out, lambda done: score(given, done)))


def arguments(about: str) -> argparse.Namespace:
    """Read which models of which folds are to be scored."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--models", nargs="+", required=True, help="files, {} for the number of the fold")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, nargs="+", default=range(FOLDS))
    return parser.parse_args()


def held_out(given: argparse.Namespace) -> Iterator[tuple[int, Model, Case]]:
    """Yield the scans of each fold, with the model that did not see them."""
    for fold in given.folds:
        model = mean_of([load_model(name.format(fold)) for name in given.models])
        for case in plan_training(given.data, given.split, fold).held_out:
            yield fold, model, case


def added(
    out: Path, score: Callable[[Done], Iterator[dict[str, object]]], columns: Sequence[str] = COLUMNS
) -> list[dict[str, str]]:
    """Add rows to a table as they come, given those that are in it, and return all."""
    rows = list(csv.DictReader(out.open())) if out.exists() else []
    if rows and list(rows[0]) != [*columns]:
        sys.exit(f"{out.name} is another table.")
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if not rows:
            writer.writeheader()
        for row in score({(row["scan"], row["group"], row["sequences"]) for row in rows}):
            writer.writerow(row)
            file.flush()
            rows.append({name: str(value) for name, value in row.items()})
    return rows


def score(given: argparse.Namespace, done: Done) -> Iterator[dict[str, object]]:
    """Yield the rows of the scans that are not done."""
    for fold, model, case in held_out(given):
        scan, reference = case.read()
        tumour = bool(reference.any())
        group = "no tumour" if not tumour else "LGG" if case.name.startswith("TCGA") else "glioma"
        for what in (scan, scan.flair_alone()) if len(scan.sequences) > 1 else (scan,):
            if (case.name, group, str(len(what.sequences))) not in done:
                known = {"scan": case.name, "fold": fold, "group": group}
                yield known | figures_of(what, model, reference if tumour else None)


def figures_of(
    scan: Scan, model: Model, reference: NDArray[np.bool_] | None, voxel_ml: float | None = None
) -> dict[str, object]:
    """Segment a scan; return Dice to a reference, the volume, and the signs of the mask."""
    result = drain(run(scan, model))
    signs = signs_of(scan, result.probability, result.mask)
    ml = scan.voxel_ml or voxel_ml
    return {
        "sequences": len(scan.sequences),
        "dice": "" if reference is None else overlap(result.mask > 0, reference).dice,
        "ml": "" if ml is None else np.count_nonzero(result.mask) * ml,
        "mean_probability": "" if signs is None else signs.mean_probability,
        "contrast": "" if signs is None else signs.contrast,
    }


def show(rows: list[dict[str, str]]) -> None:
    """Print Dice of each group, and the false volumes."""
    print("| scans | sequences | n | mean | SD | median | quartiles | lowest | by fold |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for group in ("LGG", "glioma"):
        for alone in (False, True):
            one = [row for row in rows if row["group"] == group and (row["sequences"] == "1") == alone]
            dice = statistics([float(row["dice"]) for row in one])
            folds = [
                np.mean([float(row["dice"]) for row in one if row["fold"] == fold])
                for fold in sorted({row["fold"] for row in one})
            ]
            print(
                f"| {group} | {'FLAIR alone' if alone else 'all'} | {len(one)} | {dice.mean:.3f} | "
                f"{dice.standard_deviation:.3f} | {dice.median:.3f} | {dice.lower_quartile:.3f} to "
                f"{dice.upper_quartile:.3f} | {dice.lowest:.3f} | {', '.join(f'{f:.3f}' for f in folds)} |"
            )
    false = sorted((float(row["ml"]) for row in rows if row["group"] == "no tumour"), reverse=True)
    print("no tumour, ml:", ", ".join(f"{ml:.1f}" for ml in false))


if __name__ == "__main__":
    main()
