"""What may go wrong around a run, in a real viewer: nothing hangs, nothing is lost, nothing stays."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import weakref
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import psutil
import pytest
from napari.layers import Image, Labels

from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.layers.metadata import KEY
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, start_segmentation

pytestmark = pytest.mark.usefixtures("quick_model")
Finish = Callable[..., bool]


@pytest.fixture
def scan(viewer: napari.Viewer) -> Image:
    """A scan that takes a while, slice by slice."""
    return viewer.add_image(make_phantom((120, 64, 64))[0].sequences["flair"], name="scan")


@pytest.fixture
def finish(qtbot: Any) -> Finish:
    """Wait for the end of the run under way; whether it ended well."""

    def wait(viewer: napari.Viewer) -> bool:
        session = SegmentationController.of(viewer)
        qtbot.waitUntil(lambda: not session.context.busy, timeout=PATIENCE)  # it may have ended by now
        return session.outcome is not None and not session.outcome.error

    return wait


def begin(viewer: napari.Viewer, qtbot: Any, progress: bool = True) -> SegmentationController:
    """Start, and wait for the first slices."""
    start_segmentation()
    session = SegmentationController.of(viewer)
    if progress:
        with qtbot.waitSignal(session.progressed, timeout=PATIENCE):
            pass
    return session


def mask_of(viewer: napari.Viewer) -> Labels:
    return next(layer for layer in viewer.layers if "written" in layer.metadata.get(KEY, {}))


@pytest.mark.slow
@pytest.mark.own_child
def test_cancel_at_a_random_moment_twenty_times(
    viewer: napari.Viewer, scan: Image, qtbot: Any, finish: Finish
) -> None:
    begin(viewer, qtbot)
    assert finish(viewer)
    viewer.layers.remove(mask_of(viewer))
    session, moments = SegmentationController.of(viewer), random.Random(2)
    for _ in range(20):
        start_segmentation()
        qtbot.wait(moments.randrange(0, 120))
        if session.context.busy:
            job = session.job.handle
            session.cancel()
            assert not session.context.busy
            assert job.wait(PATIENCE / 1000)
        viewer.layers.selection.active = scan
        for layer in list(viewer.layers):
            if layer is not scan:
                viewer.layers.remove(layer)
    begin(viewer, qtbot)
    assert finish(viewer)
    assert len(viewer.layers) == 2


@pytest.mark.slow
@pytest.mark.own_child
def test_a_child_killed_while_it_starts_is_replaced_or_told(
    viewer: napari.Viewer, scan: Image, qtbot: Any, finish: Finish
) -> None:
    session = begin(viewer, qtbot, progress=False)
    qtbot.waitUntil(lambda: session.context.worker.pid is not None, timeout=PATIENCE)
    os.kill(session.context.worker.pid, signal.SIGKILL)
    if not finish(viewer):
        assert "process was stopped" in session.message.text
    viewer.layers.selection.active = scan
    begin(viewer, qtbot)
    assert finish(viewer)


@pytest.mark.slow
@pytest.mark.usefixtures("scan")
def test_a_child_killed_between_runs_is_not_noticed(
    viewer: napari.Viewer, qtbot: Any, finish: Finish
) -> None:
    session = begin(viewer, qtbot)
    assert finish(viewer)
    os.kill(session.context.worker.pid, signal.SIGKILL)
    begin(viewer, qtbot)
    assert finish(viewer)


def test_a_scan_that_is_renamed_during_a_run_is_segmented(
    viewer: napari.Viewer, scan: Image, qtbot: Any, finish: Finish
) -> None:
    begin(viewer, qtbot)
    scan.name = "another name"
    assert finish(viewer)
    assert mask_of(viewer).data.any()


def test_data_replaced_during_a_run_leave_the_layers_whole(
    viewer: napari.Viewer, scan: Image, qtbot: Any, finish: Finish
) -> None:
    begin(viewer, qtbot)
    scan.data = np.zeros((3, 8, 8), np.float32)
    finish(viewer)
    assert mask_of(viewer).data.shape == (120, 64, 64)
    assert scan.data.shape == (3, 8, 8)


@pytest.mark.usefixtures("scan")
def test_a_mask_whose_data_the_user_replaced_during_a_run_is_left_alone(
    viewer: napari.Viewer, qtbot: Any, finish: Finish
) -> None:
    begin(viewer, qtbot)
    mask = mask_of(viewer)
    mask.data = np.full((3, 8, 8), 5)
    finish(viewer)
    assert (mask.data == 5).all()


@pytest.mark.usefixtures("scan")
def test_slices_that_were_painted_during_a_run_are_left_alone(
    viewer: napari.Viewer, qtbot: Any, finish: Finish
) -> None:
    viewer.dims.set_current_step(0, 0)
    begin(viewer, qtbot)
    mask = mask_of(viewer)
    mask.data_setitem((np.array([110, 0]), np.array([3, 3]), np.array([4, 4])), 7)
    painted = mask.data[110].copy()
    assert finish(viewer)
    np.testing.assert_array_equal(mask.data[110], painted)
    assert mask.data[0, 3, 4] == 7
    assert mask.data[60].any()


@pytest.mark.slow
@pytest.mark.own_child
def test_two_viewers_work_at_once(make_napari_viewer: Any, qtbot: Any) -> None:
    voxels = make_phantom((60, 64, 64))[0].sequences["flair"]
    viewers = [make_napari_viewer(), make_napari_viewer()]
    sessions = [SegmentationController.of(viewer) for viewer in viewers]
    from napari_tumor_unet.plugin.layers.layer_scan import scan_of

    with qtbot.waitSignals([session.ended for session in sessions], timeout=PATIENCE):
        for viewer, session in zip(viewers, sessions, strict=True):
            session.segment(scan_of(viewer.add_image(voxels), viewer.layers))
        assert all(session.context.busy for session in sessions)
    assert sessions[0].context.worker.pid != sessions[1].context.worker.pid
    masks = [mask_of(viewer).data for viewer in viewers]
    np.testing.assert_array_equal(*masks)


@pytest.mark.usefixtures("scan")
def test_a_model_that_was_deleted_meanwhile_is_one_sentence(
    viewer: napari.Viewer, qtbot: Any, notified: list[str]
) -> None:
    begin(viewer, qtbot)
    session = SegmentationController.of(viewer)
    path = registry.find_model("tiny")
    with qtbot.waitSignal(session.ended, timeout=PATIENCE) as ended:
        path.unlink()
    assert ended.args == [True]
    notified.clear()
    with qtbot.waitSignal(session.ended, timeout=PATIENCE) as ended:
        start_segmentation()
    assert ended.args == [True]
    assert any("There is no model 'tiny' any more" in text for text in notified), notified
    assert not session.context.busy


def test_a_model_that_was_swapped_meanwhile_is_the_one_that_is_named(
    viewer: napari.Viewer, qtbot: Any, finish: Finish
) -> None:
    viewer.add_image(make_phantom((3, 64, 64))[0].sequences["flair"])
    begin(viewer, qtbot)
    assert finish(viewer)
    before = mask_of(viewer).metadata[KEY]["provenance"]["model_hash"]
    shutil.copy(registry.find_model("seed"), registry.find_model("tiny"))
    begin(viewer, qtbot)
    assert finish(viewer)
    after = mask_of(viewer).metadata[KEY]["provenance"]["model_hash"]
    assert before != after
    from napari_tumor_unet.model.card import file_hash

    assert after == file_hash(registry.find_model("seed"))


def segment_and_remove(viewer: napari.Viewer, qtbot: Any, finish: Finish) -> list[weakref.ref[np.ndarray]]:
    """The arrays of a run whose layers are gone."""
    voxels = make_phantom((40, 64, 64))[0].sequences["flair"]
    viewer.add_image(voxels)
    begin(viewer, qtbot)
    assert finish(viewer)
    mask = mask_of(viewer)
    known = mask.metadata[KEY]
    held = [weakref.ref(array) for array in (voxels, mask.data, known["probability"], known["written"])]
    viewer.layers.clear()
    return held


def test_no_array_stays_when_its_layers_are_gone(viewer: napari.Viewer, qtbot: Any, finish: Finish) -> None:
    held = segment_and_remove(viewer, qtbot, finish)

    def gone() -> bool:
        gc.collect()
        return not any(array() is not None for array in held)

    qtbot.waitUntil(gone, timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.own_child
def test_no_process_stays_when_the_viewer_is_closed_in_a_run(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(make_phantom((120, 64, 64))[0].sequences["flair"])
    session = begin(viewer, qtbot)
    child = psutil.Process(session.context.worker.pid)
    viewer.close()
    qtbot.waitUntil(lambda: not child.is_running() or child.status() == "zombie", timeout=PATIENCE)
