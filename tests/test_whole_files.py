"""Files of every kind are written whole or not at all, in place of a link, not of what it leads to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_tumor_unet._common import PARTIAL, atomic_write, write_whole
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.snapshot import write_snapshot
from napari_tumor_unet.io.datasets.split import write_split
from napari_tumor_unet.io.write import (
    made_with,
    report_files,
    sidecar_of,
    write_mask,
    write_probability,
    write_result,
)
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.checkpoint import make_folder, write_metrics
from napari_tumor_unet.training.curves import draw_curves
from napari_tumor_unet.training.events import Epoch
from tests.conftest import make_phantom

SCAN, MASK = make_phantom((2, 16, 16))
EPOCHS = [Epoch(1, 1, 0.5, 0.5, 0.1, 1.0)]
WRITERS: dict[str, Callable[[Path], None]] = {
    "m.nii.gz": lambda path: write_mask(path, MASK, SCAN),
    "m.tif": lambda path: write_mask(path, MASK, SCAN),
    "m.json": lambda path: write_result(path.with_suffix(".nii"), MASK.astype(np.uint8), SCAN, {}),
    "m_probseg.nii.gz": lambda path: write_probability(path, MASK.astype(np.uint8), SCAN, {}, None),
    "split.csv": lambda path: write_split(path, {"val": [Case("a", "a", path, path)]}),
    "0.npz": lambda path: write_snapshot(path, SCAN, MASK),
    "metrics.csv": lambda path: write_metrics(path.parent, EPOCHS),
    "curves.png": lambda path: draw_curves(EPOCHS, path),
    "table.csv": lambda path: write_whole(path, "half \udc80"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / name).write_text("before")
    with pytest.raises(Exception, match="No space"):
        WRITERS[name](tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "before")]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str, dangling: bool) -> None:
    notes, file = tmp_path / "elsewhere" / "notes", tmp_path / "there" / name
    for path in (notes, file):
        path.parent.mkdir()
    if not dangling:
        notes.write_text("precious")
    try:
        file.symlink_to(notes)
    except OSError:
        pytest.skip("links need leave")
    WRITERS[name](file)
    assert not file.is_symlink()
    assert file.stat().st_size
    assert [path.read_text() for path in notes.parent.iterdir()] == ["precious"] * (not dangling)


def test_models_are_written_so_too(tmp_path: Path, tiny_model: Model) -> None:
    (tmp_path / "x.safetensors").symlink_to(tmp_path / "nowhere")
    save_model(tiny_model, tmp_path / "x.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_mask_whose_sidecar_cannot_be_written_is_not_there_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, content: Any) -> None:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ScanError, match="No space"):
        write_result(tmp_path / "m.nii.gz", MASK.astype(np.uint8), SCAN, {})
    assert not list(tmp_path.iterdir())
    assert sidecar_of(tmp_path / "m.nii.gz").name == "m.json"


def test_masks_in_two_formats_have_a_sidecar_each(tmp_path: Path) -> None:
    one, other = tmp_path / "m.nii.gz", tmp_path / "m.tif"
    mask = MASK.astype(np.uint8)
    write_result(one, mask, SCAN, {"of": "one"})
    write_result(other, 1 - mask, SCAN, {"of": "other"})
    assert sidecar_of(other).name == "m.tif.json"
    assert [report.name for report in report_files(other)] == ["m.tif.html", "m.tif.pdf"]
    write_result(one, mask * 2, SCAN, {"of": "one again"})
    assert [(made_with(path) or {}).get("of") for path in (one, other)] == ["one again", "other"]
    one.unlink()
    assert made_with(other) is not None
    sidecar_of(other).rename(tmp_path / "m.json")  # as older versions called it
    assert made_with(other) is not None


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 248 + ".nii.gz")
    write_mask(path, MASK, SCAN)
    assert path.exists()


def test_what_a_killed_training_left_half_written_goes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.pt") as partial:
        assert partial.name.startswith(PARTIAL)
    partial.write_text("half")
    make_folder(tmp_path)
    assert not list(tmp_path.iterdir())
