"""Several scans of a folder, in a real viewer: beside the one click, cancelled at once, and in a table."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import pytest
import SimpleITK as sitk
import tifffile
from napari.utils.events import EventedModel
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSlider, QFileDialog
from superqt import QCollapsible

from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.inference.result import Findings
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.segment import batch_section
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.batch_table import BatchTable
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui import settings
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import BusyError
from napari_tumor_unet.plugin.ui.widgets import Scrolled
from napari_tumor_unet.worker import engine
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, choose_model, press


@pytest.fixture
def panel(viewer: napari.Viewer, tiny_model_file: Path, qtbot: Any) -> Any:
    """The panel, with a model that takes no time, and the fold open."""
    registry.import_model(tiny_model_file)
    return open_panel(viewer, qtbot)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("p1_flair", "p2_flair", "other"):
        tifffile.imwrite(folder / f"{name}.tif", flair((6, 40, 40)))
    return folder


@pytest.fixture
def start(panel: Any, scans: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Press the button and choose the folder."""

    def segment() -> None:
        names = iter((str(scans), str(scans.parent / "out")))
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(names))
        press(panel.batch.folder, qtbot)

    return segment


def open_panel(viewer: napari.Viewer, qtbot: Any) -> Any:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    choose_model(panel, "tiny", qtbot)
    for fold in panel.native.findChildren(QCollapsible):
        fold.expand(animate=False)
    qtbot.waitUntil(lambda: panel.batch.cluster.visible, timeout=PATIENCE)  # what is remembered is there
    return panel


def flair(shape: tuple[int, int, int]) -> Any:
    return make_phantom(shape)[0].sequences["flair"]


def batch_of(viewer: napari.Viewer) -> Batch:
    return Batch.of(SegmentationController.of(viewer))


def rows_of(table: BatchTable) -> dict[str, str]:
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}


def test_what_was_left_out_is_segmented_on_the_users_word(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], scans: Path, qtbot: Any
) -> None:
    (scans / "third.tif").write_bytes((scans / "other.tif").read_bytes())
    section, out = panel.batch, scans.parent / "out"
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    assert section.message.value == "2 scans segmented, 0 failed, 2 left out."
    assert [*rows_of(section.table)] == ["other", "third", "p1_flair", "p2_flair"]
    section.table.selectRow(0)
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(section.left_out, qtbot)
        assert not section.left_out.visible
    assert section.message.value == "1 scan segmented, 0 failed."
    assert {path.name for path in out.glob("*.tif")} == {
        f"{n}_mask.tif" for n in ("other", "p1_flair", "p2_flair")
    }
    rows = rows_of(section.table)
    assert [*rows] == ["third", "p1_flair", "p2_flair", "other"]
    assert "voxels" in rows["other"]
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(section.left_out, qtbot)  # nothing is selected: all
    assert [outcome.name for outcome in batch_of(viewer).outcomes] == [
        "p1_flair",
        "p2_flair",
        "other",
        "third",
    ]
    assert not section.left_out.visible


def test_what_was_left_out_stays_so_when_it_is_cancelled(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], qtbot: Any
) -> None:
    section = panel.batch
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    press(section.left_out, qtbot)
    batch_of(viewer).cancel()
    assert not batch_of(viewer).running
    assert section.left_out.visible
    assert [*rows_of(section.table)] == ["other", "p1_flair", "p2_flair"]


def test_the_one_click_works_while_a_folder_is_segmented(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], click: Any, qtbot: Any
) -> None:
    viewer.add_image(flair((6, 40, 40)))
    batch = batch_of(viewer)
    with qtbot.waitSignal(batch.ended, timeout=PATIENCE):
        start()
        assert batch.running
        assert not panel.batch.layers.enabled
        assert panel.run.start.enabled
        with pytest.raises(BusyError, match="Several scans are being segmented"):
            batch.segment_layers([viewer.layers[0]])
        assert click(viewer)
    assert panel.batch.layers.enabled


def test_cancel_ends_a_folder_at_once_and_leaves_a_run_alone(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], scans: Path, qtbot: Any
) -> None:
    tifffile.imwrite(scans / "p0_flair.tif", flair((300, 64, 64)))
    batch, section = batch_of(viewer), panel.batch
    start()
    qtbot.waitUntil(lambda: "waiting for 1 worker" in section.message.value, timeout=PATIENCE)
    begun = time.monotonic()
    section.cancel.native.click()
    assert not batch.running
    assert time.monotonic() - begun < 1
    assert section.message.value == "Cancelled; 0 scans segmented, 0 failed, 1 left out."
    assert section.folder.enabled
    assert not section.cancel.native.isVisible()


def test_a_folder_goes_on_without_the_panel_and_another_one_shows_it(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], notified: list[str], qtbot: Any
) -> None:
    batch = batch_of(viewer)
    with qtbot.waitSignal(batch.ended, timeout=PATIENCE):
        start()
        viewer.window.remove_dock_widget(panel.native.parent())
        panel = open_panel(viewer, qtbot)
        assert panel.batch.cancel.native.isVisible() == batch.running
    assert panel.batch.message.value == "2 scans segmented, 0 failed, 1 left out."
    assert notified == [f"Several scans: {panel.batch.message.value}"]
    assert panel.batch.table.rowCount() == 3


def test_workers_and_cluster_are_remembered(panel: Any) -> None:
    preferred = segmentation_settings()
    panel.batch.workers.value = 2
    assert preferred.workers == 2
    assert panel.batch.workers.enabled
    panel.batch.cluster.value = " scheduler.json "
    panel.batch.cluster.native.editingFinished.emit()
    assert preferred.cluster == "scheduler.json"
    assert not panel.batch.workers.enabled  # a cluster has its own


class Preferred(EventedModel):
    """As napari keeps a plugin's settings."""

    model: str = "default"
    device: str = "auto"
    one_slice: bool = False
    workers: int = 3
    cluster: str = ""


def test_an_open_panel_follows_the_preferences(
    viewer: napari.Viewer, tiny_model_file: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.import_model(tiny_model_file)
    monkeypatch.setattr(settings, "_FORGOTTEN", preferred := Preferred())
    panel = open_panel(viewer, qtbot)
    section = panel.batch
    assert section.workers.value == 3
    note = panel.models.note
    qtbot.waitUntil(lambda: note.visible, timeout=PATIENCE)
    preferred.model = "tiny"
    qtbot.waitUntil(lambda: not note.visible, timeout=PATIENCE)
    preferred.cluster = "tcp://HOST:8786"
    assert section.cluster.value == "tcp://HOST:8786"
    section.workers.value = 2
    assert preferred.workers == 2


def test_a_cluster_is_offered_where_there_can_be_one(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_section, "find_spec", lambda _: None)
    panel.batch._show_preferred()
    assert not panel.batch.cluster.visible
    segmentation_settings().cluster = "tcp://somewhere:8786"  # so that it can be taken away
    panel.batch._show_preferred()
    assert panel.batch.cluster.visible


def test_an_unreachable_cluster_is_one_sentence(
    viewer: napari.Viewer,
    panel: Any,
    start: Callable[[], None],
    notified: list[str],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_tumor_unet.worker.cluster._PATIENCE", 0.2)
    panel.batch.cluster.value = "tcp://127.0.0.1:1"
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    assert panel.batch.message.value.startswith("No scheduler answers at tcp://127.0.0.1:1; give the address")
    assert notified == [f"Several scans: {panel.batch.message.value}"]


def test_a_scan_that_fails_is_warned_of_and_its_reason_stands_below_the_table(
    viewer: napari.Viewer,
    panel: Any,
    start: Callable[[], None],
    scans: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (scans / "p2_flair.tif").write_bytes(b"II*\0")
    shown: list[Notification] = []
    monkeypatch.setattr(notification_manager, "dispatch", shown.append)
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    assert panel.batch.message.value == "1 scan segmented, 1 failed, 1 left out."
    assert [one.severity for one in shown] == [NotificationSeverity.WARNING]
    assert panel.batch.table.selected_names() == ["p2_flair"]
    assert panel.batch.row.value.startswith("p2_flair\np2_flair.tif ")
    assert panel.batch.row.visible


@pytest.mark.parametrize("elsewhere", [False, True])
def test_at_the_end_the_table_is_in_sight_unless_the_user_scrolled(
    viewer: napari.Viewer, panel: Any, scans: Path, qtbot: Any, elsewhere: bool
) -> None:
    for path in sorted(scans.glob("p*.tif")):
        viewer.open(path, plugin="napari-tumor-unet")
    viewer.layers.selection = set(viewer.layers)
    table, batch = panel.batch.table, batch_of(viewer)
    area = panel.native.findChild(Scrolled)
    press(panel.batch.layers, qtbot)
    area.verticalScrollBar().setValue(0)  # as when what is above grows
    if elsewhere:
        area.verticalScrollBar().triggerAction(QAbstractSlider.SliderAction.SliderSingleStepAdd)
    with qtbot.waitSignal(panel.batch._bring_timer.timeout, timeout=PATIENCE):
        pass
    assert not batch.running
    assert table.visibleRegion().isEmpty() == elsewhere
    assert table.rowCount() == 2


def test_a_spacing_that_is_said_is_that_of_files_that_tell_none(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], scans: Path, qtbot: Any
) -> None:
    image = sitk.GetImageFromArray(flair((6, 40, 40)))
    image.SetSpacing((1, 1, 2))
    sitk.WriteImage(image, scans / "p2_flair.nii.gz")
    (scans / "p2_flair.tif").unlink()
    panel.batch.spacing.line.value = "5 x 0.9 x 0.9"
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    found = {outcome.name: outcome for outcome in batch_of(viewer).outcomes}
    assert found["p1_flair"].findings.volume_ml == pytest.approx(found["p1_flair"].findings.voxels * 0.00405)
    assert "not the one that was given" in " ".join(found["p2_flair"].warnings)
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(panel.batch.left_out, qtbot)
    assert read_scan(scans.parent / "out" / "other_mask.tif").spacing == pytest.approx((5, 0.9, 0.9))


def test_what_is_no_spacing_starts_nothing(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], notified: list[str]
) -> None:
    panel.batch.spacing.line.value = "thick"
    panel.batch.spacing.line.native.editingFinished.emit()
    assert panel.batch.spacing.problem.visible
    start()
    assert not batch_of(viewer).running
    assert "is no spacing" in notified[0]


def test_of_a_scan_without_a_tumour_the_table_says_so(qtbot: Any) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.add(Outcome("kirby", findings=Findings(0, 0, 0, 0.0)))
    assert table.item(0, 1).text() == "No tumour found."
    assert table.item(0, 1).toolTip() == "kirby\nNo tumour found."


def test_the_table_is_readable_where_the_panel_is_narrow(qtbot: Any) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.setFixedWidth(260)
    table.show()
    table.show_outcomes([Outcome("a" * 80, error="Why it is not."), Outcome("b", warnings=("Beware.",))])
    header = table.horizontalHeader()
    assert header.length() <= 260
    metrics = header.fontMetrics()
    for column in range(2):
        title = table.horizontalHeaderItem(column)
        assert metrics.horizontalAdvance(title.text()) < header.sectionSize(column)
        assert table.item(0, column).toolTip() == f"{'a' * 80}\nWhy it is not."
    table.selectRow(1)
    assert table.selected_text() == "b\n\nBeware."


def test_columns_can_be_dragged_and_keep_their_shares(qtbot: Any) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.setFixedWidth(260)
    table.show()
    table.horizontalHeader().resizeSection(0, 80)
    table.setFixedWidth(520)
    assert table.columnWidth(0) == pytest.approx(160, abs=5)
    assert table.horizontalHeader().length() == table.viewport().width()


def test_a_line_has_room_for_what_is_wrong_and_its_tooltip_for_all(qtbot: Any) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    error = f"p1_flair.nii is cut short{' and <b>more' * 30}."
    table.add(Outcome("p1_flair", error=error))
    assert table.item(0, 1).text().startswith("Is cut short")
    tooltip = table.item(0, 1).toolTip()
    assert max(map(len, tooltip.splitlines())) < 100
    assert not Qt.mightBeRichText(tooltip)
    assert " ".join(tooltip.replace("\u200b", "").split()) == f"p1_flair {error}"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("a 1.tif is cut short.", "Is cut short."),
        ("a 1 ended its process.", "Ended its process."),
        ("a 1_mask.tif exists already.", "a 1_mask.tif exists already."),
        ("a 10.tif is cut short.", "a 10.tif is cut short."),
    ],
)
def test_the_sentence_of_a_line_begins_at_its_beginning(qtbot: Any, error: str, shown: str) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.add(Outcome("a 1", error=error))
    assert table.item(0, 1).text() == shown


def test_ten_thousand_rows_take_a_moment(qtbot: Any) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.show()
    begun = time.process_time()
    for n in range(10_000):
        table.add(Outcome(f"scan {n}", error="broken"))
    assert time.process_time() - begun < 20
    assert table.rowCount() == 10_000


@pytest.mark.slow
@pytest.mark.own_child
def test_a_scan_whose_worker_is_killed_is_one_row(
    viewer: napari.Viewer, panel: Any, start: Callable[[], None], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doomed(engine.Worker):
        """Its child dies with the first scan, and with it once more."""

        def run(self, task: Any, job: Any, *args: Any, **options: Any) -> Any:
            if job.name == "p1_flair":
                task = die
            return super().run(task, job, *args, **options)

    monkeypatch.setattr(engine, "Worker", Doomed)
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        start()
    assert panel.batch.message.value == "1 scan segmented, 1 failed, 1 left out."
    assert rows_of(panel.batch.table)["p1_flair"].startswith("Ended its process more than once")


def die(*_: Any) -> Any:
    yield from ()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


@pytest.mark.slow
@pytest.mark.own_child
def test_a_window_that_is_closed_ends_its_workers(
    make_napari_viewer: Any, tiny_model_file: Path, scans: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.import_model(tiny_model_file)
    for n in range(20):
        tifffile.imwrite(scans / f"p{n}_flair.tif", flair((60, 64, 64)))
    made: list[engine.Worker] = []

    class Kept(engine.Worker):
        def __init__(self, environment: Any) -> None:
            super().__init__(environment)
            made.append(self)

    monkeypatch.setattr(engine, "Worker", Kept)
    viewer = make_napari_viewer(show=True)
    panel = open_panel(viewer, qtbot)
    names = iter((str(scans), str(scans.parent / "out")))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(names))
    press(panel.batch.folder, qtbot)
    qtbot.waitUntil(lambda: batch_of(viewer).tally.done > 0, timeout=PATIENCE)
    viewer.close()
    qtbot.waitUntil(lambda: made[0].pid is None, timeout=PATIENCE)
    for thread in threading.enumerate():
        if thread.name == "tumor-unet-job":
            thread.join(PATIENCE / 1000)
    out = scans.parent / "out"
    assert {path.stem for path in out.glob("*.tif")} == {path.stem for path in out.glob("*.json")}
    assert not list(out.glob(".*"))
