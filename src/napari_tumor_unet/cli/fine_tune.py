"""``napari-tumor-unet fine-tune``: train a model on with corrected masks, and compare it with what it was."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from napari_tumor_unet.cli.console import command, err, out, table
from napari_tumor_unet.cli.options import AsJson, Device, DeviceOption, Fold, Resume, Split, as_name, as_path
from napari_tumor_unet.cli.train import TrainingBar, print_plan
from napari_tumor_unet.model.model_file import load_model
from napari_tumor_unet.training.finetuning.run_plan import FineTuning

if TYPE_CHECKING:
    from napari_tumor_unet.training.finetuning.verdict import FineTuned

_DEFAULTS = FineTuning()


class Layers(StrEnum):
    """Names of the layers that learn."""

    all = "all"
    decoder = "decoder"


@command
def fine_tune(
    model: Annotated[str, typer.Argument(parser=as_name, help="The model to go on from: a name or a file.")],
    data: Annotated[
        Path, typer.Argument(parser=as_path, help="Folder with scans and corrected masks, as for train.")
    ],
    path: Annotated[Path, typer.Option("--out", parser=as_path, help="The new model's file.")],
    epochs: Annotated[int, typer.Option(min=1)] = _DEFAULTS.epochs,
    learning_rate: Annotated[float, typer.Option(help="Its peak.")] = _DEFAULTS.learning_rate,
    batch_size: Annotated[int, typer.Option(min=1)] = _DEFAULTS.batch_size,
    layers: Annotated[Layers, typer.Option(help="Which layers learn.")] = Layers.all,
    augmentation: Annotated[
        float, typer.Option(min=0, max=1, help="Strength of the random changes.")
    ] = _DEFAULTS.augmentation,
    slices: Annotated[int, typer.Option(min=1, help="In an epoch.")] = _DEFAULTS.slices,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = _DEFAULTS.seed,
    split: Split = None,
    fold: Fold = None,
    resume: Resume = False,
    device: DeviceOption = Device.auto,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on corrected masks, and print what that changed on scans held out."""
    from napari_tumor_unet.training.finetuning.finetune_files import fine_tune, plan_fine_tuning

    console = err if as_json else out
    settings = FineTuning(epochs, learning_rate, batch_size, layers.value, augmentation, slices, seed)
    parent = load_model(model)
    plan = plan_fine_tuning(parent, data, split, fold)
    print_plan(plan, console)
    with TrainingBar(console) as bar:
        result = fine_tune(
            parent, plan, out=path, settings=settings, resume=resume, device=device.value, on_event=bar.show
        )
    if as_json:
        typer.echo(json.dumps(_to_json(result), indent=2))
        return
    out.print(_table(result))
    out.print(result.advice.said)
    out.print(f"{result.path.name} is the new model; metrics and pictures are in {result.folder.name}.")


def _table(result: FineTuned) -> Table:
    changes = table("scan", "Dice before", "after", "change", "IoU before", "after")
    for change in result.changes:
        name = f"{change.name} (the bundled sample)" if change.is_sample else change.name
        before, after = change.before, change.after
        numbers = (f"{x:.3f}" for x in (before.dice, after.dice))
        changes.add_row(name, *numbers, f"{change.gain:+.3f}", f"{before.iou:.3f}", f"{after.iou:.3f}")
    return changes


def _to_json(result: FineTuned) -> dict[str, Any]:
    changes = [
        {
            "scan": change.name,
            "sample": change.is_sample,
            "learned_before": change.learned_before,
            "before": {"dice": change.before.dice, "iou": change.before.iou},
            "after": {"dice": change.after.dice, "iou": change.after.iou},
        }
        for change in result.changes
    ]
    return {
        "model": result.path.name,
        "hash": result.model.hash,
        "parent": result.model.card.parent,
        "epochs": len(result.history),
        "changes": changes,
        "advice": {name: getattr(result.advice, name) for name in ("keep", "verdict", "said")},
    }
