"""Random things that a user may do leave no error, no process, no thread and no panel behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from napari_tumor_unet.model import registry
from tests.conftest import ROOT

SEED = 1


@pytest.mark.slow
def test_three_hundred_random_actions_leave_nothing_behind(
    tmp_path: Path, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.import_model(tiny_model_file)
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))
    command = [sys.executable, "-m", "tests.plugin.monkey", str(SEED), "--model", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    report = json.loads(done.stdout)
    assert not report["faults"], "\n".join(report["faults"])
    assert not report["left over"]
    assert not report["grown"]
