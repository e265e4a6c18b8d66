"""``napari-tumor-unet export``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from napari_tumor_unet.cli import app
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.write import write_result


def test_a_dataset_for_nnunet_is_written_once(data: Path, tmp_path: Path) -> None:
    (data / "alone.tif").write_bytes((data / "a.tif").read_bytes())
    out = tmp_path / "Dataset501_Tumour"
    done = CliRunner().invoke(app, ["export", "nnunet", str(data), str(out)])
    assert done.exit_code == 0, done.output
    assert "3 scans with FLAIR, T1 pre, T1 post in Dataset501_Tumour." in done.output
    assert "left out: alone.tif" in done.output
    assert (out / "dataset.json").is_file()
    assert "nobody edited" not in done.output
    again = CliRunner().invoke(app, ["export", "nnunet", str(data), str(out)])
    assert again.exit_code == 1
    assert again.output.strip() == "Dataset501_Tumour is there already; choose another number or name."


def test_masks_of_a_model_that_nobody_edited_are_told_of(data: Path, tmp_path: Path) -> None:
    pair = find_pairs(data).pairs[0]
    scan, mask = pair.read()
    write_result(pair.mask, mask.astype(np.uint8), scan, {"provenance": {"model_hash": "x"}})
    done = CliRunner().invoke(app, ["export", "nnunet", str(data), str(tmp_path / "Dataset501_Tumour")])
    assert done.exit_code == 0
    assert "Masks of a model that nobody edited are among these: a." in done.output
