"""What the child keeps between jobs, and when it does not."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_tumor_unet.inference.result import Findings, Provenance
from napari_tumor_unet.model import preprocessing
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.remote_scan import handle_of, planes_of


def segment(scan: Scan, model: Path) -> tuple[Findings, Provenance]:
    steps = tasks.segment(partial(planes_of, scan), handle_of(scan), str(model), 0.5, "cpu", 0, False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the scans that were measured."""
    names: list[str] = []
    fit = preprocessing.fit_preprocessing
    monkeypatch.setattr(
        preprocessing,
        "fit_preprocessing",
        lambda scan, how: names.append(scan.name) or fit(scan, how),
    )
    tasks._fits.clear()
    return names


def test_a_scan_is_measured_once_and_again_when_it_changed(
    phantom: Any, tiny_model_file: Path, measured: list[str]
) -> None:
    scan, _ = phantom((4, 32, 32))
    first, _ = segment(scan, tiny_model_file)
    assert segment(scan, tiny_model_file)[0] == first
    assert len(measured) == 1
    scan.sequences["flair"][0, 5, 5] += 1
    segment(scan, tiny_model_file)
    assert len(measured) == 2
    same_voxels_elsewhere = {
        s: scan.sequences[o] for s, o in zip(("post", "flair", "pre"), scan.sequences, strict=True)
    }
    segment(Scan("swapped", same_voxels_elsewhere), tiny_model_file)
    assert len(measured) == 3


def test_only_the_last_scans_are_remembered(phantom: Any, tiny_model_file: Path, measured: list[str]) -> None:
    scan, _ = phantom((2, 24, 24))
    for i in range(tasks._MOST_FITTED + 2):
        segment(Scan(str(i), {"flair": scan.sequences["flair"] + np.float32(i)}), tiny_model_file)
    assert len(tasks._fits) == tasks._MOST_FITTED
    segment(Scan("the last", {"flair": scan.sequences["flair"] + np.float32(i)}), tiny_model_file)
    assert measured[-1] == str(i)


def test_a_model_that_was_renamed_makes_masks_under_its_new_name(
    phantom: Any, tiny_model_file: Path, tmp_path: Path
) -> None:
    model, (scan, _) = tmp_path / "before.safetensors", phantom((4, 32, 32))
    model.write_bytes(tiny_model_file.read_bytes())
    assert segment(scan, model)[1].model == "before"
    assert segment(scan, model.rename(tmp_path / "after.safetensors"))[1].model == "after"
