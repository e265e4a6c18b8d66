"""Segment brain tumours in MRI scans: the same in napari, a shell or Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.evaluate import evaluate as evaluate
    from napari_tumor_unet.evaluation.follow_up import FollowUp as FollowUp
    from napari_tumor_unet.evaluation.follow_up import follow_up as follow_up
    from napari_tumor_unet.evaluation.overlap import dice as dice
    from napari_tumor_unet.evaluation.overlap import iou as iou
    from napari_tumor_unet.evaluation.score import Score as Score
    from napari_tumor_unet.evaluation.score import score as score
    from napari_tumor_unet.inference.measures import Measures as Measures
    from napari_tumor_unet.inference.measures import RegionMeasures as RegionMeasures
    from napari_tumor_unet.inference.measures import measure as measure
    from napari_tumor_unet.inference.result import Segmentation as Segmentation
    from napari_tumor_unet.inference.segment import segment as segment
    from napari_tumor_unet.io.read import read_mask as read_mask
    from napari_tumor_unet.io.read import read_scan as read_scan
    from napari_tumor_unet.io.write import write_mask as write_mask
    from napari_tumor_unet.model.model_file import load_model as load_model
    from napari_tumor_unet.scan import Scan as Scan
    from napari_tumor_unet.training.finetuning.finetune_files import fine_tune as fine_tune
    from napari_tumor_unet.training.finetuning.run_plan import FineTuning as FineTuning
    from napari_tumor_unet.training.train import train as train

_MODULE_OF = {
    "FineTuning": "training.finetuning.run_plan",
    "Measures": "inference.measures",
    "RegionMeasures": "inference.measures",
    "FollowUp": "evaluation.follow_up",
    "Scan": "scan",
    "Score": "evaluation.score",
    "Segmentation": "inference.result",
    "dice": "evaluation.overlap",
    "evaluate": "evaluation.evaluate",
    "fine_tune": "training.finetuning.finetune_files",
    "follow_up": "evaluation.follow_up",
    "iou": "evaluation.overlap",
    "load_model": "model.model_file",
    "measure": "inference.measures",
    "read_mask": "io.read",
    "read_scan": "io.read",
    "score": "evaluation.score",
    "segment": "inference.segment",
    "train": "training.train",
    "write_mask": "io.write",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    # Imported when first used: napari reads this package at its start, and torch takes a second.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
