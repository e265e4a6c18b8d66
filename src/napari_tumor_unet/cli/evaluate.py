"""``napari-tumor-unet evaluate``: score a model on scans whose masks are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_tumor_unet._common import plural
from napari_tumor_unet._text import UNDEFINED, defined, signed
from napari_tumor_unet.cli.cohort import ClusterOption, Workers, engine_of, stoppable
from napari_tumor_unet.cli.console import command, complain, err, fail, out, print_left_out, table
from napari_tumor_unet.cli.options import (
    AsJson,
    Device,
    DeviceOption,
    FlairAlone,
    ModelOption,
    Spacing,
    as_path,
)

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.overlap import Statistics
    from napari_tumor_unet.evaluation.scan_score import ScanScore, Summary
    from napari_tumor_unet.io.datasets.pairs import Case
    from napari_tumor_unet.model.model_file import Model

_DEFINITIONS = """\
per volume: Dice and IoU of each scan's whole volume, on its own grid.
pooled: Dice and IoU of the voxels of all scans taken together, on their own grids.
pooled at 128: the same for every second pixel in x and y, as the student project measured.
per slice: mean Dice of all slices, and of those alone whose reference holds tumour.
Two empty masks count as 1, one empty mask as 0."""
_DEFINITIONS_OF_MEASURES = """\
Volume and sum of products: mean relative error, mean difference (prediction less reference), and the limits
of agreement of Bland and Altman, 1.96 standard deviations on either side of it."""


@command
def evaluate(
    data: Annotated[Path, typer.Argument(parser=as_path, help="Folder with scans and masks, as for train.")],
    split: Annotated[
        Path | None, typer.Option(parser=as_path, help="CSV with the columns patient and split.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="The part of the split to take: val, test.  [default: val]")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="The fold (column fold of the split) that is val.")] = None,
    model: ModelOption = "default",
    flair_alone: FlairAlone = False,
    device: DeviceOption = Device.auto,
    spacing: Spacing = None,
    workers: Workers = None,
    cluster: ClusterOption = "",
    as_json: AsJson = False,
    pictures: Annotated[
        Path | None,
        typer.Option(parser=as_path, help="Folder for pictures of the best, median, worst and missed scans."),
    ] = None,
) -> None:
    """Segment scans whose masks are known, and print Dice and IoU with their spread."""
    from napari_tumor_unet.evaluation import evaluate as evaluation
    from napari_tumor_unet.model.model_file import load_model
    from napari_tumor_unet.worker.cohort import score_on
    from napari_tumor_unet.worker.needs import Needs

    done = count(1)

    def show(score: ScanScore, n: int) -> None:
        volume = score.volume
        err.print(f"{next(done)}/{n}  {score.name}  Dice {volume.dice:.3f}  IoU {volume.iou:.3f}")

    loaded = load_model(model)
    needs = Needs.of(model, loaded.hash, data)
    try:
        with stoppable("nothing is kept"), engine_of(workers, cluster, needs) as engine:

            def scores_of(cases: Sequence[Case], _: Model, chosen: str, alone: bool) -> Iterator[Any]:
                assert engine is not None
                return score_on(engine, cases, needs, chosen, alone, spacing)

            result = evaluation.evaluate(
                data.absolute() if cluster else data,
                model=loaded,
                split=split,
                part=part,
                fold=fold,
                flair_alone=flair_alone,
                device=device.value,
                spacing=spacing,
                pictures=pictures,
                on_score=None if as_json else show,
                scores_of=scores_of if engine else None,
            )
    except OSError as error:
        fail(f"The pictures cannot be written ({error.strerror}); choose another folder.")
    if as_json:
        scans = [
            {"name": s.name, "dice": s.volume.dice, "iou": s.volume.iou, "learned_from": s.learned_from}
            for s in result.scores
        ]
        content = result.summary.to_json() | {"volumes": scans, "left_out": dict(result.left_out)}
        content["masks_by_a_model"] = list(result.by_a_model)
        typer.echo(json.dumps(content, indent=2))
        return
    print_left_out(result.left_out)
    if by_a_model := result.by_a_model:
        complain(f"A model made the masks of these, and nobody edited them: {', '.join(by_a_model)}.")
    _print_summary(result.summary)


def _print_summary(summary: Summary) -> None:
    spread = table("per volume", "mean", "SD", "median", "quartiles", "lowest")
    spread.add_row("Dice", *_cells(summary.dice))
    spread.add_row("IoU", *_cells(summary.iou))
    out.print(spread)
    pooled = table("pooled", "Dice", "IoU")
    for name, overlap in (("own grid", summary.pooled), ("at 128", summary.pooled_at_128)):
        pooled.add_row(name, f"{overlap.dice:.4f}", f"{overlap.iou:.4f}")
    out.print(pooled)
    definitions = _DEFINITIONS.splitlines()
    if summary.volumes_ml and summary.products_mm2:
        definitions += _DEFINITIONS_OF_MEASURES.splitlines()
        measures = table("measure", "relative error", "difference", "limits of agreement")
        for name, unit, a in (
            ("volume", "ml", summary.volumes_ml),
            ("sum of products", "mm²", summary.products_mm2),
        ):
            limits = f"{a.lower:z.1f} to {a.upper:z.1f} {unit}" if a.n > 1 else UNDEFINED
            error = defined(a.mean_relative_error, ".1%")
            measures.add_row(name, error, f"{signed(a.bias, 1)} {unit}", limits)
        out.print(measures)
    worst = ", ".join(f"{name} ({dice:.3f})" for name, dice in summary.worst)
    for line in (
        f"{plural(summary.scans, 'scan')}, {summary.scans_without_tumour} of them without tumour.",
        f"Worst: {worst}.",
        f"Missed entirely: {', '.join(summary.missed) or 'none'}.",
        f"Per slice: {summary.slice_dice:.4f} over all, {defined(summary.tumour_slice_dice, '.4f')} over the "
        f"{summary.tumour_slices} with tumour.",
        f"Tumour predicted in {summary.false_positive_slices} of {summary.tumour_free_slices} tumour-free "
        "slices.",
    ):
        out.print(line)
    if known := summary.learned_from:
        out.print(
            f"The model has learned from {len(known)} of {plural(summary.scans, 'scan')} before "
            f"({', '.join(known)}): what it does there tells nothing of new patients."
        )
    for line in definitions:
        out.print(line, style="dim")


def _cells(spread: Statistics) -> list[str]:
    values = (spread.mean, spread.standard_deviation, spread.median)
    quartiles = f"{spread.lower_quartile:.3f} to {spread.upper_quartile:.3f}"
    return [*(defined(value, ".3f") for value in values), quartiles, f"{spread.lowest:.3f}"]
