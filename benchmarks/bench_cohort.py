"""How many scans a minute several processes do, against one; what the engine costs; memory; a huge folder.

    python benchmarks/bench_cohort.py [--scans 48] [--jobs 2000] [--files 50000]

Scans are copies of a phantom of 12 slices of 128 x 128. They are done here, by one process, by two, and where
distributed is installed, by one and two workers of dask, each with one thread. The cost of an engine is how
much more of the processors' time one worker takes for all than this process does: other work on the machine
disturbs that less. Memory is that of this process while a pool does jobs that do nothing, after a hundred and
after all. The walk finds and names the scans of a folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import numpy as np
import psutil  # type: ignore[import-untyped]
import tifffile
from phantoms import make_phantom

from napari_tumor_unet.inference.batch import plan_jobs, segment_jobs
from napari_tumor_unet.inference.scan_job import Outcome, ScanJob, Settings
from napari_tumor_unet.io.find import find_scan_files
from napari_tumor_unet.model.model_file import load_model
from napari_tumor_unet.worker.cohort import segment_on
from napari_tumor_unet.worker.engine import Engine, LocalPool, run_jobs
from napari_tumor_unet.worker.needs import Needs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--files", type=int, default=50_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_rates(Path(folder), given.scans)
        print_walk(Path(folder) / "many", given.files)
    print_memory(given.jobs)


def print_rates(folder: Path, n: int) -> None:
    """Print scans a minute, and their ratios."""
    volume, _ = make_phantom(slices=12, size=128, seed=0)
    scans = folder / "scans"
    scans.mkdir()
    for i in range(n):
        tifffile.imwrite(scans / f"p{i:03}.tif", np.asarray(volume), imagej=True, metadata={"axes": "ZCYX"})
    files, model = find_scan_files(scans), load_model("default")
    needs = Needs.of("default", model.hash)

    def by(engine: Engine) -> Callable[[list[ScanJob]], Iterator[Any]]:
        return lambda jobs: segment_on(engine, jobs, needs)

    def rate(do: Callable[[list[ScanJob]], Iterator[Any]]) -> tuple[float, float]:
        for name, some in (("warm", files[:4]), ("all", files)):
            out = folder / name
            out.mkdir(exist_ok=True)
            jobs = plan_jobs(some, out, Settings("cpu", overwrite=True))
            start, used = time.monotonic(), processor_seconds()
            outcomes = [event for event in do(jobs) if isinstance(event, Outcome)]
            assert not any(outcome.error for outcome in outcomes), outcomes
        return 60 * n / (time.monotonic() - start), processor_seconds() - used

    rates = {"here": rate(lambda jobs: segment_jobs(jobs, model))}
    for workers in (1, 2):
        pool = LocalPool(workers, threads=1)
        rates[f"{workers} in the pool"] = rate(by(pool))
        pool.close()
    if find_spec("distributed"):
        for workers in (1, 2):
            with cluster_of(workers, needs) as engine:
                rates[f"{workers} of dask"] = rate(by(engine))
    for name, (value, _) in rates.items():
        print(f"{name:>14}: {value:6.1f} scans a minute, {value / rates['here'][0]:.2f} times here")
    for kind in ("in the pool", "of dask"):
        if f"2 {kind}" in rates:
            (one, used), (two, of_two) = rates[f"1 {kind}"], rates[f"2 {kind}"]
            cost, share = used / rates["here"][1] - 1, of_two / used
            print(f"two {kind}: {two / one:.2f} times one, with {share:.2f} times the processors' time")
            print(f"one {kind}: the engine costs {cost:.1%} of a scan's time")


def processor_seconds() -> float:
    """Return what this process and its children have used."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (this, *this.children(recursive=True)))


@contextmanager
def cluster_of(workers: int, needs: Needs) -> Iterator[Engine]:
    """Start a local cluster of dask."""
    from distributed import LocalCluster

    from napari_tumor_unet.worker.cluster import Cluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as local:
        engine = Cluster(local.scheduler_address, needs)
        try:
            yield engine
        finally:
            engine.close()


def print_walk(folder: Path, n: int) -> None:
    """Print how long it takes to find and name the scans of a folder."""
    folder.mkdir()
    for i in range(n):
        (folder / f"sub-{i:06}{'_FLAIR' * (i % 2)}.nii.gz").touch()  # half of them named after the sequence
    start = time.monotonic()
    jobs = plan_jobs(find_scan_files(folder), folder, Settings())
    print(f"{len(jobs):,} files of a folder are found and named in {time.monotonic() - start:.1f} s")


def print_memory(n: int) -> None:
    """Print how this process grows while a pool walks through a folder that is none."""
    pool = LocalPool(1, threads=1)
    try:
        for i, _ in enumerate(run_jobs(pool, cast(Any, os.walk), ["nowhere"] * n), start=1):
            if i == min(100, n):
                before = psutil.Process().memory_info().rss
        grown = psutil.Process().memory_info().rss - before
    finally:
        pool.close()
    print(f"{n:,} jobs: this process has grown by {grown / 2**20:.1f} MiB since the first hundred")


if __name__ == "__main__":
    main()
