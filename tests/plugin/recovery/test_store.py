from __future__ import annotations

import inspect
import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.plugin.recovery import store
from napari_tumor_unet.plugin.recovery.store import (
    Autosave,
    AutosaveError,
    autosave_folder,
    load,
    orphaned_autosaves,
    save,
)
from tests.conftest import Refused

INTEGERS = st.sampled_from(["u1", "i2", "u4", "i8"])
VOLUMES = hnp.arrays(
    INTEGERS, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.integers(0, 2)
)


def make(mask: np.ndarray | None = None, scan: str = "a scan") -> Autosave:
    mask = np.eye(4, dtype=np.uint8)[None] if mask is None else mask
    written, probability = np.zeros((2, 3, 4), np.uint8), np.full((2, 3, 4), 7, np.uint8)
    return Autosave(scan, 1, mask, written, probability, {"name": f"{scan} tumour"}, {"place": {"at": [0]}})


def filled(n: int, probability: int = 9) -> Autosave:
    """One whose parts tell whether they belong together."""
    mask, written, volume = (np.full((3, 20, 20), value, np.uint8) for value in (n, n, probability))
    return Autosave(f"scan {n}", n, mask, written, volume, {}, {"n": n})


def save_as_the_version_before(autosave: Autosave, path: Path) -> None:
    """Write one file without empty planes, as the version before did."""
    arrays, shapes = {}, {}
    for name in ("mask", "written", "probability"):
        array = getattr(autosave, name)
        planes = array.reshape(-1, *array.shape[-2:])
        shapes[name] = array.shape
        arrays[f"{name}_at"] = at = np.flatnonzero(planes.any(axis=(1, 2)))
        arrays[f"{name}_planes"] = planes[at]
    header = {name: getattr(autosave, name) for name in ("scan", "edited", "layer", "result")}
    header |= {"format": "napari-tumor-unet corrections 1", "when": "2026-01-01T12:00:00+00:00"}
    told = np.frombuffer(json.dumps(header | {"shapes": shapes}).encode(), np.uint8)
    np.savez_compressed(path, told=told, **arrays)


@pytest.fixture
def left() -> Path:
    """The autosave of a process that has ended."""
    path = autosave_folder() / ("0" * 32) / "some.npz"
    save(make(), path)
    return path


@contextmanager
def napari_that_autosaves() -> Iterator[subprocess.Popen[str]]:
    """Another process, which lives on after it has written an autosave."""
    code = """if True:
        import sys
        from tests.plugin.recovery.test_store import make
        from napari_tumor_unet.plugin.recovery.store import new_file, save
        save(make(scan="of another"), new_file())
        print("saved", flush=True)
        sys.stdin.read()
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:
        assert process.stdout.readline() == "saved\n"
        yield process
        process.kill()


@given(mask=VOLUMES)
def test_a_saved_layer_is_loaded_as_it_was(
    mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("autosave") / "a.npz"
    saved = make(mask)
    save(saved, path)
    loaded = load(path)
    for name in ("mask", "written", "probability"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name), strict=True)
    assert (loaded.scan, loaded.edited, loaded.layer, loaded.result) == (
        *("a scan", 1),
        *(saved.layer, saved.result),
    )
    assert loaded.digest == saved.digest


@given(mask=VOLUMES)
def test_one_of_the_version_before_is_loaded_as_it_was(
    mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("autosave") / "a.npz"
    save_as_the_version_before(saved := make(mask), path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.mask, mask, strict=True)
    np.testing.assert_array_equal(loaded.probability, saved.probability, strict=True)
    assert loaded.digest == saved.digest


def test_one_of_the_version_before_is_offered_and_deleted() -> None:
    path = autosave_folder() / ("0" * 32) / "some.npz"
    path.parent.mkdir(parents=True)
    save_as_the_version_before(make(), path)
    assert [(orphan.scan, orphan.edited) for orphan in orphaned_autosaves()] == [("a scan", 1)]
    store.discard(path)
    assert not orphaned_autosaves()
    assert not path.parent.exists()


def test_what_does_not_change_is_written_once(left: Path) -> None:
    before = {path: path.stat().st_ino for path in left.parent.glob("*.volume")}
    save(make(np.ones((2, 4, 4), np.uint8)), left)
    assert before == {path: path.stat().st_ino for path in left.parent.glob("*.volume")}
    assert len(before) == 2


def test_volumes_of_another_threshold_take_the_place_of_those_before(left: Path) -> None:
    for n in range(3):
        save(filled(n), left)
        assert len(list(left.parent.iterdir())) == 3
    np.testing.assert_array_equal(load(left).written, 2)


STEPS = 8  # of a second save: three files that appear, three partial ones and two volumes that go


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_process_that_is_killed_while_it_saves_leaves_a_whole_state(step: int) -> None:
    code = f"""if True:
        import os
        from pathlib import Path
        import numpy as np
        from napari_tumor_unet.plugin.recovery.store import Autosave, new_file, save
        {inspect.getsource(filled).replace(chr(10), chr(10) + 8 * " ")}
        save(filled(1), path := new_file())
        steps = iter(range(100))
        def last_step(act):
            def call(*args, **kwargs):
                if next(steps) == {step}:
                    os._exit(9)  # as SIGKILL: nothing is tidied up
                return act(*args, **kwargs)
            return call
        Path.replace, Path.unlink = last_step(Path.replace), last_step(Path.unlink)
        save(filled(2, probability=8), path)
    """
    ended = subprocess.run([sys.executable, "-c", code])
    assert ended.returncode == (9 if step < STEPS else 0)
    (orphan,) = orphaned_autosaves()
    loaded = load(orphan.path)
    assert loaded.edited == (1 if step < 5 else 2)
    np.testing.assert_array_equal(loaded.mask, loaded.edited)
    np.testing.assert_array_equal(loaded.written, loaded.edited)
    np.testing.assert_array_equal(loaded.probability, 10 - loaded.edited)
    assert len(list(orphan.path.parent.iterdir())) <= 6
    store.discard(orphan.path)
    assert not orphaned_autosaves()
    assert not orphan.path.parent.exists()


def test_another_voxel_is_another_digest() -> None:
    mask = np.zeros((2, 4, 4), np.uint8)
    first = make(mask).digest
    mask[1, 2, 3] = 1
    assert make(mask).digest != first


def test_leftovers_are_those_of_processes_that_were_killed() -> None:
    with napari_that_autosaves() as other:
        save(make(), store.new_file())
        assert not orphaned_autosaves()
        other.send_signal(signal.SIGKILL)
        other.wait()
        found = orphaned_autosaves()
    assert [orphan.scan for orphan in found] == ["of another"]
    assert load(found[0].path).edited == 1
    store.discard(found[0].path)
    assert not orphaned_autosaves()
    assert not found[0].path.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_nobody_else_may_read_them() -> None:
    path = store.new_file()
    save(make(), path)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent, autosave_folder())}
    assert list(modes.values()) == [0o600, 0o700, 0o700]
    assert {stat.S_IMODE(p.stat().st_mode) for p in autosave_folder().glob("*.lock")} == {0o600}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_refused(left: Path, share: float, refused: Refused) -> None:
    content = left.read_bytes()
    left.write_bytes(content[: int(share * len(content))])
    assert not orphaned_autosaves()
    with refused(AutosaveError, "damaged"):
        load(left)
    assert left.exists()


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_crashes_nothing(at: float, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("autosave") / "a.npz"
    save(make(), path)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with suppress(AutosaveError):
        load(path)


def test_what_is_no_autosave_is_neither_offered_nor_deleted(left: Path) -> None:
    foreign = [left.with_name("notes.txt"), left.with_name("mine.npz"), autosave_folder() / "x" / "a.npz"]
    foreign[2].parent.mkdir()
    foreign[0].write_text("mine")
    np.savez(foreign[1], told=np.array([1]))
    with zipfile.ZipFile(foreign[2], "w") as file:
        file.writestr("a", "b")
    assert [orphan.path for orphan in orphaned_autosaves()] == [left]
    store.discard(left)
    assert not orphaned_autosaves()
    assert all(path.exists() for path in foreign)


@pytest.mark.parametrize(
    "names", [["a.volume"], [".partial-a"], ["a-1.npy"], ["b.npz"], ["b.npz", "a.volume"]]
)
def test_a_folder_of_others_is_left_as_it_is_without_a_lock(names: list[str]) -> None:
    folder = autosave_folder() / ("0" * 32)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("mine")
    assert not orphaned_autosaves()
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert [path.name for path in autosave_folder().iterdir()] == [folder.name]


def test_an_autosave_of_a_later_version_is_left_with_its_volumes(left: Path) -> None:
    left.rename(left.with_suffix(".npz3"))
    before = sorted(left.parent.iterdir())
    assert not orphaned_autosaves()
    assert sorted(left.parent.iterdir()) == before


def test_pickles_are_not_read(left: Path, refused: Refused) -> None:
    np.savez(left, told=np.array([{"scan": "a"}], dtype=object))
    assert not orphaned_autosaves()
    with refused(AutosaveError, "damaged"):
        load(left)


def test_planes_that_lie_outside_are_refused(left: Path, refused: Refused) -> None:
    save_as_the_version_before(make(), left)
    with np.load(left) as file:
        arrays = dict(file)
    np.savez(left, **arrays | {"mask_at": np.array([7])})
    with refused(AutosaveError, "damaged"):
        load(left)


def test_one_without_its_volumes_is_refused(left: Path, refused: Refused) -> None:
    for volume in left.parent.glob("*.volume"):
        volume.write_bytes(b"PK")
    with refused(AutosaveError, "damaged"):
        load(left)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_one_is_not_waited_for(left: Path, refused: Refused) -> None:
    left.unlink()
    os.mkfifo(left)
    with refused(AutosaveError, "damaged"):
        load(left)
    assert orphaned_autosaves() == []


def test_one_that_is_gone_is_refused(left: Path, refused: Refused) -> None:
    left.unlink()
    with refused(AutosaveError, "are gone"):
        load(left)


def test_a_full_disk_leaves_the_one_before_whole(
    left: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def full(file: object, **_: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with refused(AutosaveError, "Autosave of b failed (No space left on device)"):
        save(make(scan="b"), left)
    assert load(left).scan == "a scan"
    assert list(left.parent.glob("*.npz")) == [left]
    assert not list(left.parent.glob(".partial-*"))


def test_without_a_folder_there_are_no_orphaned_autosaves() -> None:
    assert not orphaned_autosaves()


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "file" / "autosave"))
    with refused(AutosaveError, "Autosave failed"):
        store.new_file()
    assert not orphaned_autosaves()
