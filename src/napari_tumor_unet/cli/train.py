"""``napari-tumor-unet train``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from napari_tumor_unet.cli.console import Device, command, complain, err, out
from napari_tumor_unet.io.datasets.split import Plan, plan_training
from napari_tumor_unet.training.events import Epoch, Reading, Scored, Step


@command
def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="Folder with scans and masks: folders of slices as in the LGG data, pairs such as x.nii.gz "
            "and x_mask.nii.gz, or imagesTr and labelsTr."
        ),
    ],
    recipe: Annotated[str, typer.Option(help="seed, default, or a TOML file.")] = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    path: Annotated[Path, typer.Option("--out", help="The model file.")] = Path("model.safetensors"),
    split: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns patient and split.  [default: a fifth is held out]"),
    ] = None,
    fold: Annotated[
        int | None, typer.Option(help="Hold out this fold (column fold of the split) instead.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
) -> None:
    """Train a model; beside it, a folder keeps the checkpoint, the metrics and their curves."""
    from napari_tumor_unet.training import train

    try:
        plan = plan_training(data, split, fold)
        print_plan(plan, out)
        with Bars(out) as bars:
            trained = train.train(
                plan,
                out=path,
                recipe=recipe,
                epochs=epochs,
                resume=resume,
                device=device.value,
                on_event=bars.show,
            )
    except KeyboardInterrupt:
        complain("Stopped; the same command with --resume goes on from the last whole epoch.")
        # The thread that makes batches may have only just been started: nothing waits for it then, and
        # an interpreter that ends the usual way under torch's code aborts.
        os._exit(1)
    out.print(
        f"{trained.path.name} is trained; metrics and curves are in {trained.folder.name}.", highlight=False
    )


class Bars(Progress):
    """The epoch under way, and on another console a line for each that ended."""

    def __init__(self, lines: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=err, transient=True)
        self._lines = lines
        self._task = self.add_task("reading scans", total=None)

    def show(self, event: Reading | Scored | Step | Epoch) -> None:
        """Any event of a training."""
        if isinstance(event, Reading | Scored):
            doing = "reading scans" if isinstance(event, Reading) else "scoring"
            self.update(self._task, description=doing, completed=event.scan, total=event.scans)
        elif isinstance(event, Epoch):
            held_out = "none" if math.isnan(event.held_out_dice) else f"{event.held_out_dice:.4f}"
            self._lines.print(
                f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}  held-out Dice {held_out}  "
                f"learning rate {event.learning_rate:.2g}  {event.seconds:.0f} s",
                highlight=False,
            )
        else:
            done = (event.epoch - 1) * event.steps + event.step  # so that the time left is the training's
            text = f"epoch {event.epoch}/{event.epochs}, loss {event.loss:.4f}"
            self.update(self._task, description=text, completed=done, total=event.steps * event.epochs)


def print_plan(plan: Plan, console: Console) -> None:
    """A table of what is learned from, held out and left out."""
    table = Table("scan", "patient", "use")
    for use, pairs in (("learned from", plan.learn), ("held out", plan.held_out)):
        for pair in pairs:
            table.add_row(pair.name, pair.patient, use)
    for name, reason in plan.left_out.items():
        table.add_row(name, "", f"left out: {reason}")
    console.print(table)
    counts = f"{len(plan.learn)} scans to learn from, {len(plan.held_out)} held out"
    console.print(f"{counts}, {len(plan.left_out)} left out.", highlight=False)
