"""``napari-tumor-unet train``: train a model by a recipe."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console

from napari_tumor_unet.cli.cohort import ClusterOption, Workers
from napari_tumor_unet.cli.console import Bar, command, complain, out, table
from napari_tumor_unet.cli.folds import cross_validate
from napari_tumor_unet.cli.options import Device, DeviceOption, Fold, Resume, Split, as_name, as_path
from napari_tumor_unet.io.datasets.split import Plan
from napari_tumor_unet.training.events import Epoch, Reading, Scored, Step
from napari_tumor_unet.training.fold import FoldJob


@command
def train(
    data: Annotated[
        Path,
        typer.Argument(
            parser=as_path,
            help="Folder with scans and masks: folders of slices as in the LGG data, pairs such as x.nii.gz "
            "and x_mask.nii.gz or x_seg.nii.gz, files as in BraTS, or imagesTr and labelsTr.",
        ),
    ],
    recipe: Annotated[
        str, typer.Option(parser=as_name, help="seed, default, robust, or a TOML file.")
    ] = "default",
    start: Annotated[
        str | None,
        typer.Option(parser=as_name, help="The model, by name or file, whose weights to go on from."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    path: Annotated[Path, typer.Option("--out", parser=as_path, help="The model file.")] = Path(
        "model.safetensors"
    ),
    split: Split = None,
    fold: Fold = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Cross-validate: train as many models, each of which holds out a fold of the split.",
        ),
    ] = None,
    workers: Workers = None,
    cluster: ClusterOption = "",
    resume: Resume = False,
    device: DeviceOption = Device.auto,
) -> None:
    """Train a model; beside it, a folder keeps the checkpoint, the metrics and their curves."""
    from napari_tumor_unet.training import train
    from napari_tumor_unet.training.recipe import read_recipe

    if folds is None and (workers or cluster):
        raise typer.BadParameter("--workers and --cluster go with --folds; one training has one process.")
    read_recipe(recipe := _anywhere(recipe))  # whose errors come first
    if folds is not None:
        if fold is not None:
            raise typer.BadParameter("--fold is one of those that --folds trains; give one of them.")
        start = start and _anywhere(start)
        first = FoldJob(data.absolute(), Path(), 0, path.absolute(), recipe, start, epochs, device.value)
        cross_validate(first, split, folds, resume=resume, workers=workers, cluster=cluster)
        return
    plan = train.begin(path, data, split, fold, resume, device.value).plan
    print_plan(plan, out)
    with TrainingBar(out) as bar:
        trained = train.train(
            plan,
            out=path,
            recipe=recipe,
            start=start,
            epochs=epochs,
            resume=resume,
            device=device.value,
            on_event=bar.show,
        )
    out.print(f"{trained.path.name} is trained; metrics and curves are in {trained.folder.name}.")


def _anywhere(name: str) -> str:
    """Make the path of a file one that processes in other folders find; leave a name as it is."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.suffix and path.exists() else name


class TrainingBar(Bar):
    """Progress of a training, with a line on another console after each epoch.

    An interrupt ends the process.
    """

    def __init__(self, lines: Console) -> None:
        super().__init__("reading scans", None)
        self._lines = lines

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is KeyboardInterrupt:
            complain("Stopped; the same command with --resume goes on from the last whole epoch.")
            # The thread that makes batches may have only just been started: nothing waits for it then, and
            # an interpreter that ends the usual way under torch's code aborts.
            os._exit(1)

    def show(self, event: Reading | Scored | Step | Epoch) -> None:
        """Show an event of a training."""
        if isinstance(event, Reading | Scored):
            doing = "reading scans" if isinstance(event, Reading) else "scoring"
            self.show_progress(doing, event.scan, event.scans)
        elif isinstance(event, Epoch):
            held_out = "none" if math.isnan(event.held_out_dice) else f"{event.held_out_dice:.4f}"
            self._lines.print(
                f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}  held-out Dice {held_out}  "
                f"learning rate {event.learning_rate:.2g}  {event.seconds:.0f} s"
            )
        else:
            done = (event.epoch - 1) * event.steps + event.step  # so that the time left is the training's
            text = f"epoch {event.epoch}/{event.epochs}, loss {event.loss:.4f}"
            self.show_progress(text, done, event.steps * event.epochs)


def print_plan(plan: Plan, console: Console) -> None:
    """Print which scans are learned from, held out and left out."""
    listed = table("scan", "patient", "use")
    for use, pairs in (("learned from", plan.learn), ("held out", plan.held_out)):
        for pair in pairs:
            listed.add_row(pair.name, pair.patient, use)
    for name, reason in plan.left_out.items():
        listed.add_row(name, "", f"left out: {reason}")
    console.print(listed)
    counts = f"{len(plan.learn)} scans to learn from, {len(plan.held_out)} held out"
    console.print(f"{counts}, {len(plan.left_out)} left out.")
