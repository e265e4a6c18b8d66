"""Read many damaged files, in children with limits of memory and time; tell which failed.

A child does one case after the other. When it dies, the case that it was at has failed, and another child
goes on with the next.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from napari_tumor_unet._common import TumourUnetError
from tests.conftest import ROOT, is_one_sentence
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.mutate import has_shell, mutate, mutate_within

SECONDS, PATIENCE = 10, 300  # of the processor, and of the clock, for a case
MEMORY = 2 << 30  # bytes that a child may take beyond its imports: many times what the largest case takes


@dataclass(frozen=True)
class Failure:
    """A case that failed: its number, the kind of its file, what happened, and where the file is."""

    case: int
    kind: str
    what: str
    folder: Path


def run(cases: int, seed: int, folder: Path) -> Iterator[Failure]:
    """Do the cases, and yield the failures; their files stay in the folder."""
    case = 0
    while case < cases:
        command = [sys.executable, "-m", "tests.fuzz.campaign", str(case), str(cases), str(seed), str(folder)]
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT) as child,
        ):
            started = False
            for line in child.stdout or ():
                started = True
                if what := json.loads(line):
                    yield _failure(case, what, folder)
                case += 1
            if child.wait() and case < cases:
                errors.seek(0)
                if not started and not case_folder(folder, case).exists():
                    raise RuntimeError(errors.read())
                yield _failure(case, f"{_death(child.returncode)}: {errors.read()[-2000:]}", folder)
                case += 1


def case_folder(folder: Path, case: int) -> Path:
    """Return the folder of a case."""
    return folder / f"{case}-{_kind_of(case)}".replace(", ", "-")


def _kind_of(case: int) -> str:
    return list(KINDS)[case % len(KINDS)]


def _failure(case: int, what: str, folder: Path) -> Failure:
    return Failure(case, _kind_of(case), what, case_folder(folder, case))


def _death(code: int) -> str:
    late = {-signal.SIGPROF: SECONDS, -signal.SIGALRM: PATIENCE} if hasattr(signal, "setitimer") else {}
    return f"took over {late[code]} s" if code in late else f"the process ended with {code}"


def _serve(first: int, cases: int, seed: int, folder: Path) -> None:
    """Do the cases in this process; print of each what went wrong, or nothing."""
    warnings.simplefilter("ignore")
    sound = folder / "sound"
    expected: dict[str, object] = {}
    for name, kind in KINDS.items():
        (sound / name).mkdir(parents=True, exist_ok=True)
        if not any((sound / name).iterdir()):
            kind.make(sound / name)
        with suppress(AssertionError):  # the cases tell of it
            expected[name] = kind.read(sound / name)  # with all imports
    _limit_memory()
    for case in range(first, cases):
        name, at = _kind_of(case), case_folder(folder, case)
        shutil.copytree(sound / name, at)
        sealed = _damage(at, KINDS[name], Random(f"{seed} {case}"))
        what = _outcome(KINDS[name], at, expected[name] if sealed else None)
        if not what:
            shutil.rmtree(at)
        print(json.dumps(what), flush=True)


def _damage(folder: Path, kind: Kind, random: Random) -> bool:
    """Damage one file of a folder, or take it away; whether a checksum tells."""
    path = random.choice(sorted(path for path in folder.rglob("[!.]*") if path.is_file()))
    content = path.read_bytes()
    if random.random() < 0.02:
        path.unlink()
        return False
    if has_shell(path.name, content) and random.random() < 0.5:
        path.write_bytes(mutate_within(path.name, content, random))
        return False
    path.write_bytes(mutate(content, random))
    return kind.sealed


def _outcome(kind: Kind, folder: Path, expected: object) -> str:
    """Say what is wrong with reading a folder; empty if nothing is."""
    _limit_time(SECONDS, PATIENCE)
    try:
        result = kind.read(folder)
    except TumourUnetError as error:
        fine = is_one_sentence(str(error)) and str(folder) not in str(error)
        return "" if fine else f"no sentence: {str(error)[:500]}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:500]}"
    finally:
        _limit_time(0, 0)
    return "" if expected is None or result == expected else "another result, without a word"


def _limit_time(processor: int, clock: int) -> None:
    """End the process after so many seconds, also while it is in C; 0 is no limit."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, processor)
        signal.setitimer(signal.ITIMER_REAL, clock)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    import psutil

    limit = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    import faulthandler

    faulthandler.enable()
    _serve(*map(int, sys.argv[1:4]), Path(sys.argv[4]))
