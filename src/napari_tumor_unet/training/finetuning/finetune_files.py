"""A model file and a folder of scans with corrected masks to a fine-tuned model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_tumor_unet.evaluation.plots import draw_change
from napari_tumor_unet.io.datasets.split import write_split
from napari_tumor_unet.model.device import choose_device, enough_memory
from napari_tumor_unet.model.model_file import Model, load_model, save_model
from napari_tumor_unet.training.checkpoint import CHECKPOINT
from napari_tumor_unet.training.events import Epoch, Reading, Scored, Step, Waiting
from napari_tumor_unet.training.finetuning.finetune import fine_tune as run_fine_tuning
from napari_tumor_unet.training.finetuning.run_store import FineTuning
from napari_tumor_unet.training.finetuning.verdict import Advice, Change
from napari_tumor_unet.training.train import SPLIT, Plan, check_target, plan_training, writing


@dataclass(frozen=True)
class Result:
    """A fine-tuning that ended: the new model, its file, how it went, what changed, and what to do."""

    model: Model
    path: Path
    folder: Path
    history: tuple[Epoch, ...]
    changes: tuple[Change, ...]
    advice: Advice


def fine_tune(
    model: str | Path | Model | None,
    data: str | Path | Plan,
    *,
    out: str | Path,
    settings: FineTuning | None = None,
    split: str | Path | None = None,
    fold: int | None = None,
    resume: bool = False,
    device: str = "auto",
    on_event: Callable[[Reading | Scored | Step | Epoch], None] | None = None,
) -> Result:
    """Fine-tune a model on scans with corrected masks, and score it before and after.

    Beside the model file ``x.safetensors`` the folder ``x_training`` gets ``split.csv``, a picture of each
    held-out scan and of the sample before and after, and after every epoch a checkpoint and ``metrics.csv``.

    Parameters
    ----------
    model : str, Path, Model or None
        The parent, as for :func:`napari_tumor_unet.segment`.
    data : str, Path or Plan
        A folder with scans and masks, or a plan made before, as for :func:`napari_tumor_unet.train`; with
        ``split`` and ``fold``. By default a fifth of the patients is held out, and of a single scan a block
        of slices.
    out : str or Path
        The model file.
    settings : FineTuning, optional
        Epochs, learning rate and so on.
    resume : bool
        Go on from the checkpoint, if there is one.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    on_event : callable, optional
        Called with each event of :func:`napari_tumor_unet.training.finetuning.finetune.fine_tune`.

    Returns
    -------
    Result
        The new model is kept whether it is better or not: ``advice`` says which.

    Raises
    ------
    ScanError, ModelError, DeviceError, TrainingError, CheckpointError
        Each with one sentence that says what is wrong.
    """
    path = Path(out).expanduser()
    folder = path.with_name(f"{path.stem}_training")
    check_target(path, folder / CHECKPOINT, resume)
    plan = data if isinstance(data, Plan) else plan_training(data, split, fold)
    parent = model if isinstance(model, Model) else load_model(model)
    settings = settings or FineTuning()
    chosen = choose_device(device)
    steps = run_fine_tuning(plan.learn, plan.held_out, parent, settings, folder, device=chosen)
    with enough_memory(chosen):
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                tuned = end.value
                break
            if on_event is not None and not isinstance(event, Waiting):
                on_event(event)
    with writing(path.stem):
        write_split(folder / SPLIT, {"train": plan.learn, "val": plan.held_out})
        for i, (before, after) in enumerate(tuned.views):
            draw_change(before, after, folder / f"change_{i + 1}.png")
        saved = save_model(tuned.model, path)
    return Result(saved, path, folder, tuned.history, tuned.changes, tuned.advice)
