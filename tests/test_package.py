from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import pytest
from npe2 import PluginManifest

import napari_tumor_unet
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from tests.conftest import ROOT

PACKAGE = Path(napari_tumor_unet.__file__).parent
HEAVY = {"torch", "monai", "napari", "qtpy", "magicgui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_neither_the_package_nor_what_napari_needs_at_its_side_imports_torch(
    in_fresh_python: Callable[..., str],
) -> None:
    modules = (
        *("io.read", "io.datasets.sample", "scan", "model.card", "inference.result", "evaluation.overlap"),
        *("training.events", "training.finetuning.run_store", "training.finetuning.verdict"),
        *("worker.worker", "worker.tasks", "worker.remote_scan", "cli"),
    )
    code = """if True:
        import importlib, sys
        import napari_tumor_unet
        print(*sys.modules)
        for name in sys.argv[1:]:
            importlib.import_module(name)
        print(*sys.modules)
    """
    at_first, at_last = (
        set(line.split())
        for line in in_fresh_python(code, *(f"napari_tumor_unet.{name}" for name in modules)).splitlines()
    )
    assert "napari_tumor_unet" in at_first
    assert HEAVY.isdisjoint(at_first)
    assert HEAVY.isdisjoint(at_last)


WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text("utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_examples_in_docstrings_are_right(path: Path) -> None:
    name = ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts))
    results = doctest.testmod(import_module(name.removesuffix(".__init__")))
    assert results.attempted
    assert results.failed == 0


@pytest.mark.parametrize("name", napari_tumor_unet.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(napari_tumor_unet, name) is not None
    assert name in dir(napari_tumor_unet)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        _ = napari_tumor_unet.nosuch


def test_the_manifest_is_valid() -> None:
    manifest = PluginManifest.from_distribution("napari-tumor-unet")
    commands = {command.id for command in manifest.contributions.commands}
    in_menus = {item.command for items in manifest.contributions.menus.values() for item in items}
    assert in_menus <= commands
    assert {sample.command for sample in manifest.contributions.sample_data} <= commands
    assert all(command.startswith("napari-tumor-unet.") for command in commands)


def test_the_sample_is_found_in_a_checkout() -> None:
    assert sample_scan().is_file()
    assert sample_mask().is_file()


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_needed_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    package, info = "napari_tumor_unet/", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    needed = {
        "napari.yaml",
        "py.typed",
        "training/recipes/default.toml",
        "sample_data/sample_brain.tif",
        "sample_data/sample_brain_mask.tif",
        "model/weights/default.safetensors",
    }
    assert {package + name for name in needed} <= names
    assert {f"{info}licenses/LICENSE", f"{info}licenses/LICENSE-WEIGHTS"} <= names
    assert all(name.startswith((package, info)) for name in names)


@pytest.mark.slow
def test_the_licences_in_the_wheel_are_written(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        licences = [name for name in archive.namelist() if "/licenses/" in name]
        assert len(licences) >= 2
        assert all(archive.read(name).strip() for name in licences)


@pytest.mark.slow
def test_the_sample_is_found_in_a_wheel(
    wheel: Path, tmp_path: Path, in_fresh_python: Callable[..., str]
) -> None:
    ZipFile(wheel).extractall(tmp_path)
    code = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
        for path in (sample_scan(), sample_mask()):
            print(path.is_file() and path.relative_to(sys.argv[1]).as_posix())
    """
    assert in_fresh_python(code, tmp_path).split() == [
        "napari_tumor_unet/sample_data/sample_brain.tif",
        "napari_tumor_unet/sample_data/sample_brain_mask.tif",
    ]
