"""What all tests share. Nothing here imports torch before it is asked for."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

from napari_tumor_unet import _error_log
from napari_tumor_unet.scan import SEQUENCES, Scan

if TYPE_CHECKING:
    from napari_tumor_unet.model.model_file import Model

Phantom = Callable[..., tuple[Scan, np.ndarray]]
Refused = Callable[..., AbstractContextManager[None]]

# Before torch, here and in children: the tests run in a process a core, and scans are small, so that a
# second thread doubles the time of the processor and saves none; threads that spin cost ten times as much.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The same examples everywhere: a test that fails on one machine only helps nobody.
settings.register_profile("few", deadline=None, max_examples=12, derandomize=True)
settings.load_profile("few")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the models, autosaves and corrections of who runs it."""
    monkeypatch.setenv("NAPARI_TUMOR_UNET_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NAPARI_TUMOR_UNET_AUTOSAVES", str(tmp_path / "autosave"))
    monkeypatch.setenv("NAPARI_TUMOR_UNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("NAPARI_TUMOR_UNET_DESCRIPTIONS", str(tmp_path / "sequences.json"))


@pytest.fixture(autouse=True)
def _no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No error of a test gets into the log of who runs it."""
    monkeypatch.setattr("napari_tumor_unet._error_log.log_file", lambda: tmp_path / "errors.log")
    _error_log._log.cache_clear()
    yield
    _error_log._log.cache_clear()


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """Make a head with a tumour, and the tumour's true mask."""
    return make_phantom


def make_phantom(
    shape: tuple[int, int, int] = (8, 64, 64),
    spacing: tuple[float, float, float] | None = None,
    sequences: tuple[str, ...] = SEQUENCES,
    at: tuple[float, float] = (-0.2, 0.25),
    noise: float = 2.0,
) -> tuple[Scan, np.ndarray]:
    """An ellipsoid head in dark air, and in it, around ``at`` (y, x; -1 to 1), a tumour bright on FLAIR."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else [0.0] for n in shape), indexing="ij")
    head = (0.5 * z) ** 2 + (y / 0.85) ** 2 + (x / 0.7) ** 2 < 1
    tumour = (z / 0.8) ** 2 + ((y - at[0]) / 0.3) ** 2 + ((x - at[1]) / 0.25) ** 2 < 1
    grain = noise * np.random.default_rng(0).standard_normal(shape)
    signal = {"pre": 90.0 * head - 30 * tumour, "flair": 70.0 * head + 90 * tumour, "post": 95.0 * head}
    voxels = {s: (signal[s] + 10 + grain).astype(np.float32) for s in sequences}
    return Scan("phantom", voxels, spacing or (1.0, 1.0, 1.0), in_mm=spacing is not None), tumour


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with three small heads, a, b and c, with tumours in different places, and their masks."""
    return write_heads(tmp_path / "data")


def write_heads(folder: Path) -> Path:
    """Write what the fixture ``data`` gives."""
    import tifffile

    folder.mkdir()
    for name, at in (("a", (-0.2, 0.25)), ("b", (0.3, -0.2)), ("c", (0.0, 0.3))):
        scan, mask = make_phantom((4, 40, 36), at=at)
        volume = np.stack([scan.sequences[s] for s in SEQUENCES], axis=1).clip(0).astype(np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", volume, imagej=True, metadata={"axes": "ZCYX"})
        tifffile.imwrite(folder / f"{name}_mask.tif", mask.astype(np.uint8), photometric="minisblack")
    return folder


TINY_RECIPE = """
[preparation]
size = 32
[network]
in_channels = 5
widths = [4, 8]
normalisation = "batch"
dropout = 0.1
[optimisation]
batch_size = 4
[schedule]
epochs = 3
warm_up = 1
averaging = 0.5
[sampling]
slices = 8
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """A recipe that takes no time."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_RECIPE)
    return path


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """A model that computes in no time and has learned nothing."""
    import torch

    from napari_tumor_unet.model.card import Card
    from napari_tumor_unet.model.model_file import Model
    from napari_tumor_unet.model.settings import Preprocessing, UNetConfig
    from napari_tumor_unet.model.unet import UNet

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(UNetConfig(5, (4, 8, 16), "batch", 0.0))
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):  # as after a training: none of them does nothing
                for values, low in ((layer.running_mean, -0.5), (layer.running_var, 0.5)):
                    values.uniform_(low, low + 1)
    return Model(network.eval(), Preprocessing(size=64), Card("tiny", "A model for tests."))


@pytest.fixture(scope="session")
def tiny_model_file(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from napari_tumor_unet.model.model_file import save_model

    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(tiny_model, path)
    return path


@pytest.fixture(scope="session")
def refused() -> Refused:
    """Expect an error of a kind whose message is one sentence, holds some words, and tells no path."""

    @contextmanager
    def expect(kind: type[Exception], *words: str) -> Iterator[None]:
        with pytest.raises(kind) as caught:
            yield
        assert is_one_sentence(message := str(caught.value)), message
        assert all(word in message for word in words), message

    return expect


def is_one_sentence(message: str) -> bool:
    """Whether a message is one sentence without a path in it."""
    return bool(re.fullmatch(r"(?!.*[.?!] [A-Z]).*[.?]", message)) and tempfile.gettempdir() not in message


@pytest.fixture(scope="session")
def shared_lgg() -> Path:
    """The LGG data beside the repository; never part of it."""
    return _beside("lgg")


@pytest.fixture(scope="session")
def shared_brats() -> Path:
    """Two BRATS cases beside the repository; never part of it."""
    return _beside("brats")


@pytest.fixture(scope="session")
def shared_no_tumour() -> Path:
    """Scans without a tumour beside the repository; never part of it."""
    return _beside("no_tumour")


def _beside(name: str) -> Path:
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"no shared/{name} beside the repository")
    return folder


@pytest.fixture
def in_fresh_python() -> Callable[..., str]:
    """Run statements in an interpreter that has imported nothing yet; what they print."""
    import subprocess
    import sys

    def run(code: str, *arguments: Any) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
