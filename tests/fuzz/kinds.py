"""Small valid files of each kind, and how each is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import TINY_RECIPE, make_phantom


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    make : callable
        Writes a valid file, or several, into a folder.
    read : callable
        Reads what ``make`` wrote, and returns something that can be compared; fails by an AssertionError
        where the result cannot be right.
    sealed : bool
        Whether the file has a checksum: damaged bytes never give another result.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], Any]
    sealed: bool = False


def _scan_kind(name: str, sealed: bool = False) -> Kind:
    def make(folder: Path) -> None:
        from napari_tumor_unet.io.write import write_mask

        scan = make_phantom((4, 20, 16), spacing=(4.0, 1.5, 0.75))[0]
        write_mask(folder / name, scan.sequences["flair"].astype(np.uint8), scan)

    return Kind(make, lambda folder: _read_scan(folder / name), sealed)


def _read_scan(path: Path) -> Any:
    from napari_tumor_unet import read_scan

    scan = read_scan(path)
    assert all(np.isfinite(scan.spacing)), scan.spacing
    assert all(value > 0 for value in scan.spacing), scan.spacing
    voxels = {name: np.asarray(volume) for name, volume in scan.sequences.items()}
    assert {volume.shape for volume in voxels.values()} == {scan.shape}
    return {name: volume.tolist() for name, volume in voxels.items() if volume.size < 1e6}


def _make_tiff(folder: Path) -> None:
    import tifffile

    scan, _ = make_phantom((4, 20, 16))
    volume = np.stack(list(scan.sequences.values()), axis=1).clip(0).astype(np.uint8)
    tifffile.imwrite(folder / "a.tif", volume, imagej=True, metadata={"axes": "ZCYX"})


def _make_dicom(folder: Path) -> None:
    from tests.dicom_files import images, saved

    saved(images(make_phantom((3, 20, 16))[0].sequences["flair"].astype(np.int16)), folder / "scan")


def _make_slices(folder: Path) -> None:
    import tifffile

    scan, mask = make_phantom((3, 20, 16))
    (folder / "scan").mkdir()
    for z in range(3):
        rgb = np.stack([volume[z] for volume in scan.sequences.values()], axis=-1).clip(0).astype(np.uint8)
        tifffile.imwrite(folder / "scan" / f"p_{z + 1}.tif", rgb, photometric="rgb")
        tifffile.imwrite(folder / "scan" / f"p_{z + 1}_mask.tif", mask[z].astype(np.uint8) * 255)


def _mask_kind(name: str) -> Kind:
    def make(folder: Path) -> None:
        from napari_tumor_unet.io.write import write_mask

        scan, mask = make_phantom((4, 20, 16), spacing=(4.0, 1.5, 0.75))
        write_mask(folder / name, mask.astype(np.uint8), scan)

    def read(folder: Path) -> Any:
        from napari_tumor_unet import score

        _, mask = make_phantom((4, 20, 16))
        result = score(folder / name, mask.astype(np.uint8))
        assert 0 <= result.dice <= 1, result.dice
        return None

    return Kind(make, read)


def _make_model(folder: Path) -> None:
    import torch

    from napari_tumor_unet.model.card import Card
    from napari_tumor_unet.model.model_file import Model, save_model
    from napari_tumor_unet.model.settings import Preprocessing, UNetConfig
    from napari_tumor_unet.model.unet import UNet

    torch.manual_seed(0)
    network = UNet(UNetConfig(5, (4, 8), "batch", 0.0)).eval()
    save_model(
        Model(network, Preprocessing(size=32), Card("tiny", "A model for tests.")), folder / "a.safetensors"
    )


def _read_model(folder: Path) -> Any:
    import torch

    from napari_tumor_unet import load_model

    network = load_model(folder / "a.safetensors").network
    for name, values in network.state_dict().items():
        assert torch.isfinite(values).all(), f"{name} is not finite"


def _states() -> dict[str, Any]:
    import torch

    return {"net": torch.nn.Linear(3, 2)}


def _make_checkpoint(folder: Path) -> None:
    import torch

    from napari_tumor_unet.training.checkpoint import save_checkpoint
    from napari_tumor_unet.training.events import Epoch

    torch.manual_seed(0)
    save_checkpoint(folder, "identity", _states(), [Epoch(1, 2, 0.5, 0.25, 1e-3, 2.0)])


def _read_checkpoint(folder: Path) -> Any:
    from napari_tumor_unet.training.checkpoint import load_checkpoint

    states = _states()
    history = load_checkpoint(folder, ["identity"], states)
    weights = {name: values.tolist() for name, values in states["net"].state_dict().items()}
    return repr(history), weights if history else None


def _make_recipe(folder: Path) -> None:
    (folder / "a.toml").write_text(TINY_RECIPE)


def _read_recipe(folder: Path) -> Any:
    from napari_tumor_unet.training.recipe import read_recipe

    read_recipe(str(folder / "a.toml"))


def _make_split(folder: Path) -> None:
    rows = ["patient,split,fold", *(f"p{n},{('train', 'val')[n % 2]},{n % 3}" for n in range(9))]
    (folder / "split.csv").write_text("\n".join(rows))


def _read_split(folder: Path) -> Any:
    from napari_tumor_unet.io.datasets.split import read_split

    parts = read_split(folder / "split.csv")
    assert all(isinstance(text, str) for pair in parts.items() for text in pair), parts


def _make_run(folder: Path) -> None:
    from napari_tumor_unet.io.datasets.pairs import Case
    from napari_tumor_unet.training.finetuning.run_plan import FineTuning, RunPlan, draft_plan, finish_plan
    from napari_tumor_unet.training.finetuning.run_store import PARENT, new_run

    os.environ["NAPARI_TUMOR_UNET_RUNS"] = str(folder)
    case = Case("a", "a", folder / "a.tif", folder / "a_mask.tif")
    run = new_run()
    draft_plan(run, RunPlan("default", FineTuning(), (case,), ()))
    finish_plan(run)
    (run / PARENT).write_bytes(b"no model")
    (run / "checkpoint.pt").touch()
    (folder / "20240115-103000-mine").mkdir()
    (folder / "20240115-103000-mine" / "plan.json").write_text(json.dumps({"of": "somebody else"}))


def _read_run(folder: Path) -> Any:
    from napari_tumor_unet.training.finetuning.run_store import find_interrupted

    os.environ["NAPARI_TUMOR_UNET_RUNS"] = str(folder)
    for run in find_interrupted():
        assert str(run)
    assert (folder / "20240115-103000-mine").is_dir(), "a folder that is no run was deleted"


def _make_autosave(folder: Path) -> None:
    from napari_tumor_unet.plugin.recovery.store import Autosave, save

    mask = make_phantom((4, 20, 16))[1].astype(np.uint8)
    save(
        Autosave("a scan", 1, mask, mask // 2, mask * 7, {"name": "a"}, {"place": {"at": [0]}}),
        folder / "a.npz",
    )


def _read_autosave(folder: Path) -> Any:
    from napari_tumor_unet.plugin.recovery.store import load

    autosave = load(folder / "a.npz")
    volumes = (autosave.mask, autosave.written, autosave.probability)
    return autosave.scan, autosave.edited, *(volume.tolist() for volume in volumes)


KINDS = {
    "NIfTI": _scan_kind("a.nii"),
    "NIfTI, gzip": _scan_kind("a.nii.gz", sealed=True),
    "NRRD": _scan_kind("a.nrrd"),
    "MetaImage": _scan_kind("a.mha"),
    "TIFF": Kind(_make_tiff, lambda folder: _read_scan(folder / "a.tif")),
    "DICOM": Kind(_make_dicom, lambda folder: _read_scan(folder / "scan")),
    "slices": Kind(_make_slices, lambda folder: _read_scan(folder / "scan")),
    "mask, NIfTI": _mask_kind("a.nii.gz"),
    "mask, NRRD": _mask_kind("a.nrrd"),
    "mask, TIFF": _mask_kind("a.tif"),
    "model": Kind(_make_model, _read_model),
    "checkpoint": Kind(_make_checkpoint, _read_checkpoint, sealed=True),
    "recipe": Kind(_make_recipe, _read_recipe),
    "split": Kind(_make_split, _read_split),
    "run": Kind(_make_run, _read_run),
    "autosave": Kind(_make_autosave, _read_autosave, sealed=True),
}
