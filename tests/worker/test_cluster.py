"""A real cluster of processes does the jobs; what is wrong with it is one sentence."""

from __future__ import annotations

import ast
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model.card import file_hash
from napari_tumor_unet.training.fold import train_fold
from napari_tumor_unet.worker.cluster import Cluster
from napari_tumor_unet.worker.engine import LostEngineError, result_or_error, run_jobs
from napari_tumor_unet.worker.needs import Needs
from tests.cli.test_cohort import NAMES, contents, rows, scans
from tests.conftest import ROOT, Refused, is_one_sentence
from tests.worker.test_engine import assert_same_weights, train_and_die, two_folds

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.own_child,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]
__all__ = ["scans"]


class Machines:
    """A scheduler and workers, started by their own commands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--dashboard-address", ":0")
        self._processes = [self.scheduler]
        while not self.file.exists():
            assert self.scheduler.poll() is None
            time.sleep(0.05)

    def add_worker(self, mount: str = "") -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, so that it stays dead; a command may mount what it alone sees."""
        options = ("--no-nanny", "--nthreads", "1", "--dashboard-address", ":0")
        command = ("worker", *options, "--local-directory", str(self._folder))
        within = ("unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh") if mount else ()
        self._processes.append(self._start(*command, within=within))
        return self._processes[-1]

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _start(self, what: str, *options: str, within: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        script = f"from distributed.cli.dask_{what} import main; main()"
        command = [*within, sys.executable, "-c", script, "--scheduler-file", str(self.file), *options]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])}
        with (self._folder / f"{what}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@pytest.fixture
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    machines = Machines(tmp_path_factory.mktemp("cluster"))
    yield machines
    machines.close()


@pytest.fixture
def needs(tiny_model_file: Path, tmp_path: Path) -> Needs:
    return Needs.of(str(tiny_model_file), file_hash(tiny_model_file), tmp_path)


def tried(job: int, folder: Path) -> Generator[Any, None, int]:
    """Say who does a job; number 3 kills it the first time."""
    yield from ()
    mark = folder / str(job)
    if job == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    mark.touch()
    time.sleep(0.1)
    return os.getpid()


def deadly(_: int) -> Generator[Any, None, None]:
    yield from ()
    os.kill(os.getpid(), signal.SIGKILL)


def waiting(_: int, mark: Path) -> Generator[Any, None, None]:
    yield from ()
    mark.touch()
    time.sleep(60)


def test_a_worker_that_dies_is_made_up_for_by_the_others_and_one_that_joins(
    machines: Machines, needs: Needs, tmp_path: Path
) -> None:
    machines.add_worker()
    cluster = Cluster(str(machines.file), needs)
    try:
        jobs = run_jobs(cluster, tried, range(30), tmp_path)
        who = [next(jobs)[1].result()]
        late = machines.add_worker()
        who += [future.result() for _, future in jobs]
    finally:
        cluster.close()
    assert len(who) == 30
    assert late.pid in who


def test_a_local_cluster_starts_another_process_for_one_that_dies(needs: Needs, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as local:
        cluster = Cluster(local.scheduler_address, needs)
        try:
            who = [future.result() for _, future in run_jobs(cluster, tried, range(12), tmp_path)]
        finally:
            cluster.close()
    assert len(who) == 12


def test_a_fold_whose_worker_dies_goes_on_elsewhere(
    machines: Machines, needs: Needs, data: Path, recipe_file: Path
) -> None:
    for _ in range(2):
        machines.add_worker()
    killed, through = two_folds(data, recipe_file)
    cluster = Cluster(str(machines.file), needs)
    try:
        ((_, future),) = run_jobs(cluster, train_and_die, [killed])
        ((_, other),) = run_jobs(cluster, train_fold, [through])
        assert future.result().dice == other.result().dice
    finally:
        cluster.close()
    assert killed.out.with_suffix(".killed").exists()
    assert_same_weights(killed, through)


def test_a_job_that_kills_each_worker_is_an_error_of_its_own(machines: Machines, needs: Needs) -> None:
    for _ in range(4):
        machines.add_worker()
    cluster = Cluster(str(machines.file), needs)
    try:
        ((_, future),) = run_jobs(cluster, deadly, [1])
        _, error, _ = result_or_error(future, "brain")
        assert error.startswith("brain ended its process more than once: worker after worker died of it")
    finally:
        cluster.close()


def test_no_key_holds_a_name(machines: Machines, needs: Needs, tmp_path: Path) -> None:
    cluster = Cluster(str(machines.file), needs)
    try:
        cluster.submit(tried, "patient", tmp_path)
        keys: list[str] = []
        while not keys:  # it is on its way
            keys = cluster._client.run_on_scheduler(lambda dask_scheduler: [*map(str, dask_scheduler.tasks)])
    finally:
        cluster.close()
    assert "patient" not in keys[0]


def test_what_runs_between_the_messages_of_a_worker_imports_no_torch(
    in_fresh_python: Callable[..., str],
) -> None:
    code = """if True:
        import sys
        from napari_tumor_unet.worker.cluster import _complaint
        from napari_tumor_unet.worker.needs import Needs
        print(_complaint(Needs.of_plugin()), "torch" in sys.modules)
    """
    assert in_fresh_python(code).split() == ["False"]


def test_a_lost_scheduler_is_told(machines: Machines, needs: Needs, tmp_path: Path) -> None:
    machines.add_worker()
    cluster = Cluster(str(machines.file), needs)
    try:
        jobs = run_jobs(_kills(cluster, machines, tmp_path / "mark"), waiting, [1, 2, 3], tmp_path / "mark")
        with pytest.raises(LostEngineError, match="scheduler of the cluster was lost"):
            next(jobs)
    finally:
        cluster.close()


def _kills(cluster: Cluster, machines: Machines, mark: Path) -> Any:
    """The cluster, whose scheduler is killed once a job has begun."""

    class Killing:
        in_flight = 2

        def submit(self, *args: Any) -> Any:
            future = cluster.submit(*args)
            while not mark.exists():
                time.sleep(0.05)
            machines.scheduler.kill()
            return future

    return Killing()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc's own setting")
def test_a_worker_keeps_the_memory_that_it_freed() -> None:
    """dask has it given back at once, and each tensor costs page faults again."""
    script = (
        "import pickle; from napari_tumor_unet.worker.cluster import _do\n"
        "from tests.worker.test_cluster import page_faults\n"
        "print(_do(pickle.dumps((page_faults, ()))))"
    )
    environment = {"PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)]), "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 2000  # 50 times 256 otherwise


def page_faults() -> Generator[Any, None, int]:
    """Count them while 50 arrays of a MiB come and go."""
    import resource

    import numpy as np

    yield from ()
    np.ones(2**20, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(2**20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_the_cluster_of_the_docs_is_made_by_options_that_dask_jobqueue_has() -> None:
    text = (ROOT / "docs" / "many-scans.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    called = {
        node.func.id: node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    options = {keyword.arg for keyword in called["SLURMCluster"].keywords}
    assert options <= {"cores", "processes", "memory", "scheduler_options"}


def test_workers_that_lack_something_are_told_of_before_anything_runs(
    machines: Machines, needs: Needs, tmp_path: Path, refused: Refused
) -> None:
    machines.add_worker()
    machines_ready(machines, needs)
    for lacking, words in (
        (replace(needs, version="99"), "of the plugin, not 99"),
        (replace(needs, model_hash="0"), "another model of the name tiny"),
        (replace(needs, paths=(tmp_path / "elsewhere",)), "does not see elsewhere"),
    ):
        with refused(TumourUnetError, words):
            Cluster(str(machines.file), lacking)


def machines_ready(machines: Machines, needs: Needs) -> None:
    """Wait for the first worker."""
    cluster = Cluster(str(machines.file), needs)
    cluster._client.wait_for_workers(1, timeout=60)
    cluster.close()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere.json", "other.json", "gibberish://x"])
def test_a_scheduler_that_does_not_answer_is_told(
    needs: Needs, refused: Refused, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_tumor_unet.worker.cluster._PATIENCE", 0.5)
    with refused(TumourUnetError, "No scheduler answers at"):
        Cluster(address, needs)


def test_segment_gives_on_a_cluster_what_it_gives_here(
    machines: Machines, scans: Path, tmp_path: Path, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str, *options: Any) -> Result:
        command = [
            "segment",
            scans.name,
            "--model",
            tiny_model_file,
            "--device",
            "cpu",
            "--out",
            out,
            *options,
        ]
        return CliRunner().invoke(cli.app, [*map(str, command)])

    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        machines.add_worker()
    assert run("here").exit_code == 0
    (scans / "bad.tif").write_text("damaged")
    result = run("there", "--cluster", machines.file, "--table", "table.csv")
    assert result.exit_code == 1, result.output
    assert "1 of 7 scans failed." in result.output
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert sorted(rows(tmp_path / "table.csv")) == ["bad", *NAMES]
    again = run("there", "--cluster", machines.file, "--continue")
    assert again.output.splitlines()[-1] == "0 segmented, 6 done before, 1 failed."
    assert is_one_sentence(again.output.splitlines()[-1])
