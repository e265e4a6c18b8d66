"""Many scans in a shell: killed and continued, in parts, by several processes, with a table that grows."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.cli.cohort import GrowingTable
from napari_tumor_unet.scan import SEQUENCES
from tests.conftest import ROOT, is_one_sentence, make_phantom

COMMAND = [sys.executable, "-c", "from napari_tumor_unet.cli import main; main()"]
NAMES = [f"p{i}" for i in range(6)]
Run = Callable[..., Result]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    import numpy as np

    folder = tmp_path / "scans"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        scan, _ = make_phantom((5, 24, 20), at=(0.1 * i - 0.2, 0.2))
        volume = np.stack([scan.sequences[s] for s in SEQUENCES], axis=1)
        tifffile.imwrite(folder / f"{name}.tif", volume, imagej=True, metadata={"axes": "ZCYX"})
    return folder


@pytest.fixture
def arguments(scans: Path, tiny_model_file: Path) -> list[Any]:
    return ["segment", scans, "--model", tiny_model_file, "--device", "cpu", "--threshold", 0.45, "--out"]


@pytest.fixture
def run(arguments: list[Any]) -> Run:
    def invoke(out: Path, *options: Any) -> Result:
        return CliRunner().invoke(cli.app, [*map(str, [*arguments, out, *options])])

    return invoke


def started(arguments: list[Any], out: Path, *options: Any) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, [*arguments, out, *options])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def contents(out: Path) -> dict[str, Any]:
    """What a run left in its folder, apart from times."""
    files: dict[str, Any] = {path.name: path.read_bytes() for path in out.iterdir()}
    for name in files:
        if name.endswith(".json"):
            files[name] = told = json.loads(files[name])
            del told["provenance"]["date"], told["provenance"]["seconds"]
    return files


def rows(table: Path) -> dict[str, dict[str, str]]:
    with table.open(newline="") as file:
        return {row["scan"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_killed_at_any_touch_of_its_folder_is_continued_to_what_one_run_gives(
    run: Run, arguments: list[Any], tmp_path: Path
) -> None:
    through, killed = tmp_path / "through", tmp_path / "killed"
    assert run(through).exit_code == 0
    for touches in (2, 7, 10, 13):  # the folder is made, a file opened, renamed, or removed
        script = KILLED.format(touches=touches, folder=str(killed))
        command = [sys.executable, "-c", script, *map(str, [*arguments, killed, "--continue"])]
        assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert run(killed, "--continue").exit_code == 0
    assert contents(killed) == contents(through)


KILLED = """
import os, signal, sys
from napari_tumor_unet.cli import main
left = {touches}

def watch(event, arguments):
    global left
    if event in ("open", "os.mkdir", "os.rename", "os.remove") and {folder!r} in str(arguments[0]):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
main()
"""


@pytest.mark.slow
@pytest.mark.own_child
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("options", [(), ("--workers", 2)])
def test_killed_runs_that_are_continued_give_what_one_run_gives(
    run: Run, arguments: list[Any], tmp_path: Path, options: tuple[Any, ...]
) -> None:
    through, killed = tmp_path / "through", tmp_path / "killed"
    assert run(through).exit_code == 0
    for lines in (1, 2):
        with started(arguments, killed, "--continue", *options) as process:
            assert process.stdout is not None
            for _, line in zip(range(lines), process.stdout, strict=False):
                assert "error" not in line
            os.kill(process.pid, signal.SIGKILL)
    table = tmp_path / "table.csv"
    result = run(killed, "--continue", "--table", table)
    assert result.exit_code == 0, result.output
    assert contents(killed) == contents(through)
    assert list(rows(table)) == NAMES
    *_, last = result.output.splitlines()
    assert "done before, 0 failed." in last


def test_what_a_killed_process_left_half_written_goes(run: Run, tmp_path: Path) -> None:
    from napari_tumor_unet._common import PARTIAL, _machine

    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    (out := tmp_path / "out").mkdir()
    gone, ours, elsewhere = (
        out / f"{PARTIAL}{owner}-0.tif"
        for owner in (f"{_machine()}-{int(done.stdout)}", f"{_machine()}-{os.getpid()}", "else-1")
    )
    for path in (gone, ours, elsewhere):
        path.touch()
    run(out)
    assert [path.exists() for path in (gone, ours, elsewhere)] == [sys.platform == "win32", True, True]
    os.utime(elsewhere, (0, 0))
    run(out, "--continue")
    assert not elsewhere.exists()


@pytest.mark.slow
@pytest.mark.own_child
def test_two_processes_give_what_one_gives(run: Run, tmp_path: Path) -> None:
    one, two, table = tmp_path / "one", tmp_path / "two", tmp_path / "table.csv"
    assert run(one).exit_code == 0
    (tmp_path / "scans" / "bad.tif").write_text("damaged")
    result = run(two, "--workers", 2, "--table", table)
    assert result.exit_code == 1
    assert "1 of 7 scans failed." in result.output
    assert contents(two) == contents(one)
    assert sorted(rows(table)) == ["bad", *NAMES]
    assert rows(table)["bad"]["error"].startswith("bad.tif is damaged")


@pytest.mark.slow
@pytest.mark.own_child
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_ends_all_processes_at_once(arguments: list[Any], tmp_path: Path, scans: Path) -> None:
    for i in range(200):
        shutil.copy(scans / "p0.tif", scans / f"q{i}.tif")
    with started(arguments, tmp_path / "out", "--workers", 2) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        rest = process.stdout.read()
        assert process.wait(10) == 130
        assert time.monotonic() - asked < 5  # under a second on an idle machine
    assert rest.splitlines()[-1] == "Stopped; the same command with --continue goes on."
    assert not psutil.wait_procs(children, 5)[1]


def test_parts_give_all_and_the_last_line_says_which_it_was(run: Run, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(whole).exit_code == 0
    said = [run(parts, "--part", f"{i}/4").output.splitlines()[-1] for i in range(1, 5)]
    assert said == [
        *(f"Part {i} of 4, 2 of 6 scans: 2 segmented, 0 failed." for i in (1, 2)),
        *(f"Part {i} of 4, 1 of 6 scans: 1 segmented, 0 failed." for i in (3, 4)),
    ]
    assert contents(parts) == contents(whole)


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "1/0", "-1/3", "one/two", "1/3/5"])
def test_a_part_that_is_none_is_told_in_a_sentence(run: Run, tmp_path: Path, part: str) -> None:
    result = run(tmp_path / "out", "--part", part)
    assert result.exit_code == 2
    assert "is no part" in result.output


def test_a_run_that_goes_on_does_the_rest_and_tells_how_many_were_done(run: Run, tmp_path: Path) -> None:
    out, table = tmp_path / "out", tmp_path / "table.csv"
    run(out, "--part", "1/3", "--table", table)
    assert list(rows(table)) == ["p0", "p3"]
    result = run(out, "--continue", "--table", table)
    assert result.exit_code == 0, result.output
    assert list(rows(table)) == NAMES
    assert all(row["voxels"] and not row["error"] for row in rows(table).values())
    assert result.output.splitlines()[-1] == "4 segmented, 2 done before, 0 failed."
    assert not [line for line in result.output.splitlines() if line.startswith(("p0:", "p3:"))]


@pytest.mark.parametrize(("content", "options"), [("mine", ["--continue"]), ("scan,volume_ml", []), ("", [])])
def test_a_table_that_is_there_is_not_lost(
    run: Run, tmp_path: Path, content: str, options: list[str]
) -> None:
    (table := tmp_path / "table.csv").write_text(content)
    result = run(tmp_path / "out", "--table", table, *options)
    assert result.exit_code == 1
    assert is_one_sentence(result.output.strip())
    assert table.read_text() == content


def test_each_line_of_the_table_is_there_before_the_next_scan(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_tumor_unet.inference import batch

    table, seen = tmp_path / "table.csv", []
    once = batch.segment_scan

    def look(*arguments: Any) -> Any:
        seen.append(len(rows(table)))
        return once(*arguments)

    monkeypatch.setattr(batch, "segment_scan", look)
    run(tmp_path / "out", "--table", table)
    assert seen == list(range(6))


@pytest.mark.slow
@pytest.mark.own_child
def test_two_processes_score_as_one_does(data: Path, tiny_model_file: Path) -> None:
    (data / "d.tif").write_text("damaged")
    (data / "d_mask.tif").write_text("damaged")
    command = ["evaluate", data, "--model", tiny_model_file, "--device", "cpu", "--json"]
    one, two = (
        json.loads(CliRunner().invoke(cli.app, [*map(str, [*command, *options])]).output)
        for options in ((), ("--workers", 2))
    )
    assert one == two
    assert "damaged" in two["left_out"]["d"]


@pytest.mark.slow
@pytest.mark.own_child
@pytest.mark.skipif(sys.platform == "win32", reason="Slurm runs on Linux")
def test_the_script_for_slurm_does_all_parts(scans: Path, tmp_path: Path) -> None:
    out, command = tmp_path / "out", tmp_path / "bin" / "napari-tumor-unet"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom napari_tumor_unet.cli import main\nmain()\n")
    command.chmod(0o755)
    parts = []
    for i in (1, 2):
        environment = os.environ | {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": str(i),
            "SLURM_ARRAY_TASK_COUNT": "2",
        }
        script = ["sh", str(ROOT / "examples" / "slurm_array.sh"), str(scans), str(out)]
        done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"Part {i} of 2, 3 of 6 scans: 3 segmented, 0 failed."
        parts += rows(out / f"table-{i}.csv")
    assert sorted(parts) == NAMES
    assert {path.name for path in out.glob("*_mask.tif")} == {f"{name}_mask.tif" for name in NAMES}


@pytest.mark.slow
@pytest.mark.own_child
def test_two_runs_over_one_folder_give_what_one_gives(run: Run, arguments: list[Any], tmp_path: Path) -> None:
    through, both = tmp_path / "through", tmp_path / "both"
    assert run(through).exit_code == 0
    with started(arguments, both, "--continue") as one, started(arguments, both, "--continue") as two:
        said = [process.communicate()[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert contents(both) == contents(through)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where one can be mounted."""
    (disk := tmp_path / "disk").mkdir()
    if shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("no disk can be mounted")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("root alone mounts a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.own_child
def test_a_full_disk_is_told_for_each_scan_and_the_same_command_goes_on_with_room(
    run: Run, tmp_path: Path, small_disk: Path
) -> None:
    assert run(tmp_path / "through").exit_code == 0
    (filler := small_disk / "filler").write_bytes(bytes(2**16 - 4096))
    result = run(small_disk, "--continue", "--workers", 2)
    assert result.exit_code == 1
    assert "6 of 6 scans failed." in result.output
    assert result.output.count("No space left on device") == 6
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    filler.unlink()
    assert run(small_disk, "--continue").exit_code == 0
    assert contents(small_disk) == contents(tmp_path / "through")


@pytest.mark.slow
@pytest.mark.own_child
def test_a_disk_that_becomes_read_only_is_told_for_each_scan(run: Run, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = run(small_disk, "--workers", 2)
    assert result.exit_code == 1
    assert "6 of 6 scans failed." in result.output
    assert result.output.count("Read-only file system") == 6


def test_a_table_on_a_full_disk_ends_the_run_with_a_sentence_and_the_masks_stay(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: GrowingTable, text: str, *__: str) -> None:
        if "p2" in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(GrowingTable, "_write", full)
        result = run(tmp_path / "out", "--table", tmp_path / "table.csv")
    assert result.exit_code == 1
    *_, last = result.output.splitlines()
    assert last.startswith("The table table.csv cannot be written: No space left on device; what is done")
    *_, last = run(tmp_path / "out", "--continue").output.splitlines()
    assert last == "3 segmented, 3 done before, 0 failed."


def test_more_workers_than_memory_are_refused_before_anything_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Free:
        available = 1_600_000_000

    monkeypatch.setattr(psutil, "virtual_memory", Free)
    result = run(tmp_path / "out", "--workers", 64)
    assert result.exit_code == 1
    assert result.output.strip() == (
        "64 workers need 32.0 GB of memory, and 1.6 GB are free; take 3 at most."
    )
    assert not list((tmp_path / "out").iterdir())


def test_going_on_with_another_model_keeps_what_was_there_and_says_where(run: Run, tmp_path: Path) -> None:
    run(out := tmp_path / "out")
    before = contents(out)
    result = run(out, "--continue", "--model", "default")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "6 segmented, 0 failed."
    (kept,) = out.glob("replaced-*")
    assert result.output.count(f"What was there before is kept in {kept.name}.") == 6
    assert contents(kept) == before


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders mean nothing there")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_in_is_told_for_each_scan(run: Run, tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir(mode=0o500)
    result = run(out)
    assert result.exit_code == 1
    assert "6 of 6 scans failed." in result.output
