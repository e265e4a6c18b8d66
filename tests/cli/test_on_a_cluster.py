"""Commands on a cluster of a scheduler and workers that were started by their own commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from tests.cli.test_cohort import NAMES, arguments, contents, run, scans, small_disk, started
from tests.conftest import is_one_sentence

pytest.importorskip("distributed")
from tests.worker.test_cluster import Machines, machines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.own_child,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]
__all__ = ["arguments", "machines", "run", "scans", "small_disk"]
Run = Callable[..., Result]


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.app, [*map(str, arguments)])


def test_evaluation_and_cross_validation_give_what_they_give_here(
    machines: Machines, data: Path, recipe_file: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        machines.add_worker()
    there = ("--cluster", machines.file)
    command = ["evaluate", data, "--model", tiny_model_file, "--device", "cpu", "--json"]
    assert json.loads(invoke(*command, *there).stdout) == json.loads(invoke(*command).stdout)
    said = []
    for name, options in (("here", ()), ("there", there)):
        command = ["train", data, "--recipe", recipe_file, "--epochs", 1, "--device", "cpu", "--folds", 3]
        result = invoke(*command, "--out", tmp_path / f"{name}.safetensors", *options)
        assert result.exit_code == 0, result.output
        said.append(result.output.splitlines()[-2])
    assert said[0] == said[1]


def test_a_lost_scheduler_is_told_and_the_same_command_goes_on_without_it(
    machines: Machines, run: Run, arguments: list[Any], scans: Path, tmp_path: Path
) -> None:
    for i in range(80):
        shutil.copy(scans / "p0.tif", scans / f"q{i}.tif")
    machines.add_worker()
    out = tmp_path / "out"
    with started(arguments, out, "--cluster", machines.file) as process:
        assert process.stdout is not None
        process.stdout.readline()
        machines.scheduler.kill()
        rest = process.stdout.read()
        assert process.wait(60) == 1
    *_, last = rest.splitlines()
    assert last == "The scheduler of the cluster was lost; the same command with --continue goes on."
    assert run(out, "--continue").exit_code == 0
    assert run(tmp_path / "through").exit_code == 0
    assert contents(out) == contents(tmp_path / "through")


def test_scans_wait_for_the_first_worker(machines: Machines, arguments: list[Any], tmp_path: Path) -> None:
    with started(arguments, tmp_path / "out", "--cluster", machines.file) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == "The cluster has no worker yet; the first one that comes begins.\n"
        machines.add_worker()
        process.stdout.read()
        assert process.wait(60) == 0
    assert len([*(tmp_path / "out").glob("*_mask.tif")]) == len(NAMES)


@pytest.fixture
def other_view() -> None:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if not shutil.which("unshare") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("root alone mounts a disk for one process")


@pytest.mark.usefixtures("other_view")
@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("mount -t tmpfs tmpfs {out}", "A worker does not see out; all machines need scans and masks"),
        ("mount -t tmpfs tmpfs {scans}", "A worker does not see p0.tif; all machines need"),
        ("mount --bind {out} {out} && mount -o remount,bind,ro {out}", "A worker cannot write in out; give"),
    ],
)
def test_a_worker_that_does_not_share_the_folders_is_told_of_when_it_comes(
    machines: Machines, arguments: list[Any], scans: Path, tmp_path: Path, mount: str, words: str
) -> None:
    (out := tmp_path / "out").mkdir()
    with started(arguments, out, "--cluster", machines.file) as process:
        assert process.stdout is not None
        process.stdout.readline()  # which says that there is none yet
        machines.add_worker(mount.format(out=out, scans=scans))
        *_, last = process.stdout.read().splitlines()
        assert process.wait(60) == 1
    assert last.startswith(words)
    assert is_one_sentence(last)
    assert not [*out.glob("*_mask.tif")]


def test_a_full_disk_of_the_workers_is_told_for_each_scan(
    machines: Machines, run: Run, small_disk: Path
) -> None:
    machines.add_worker()
    (filler := small_disk / "filler").write_bytes(bytes(2**16 - 4096))
    result = run(small_disk, "--cluster", machines.file)
    assert result.exit_code == 1
    assert result.output.count("No space left on device") == 6
    filler.unlink()
    assert run(small_disk, "--continue", "--cluster", machines.file).exit_code == 0
