"""Fine-tune a model file on a folder of scans with corrected masks, into a new model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_tumor_unet._common import drain
from napari_tumor_unet.io.datasets.split import Plan, plan_training
from napari_tumor_unet.io.write import why_no_truth
from napari_tumor_unet.model.device import enough_memory
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.training.finetuning.finetune import fine_tune as run_fine_tuning
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.finetuning.verdict import FineTuned
from napari_tumor_unet.training.train import begin, record_split


def plan_fine_tuning(
    parent: Model, data: str | Path, split: str | Path | None = None, fold: int | None = None
) -> Plan:
    """Plan as for a training, and leave out masks that the parent made and nobody edited.

    Raises
    ------
    ScanError
        As :func:`napari_tumor_unet.io.datasets.split.plan_training`.
    """
    return plan_training(data, split, fold, lambda case: why_no_truth(case.mask, parent.hash))


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
    on_event: Callable[[Any], object] | None = None,
) -> FineTuned:
    """Fine-tune a model on scans with corrected masks, and score it before and after.

    Beside the model file ``x.safetensors`` the folder ``x_training`` gets ``split.csv``, a picture of each
    held-out scan and of the sample before and after, and after every epoch a checkpoint and ``metrics.csv``.

    Parameters
    ----------
    model : str, Path, Model or None
        The parent, as for :func:`napari_tumor_unet.segment`.
    data : str, Path or Plan
        A folder with scans and masks, with ``split`` and ``fold`` as for :func:`napari_tumor_unet.train`, or
        a plan made before. Of a folder, masks that the parent made and nobody edited are left out. By
        default a fifth of the patients is held out, and of a single scan a block of slices.
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
    FineTuned
        The new model is kept whether it is better or not: ``advice`` says which.

    Raises
    ------
    ScanError, ModelError, DeviceError, TrainingError, CheckpointError
        Each with one sentence that says what is wrong.
    """
    parent = model if isinstance(model, Model) else load_model(model)
    planned = data if isinstance(data, Plan) else plan_fine_tuning(parent, data, split, fold)
    training = begin(out, planned, None, None, resume, device)
    plan, folder, chosen = training.plan, training.folder, training.device
    settings = settings or FineTuning()
    steps = run_fine_tuning(
        plan.learn, plan.held_out, parent, settings, folder, out=training.path, device=chosen
    )
    with enough_memory(chosen):
        tuned = drain(steps, on_event)
    record_split(training)
    return tuned
