"""The panel "Fine-tune" in a real viewer: every button, and what must survive a crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox
from safetensors.numpy import load_file
from superqt import QCollapsible

from napari_tumor_unet.inference.result_check import is_doubted
from napari_tumor_unet.inference.segment import segment
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import MaskLimits, file_hash, read_card
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.plugin.finetune.panel import FineTunePanel
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from napari_tumor_unet.training.events import Epoch, Reading, Scored, Step
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.finetuning.run_store import FOLDER_VARIABLE, find_interrupted, runs_folder
from tests.conftest import make_phantom, write_heads
from tests.plugin.conftest import PATIENCE, made_by, press

Answer = Callable[[QMessageBox.StandardButton], list[str]]


@pytest.fixture
def model(tiny_model_file: Path) -> str:
    """A model of the user's that learns in no time."""
    registry.model_folder().mkdir(parents=True)
    shutil.copy(tiny_model_file, registry.model_folder() / "tiny.safetensors")
    return "tiny"


@pytest.fixture
def scans(viewer: napari.Viewer) -> napari.Viewer:
    """Two scans with masks."""
    for name, at in (("a", (-0.2, 0.25)), ("b", (0.3, -0.2))):
        scan, mask = make_phantom((6, 40, 36), at=at)
        viewer.add_image(scan.sequences["flair"], name=name)
        viewer.add_labels(mask.astype(np.uint8), name=f"{name} mask")
    return viewer


def open_panel(viewer: napari.Viewer, epochs: int = 2) -> FineTunePanel:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Fine-tune")[1]
    if "tiny" in registry.user_models():
        while "tiny" not in panel.model.choices:  # they are listed by a thread
            QTest.qWait(10)
        panel.model.value = "tiny"
    panel.settings.epochs.value = epochs
    panel.settings.fields["slices"].value = 8
    panel.settings.fields["batch_size"].value = 4
    return panel


@pytest.fixture
def panel(scans: napari.Viewer, model: str, qtbot: Any) -> FineTunePanel:
    """With both pairs in it."""
    assert model in registry.user_models()
    return with_pairs(open_panel(scans), qtbot)


def with_pairs(panel: FineTunePanel, qtbot: Any) -> FineTunePanel:
    press(panel.cases.add_all, qtbot)
    qtbot.waitUntil(lambda: panel.cases.slices == 12, timeout=PATIENCE)
    return panel


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Answer all questions alike; they are noted."""

    def always(button: QMessageBox.StandardButton) -> list[str]:
        asked: list[str] = []
        monkeypatch.setattr(QMessageBox, "question", lambda _, __, text, *___: asked.append(text) or button)
        return asked

    return always


def run(panel: FineTunePanel, qtbot: Any) -> bool:
    """Fine-tune to the end; whether there is a report."""
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.start, qtbot)
    return ended.args[0]


def begin(panel: FineTunePanel, qtbot: Any, kind: type = Epoch) -> None:
    """Start a run, and wait for its first epoch or step."""
    with qtbot.waitSignal(
        panel.controller.progressed, timeout=PATIENCE, check_params_cb=lambda event: isinstance(event, kind)
    ):
        press(panel.start, qtbot)


def keep(panel: FineTunePanel, qtbot: Any) -> None:
    """Keep the new model, by the name that the panel shows."""
    with qtbot.waitSignal(panel.controller.decided, timeout=PATIENCE):
        press(panel.report.keep, qtbot)


def is_offered(widget: Any) -> bool:
    """Whether the user can see a widget, or scroll to it."""
    return bool(widget.native.isVisible())


def window_titles() -> list[str]:
    return [window.windowTitle() for window in QApplication.topLevelWidgets()]


def no_run_is_left(qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not runs_folder().exists() or not list(runs_folder().iterdir()), timeout=PATIENCE)


def weights(name_or_path: str | Path) -> dict[str, np.ndarray]:
    return load_file(registry.find_model(name_or_path))


def rows(panel: FineTunePanel) -> list[str]:
    table = panel.report.table
    return [table.item(n, 0).text().split("\n")[0] for n in range(table.rowCount())]


@pytest.mark.slow
def test_a_run_shows_before_and_after_and_its_model_is_kept_by_name(
    panel: FineTunePanel, scans: napari.Viewer, qtbot: Any, answer: Answer
) -> None:
    answer(QMessageBox.StandardButton.Yes)
    segment_panel = scans.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert run(panel, qtbot)
    held_out = next(case.name for case, held_out in panel.cases.collect() if held_out)
    assert rows(panel) == [held_out, "sample_brain (bundled sample)"]
    assert panel.report.advice.value == panel.controller.report.advice.said
    assert panel.run.curves.epochs == 2
    assert not is_offered(panel.start)
    assert all(path.is_file() for path in panel.controller.report.pictures)
    press(panel.report.pictures, qtbot)
    qtbot.waitUntil(lambda: "Before and after" in window_titles(), timeout=PATIENCE)
    shown = next(w for w in QApplication.topLevelWidgets() if w.windowTitle() == "Before and after")
    qtbot.keyClick(shown, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: "Before and after" not in window_titles(), timeout=PATIENCE)
    assert panel.report.called.value == "tiny tuned"
    panel.report.called.value = "ours"
    keep(panel, qtbot)
    assert list(registry.user_models()) == ["ours", "tiny"]
    qtbot.waitUntil(lambda: "ours" in segment_panel.model.choices, timeout=PATIENCE)
    card = read_card(registry.find_model("ours"))
    assert card.parent == file_hash(registry.find_model("tiny"))
    assert not panel.report.visible
    assert is_offered(panel.start)
    no_run_is_left(qtbot)


def test_a_model_is_discarded_after_a_question_and_leaves_nothing(
    panel: FineTunePanel, qtbot: Any, answer: Answer
) -> None:
    assert run(panel, qtbot)
    asked = answer(QMessageBox.StandardButton.No)
    press(panel.report.discard, qtbot)
    assert panel.controller.report is not None
    assert asked == [
        "Discard the new model, tuned from 'tiny', with its scores and pictures? It cannot be brought back."
    ]
    answer(QMessageBox.StandardButton.Yes)
    press(panel.report.discard, qtbot)
    assert list(registry.user_models()) == ["tiny"]
    assert is_offered(panel.start)
    no_run_is_left(qtbot)


@pytest.mark.slow
def test_a_kept_model_doubts_masks_as_its_parent_does(
    scans: napari.Viewer, tiny_model: Model, qtbot: Any
) -> None:
    card = replace(tiny_model.card, threshold=0.01, doubtful_under=MaskLimits(2.0, 0.75, 6.0))
    save_model(replace(tiny_model, card=card), registry.make_model_folder() / "tiny.safetensors")
    panel = with_pairs(open_panel(scans, epochs=1), qtbot)
    assert run(panel, qtbot)
    keep(panel, qtbot)
    scan, _ = make_phantom((6, 40, 36))
    assert is_doubted(segment(scan, model="tiny tuned").warnings)


@pytest.mark.slow
def test_a_worse_model_is_kept_only_on_the_users_word(
    panel: FineTunePanel, qtbot: Any, answer: Answer
) -> None:
    assert run(panel, qtbot)
    controller = panel.controller
    controller.report = replace(
        controller.report, advice=replace(controller.report.advice, verdict="discard")
    )
    asked = answer(QMessageBox.StandardButton.No)
    press(panel.report.keep, qtbot)
    assert len(asked) == 1
    assert list(registry.user_models()) == ["tiny"]
    answer(QMessageBox.StandardButton.Yes)
    keep(panel, qtbot)
    assert list(registry.user_models()) == ["tiny", "tiny tuned"]


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused_and_the_model_stays(
    panel: FineTunePanel, qtbot: Any, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.report.show_error", said.append)
    answer(QMessageBox.StandardButton.Yes)
    assert run(panel, qtbot)
    panel.report.called.value = "Default"
    press(panel.report.keep, qtbot)
    assert not panel.report.keep.enabled
    qtbot.waitUntil(lambda: len(said) == 1, timeout=PATIENCE)
    assert "already" in said[0]
    assert panel.report.visible
    assert panel.report.keep.enabled


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Reading, Scored, Step, Epoch])
def test_a_pause_waits_and_goes_on(panel: FineTunePanel, qtbot: Any, kind: type) -> None:
    panel.settings.epochs.value = 500
    begin(panel, qtbot, kind)
    press(panel.run.pause, qtbot)
    qtbot.waitUntil(lambda: panel.message.value == "Paused.", timeout=PATIENCE)
    assert panel.run.pause.text == "Resume"
    with qtbot.waitSignal(panel.controller.progressed, timeout=PATIENCE):
        press(panel.run.pause, qtbot)
    assert panel.run.pause.text == "Pause"
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE):
        panel.controller.cancel()


def test_the_panel_leads_through_a_run(panel: FineTunePanel, qtbot: Any) -> None:
    """Before it the choices, in it its progress alone, and no plot before there is a point."""
    curves = panel.run.curves
    assert is_offered(panel.start)
    assert not is_offered(panel.run)
    panel.settings.epochs.value = 500
    press(panel.start, qtbot)
    assert not is_offered(panel.start)
    assert not is_offered(panel.cases.summary)
    assert not any(plot.isVisible() for plot in (curves._loss, curves._dice))
    qtbot.waitUntil(lambda: curves.epochs > 0, timeout=PATIENCE)
    qtbot.waitUntil(lambda: all(plot.isVisible() for plot in (curves._loss, curves._dice)), timeout=PATIENCE)
    assert is_offered(panel.run.cancel)
    panel.controller.cancel()
    assert is_offered(panel.start)
    assert not any(plot.isVisible() for plot in (curves._loss, curves._dice))


@pytest.mark.slow
def test_stop_keeps_the_best_so_far_and_says_so(panel: FineTunePanel, qtbot: Any) -> None:
    panel.settings.epochs.value = 500
    offered: list[tuple[bool, ...]] = []

    def note(event: Any) -> None:
        if isinstance(event, Step) and not offered:
            offered.append((panel.run.stop.enabled,))  # there is nothing to keep yet
        if isinstance(event, Scored) and event.after:
            bar = panel.run.progress
            offered.append((panel.run.stop.enabled, panel.run.pause.enabled, bar.value == bar.max))

    panel.controller.progressed.connect(note)
    begin(panel, qtbot)
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.run.stop, qtbot)
    assert ended.args == [True]
    assert offered[0] == (False,)
    assert offered[-1] == (False, False, True)
    assert 1 <= len(panel.controller.report.history) < 500
    assert "chosen by the same scans" in panel.report.advice.value


def test_cancel_forgets_after_a_question(panel: FineTunePanel, qtbot: Any, answer: Answer) -> None:
    panel.settings.epochs.value = 500
    begin(panel, qtbot)
    asked = answer(QMessageBox.StandardButton.No)
    press(panel.run.cancel, qtbot)
    assert len(asked) == 1
    assert panel.controller.running
    answer(QMessageBox.StandardButton.Yes)
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.run.cancel, qtbot)
    assert ended.args == [False]
    assert panel.message.value == "Cancelled; nothing was kept."
    assert not panel.report.visible
    no_run_is_left(qtbot)


def test_a_run_waits_while_it_is_asked_whether_to_forget_it(
    panel: FineTunePanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.settings.epochs.value = 500
    begin(panel, qtbot)

    def leave_it(*_: Any) -> QMessageBox.StandardButton:
        qtbot.waitUntil(lambda: panel.message.value == "Paused.", timeout=PATIENCE)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", leave_it)
    press(panel.run.cancel, qtbot)
    done = panel.run.curves.epochs
    qtbot.waitUntil(lambda: panel.run.curves.epochs > done, timeout=PATIENCE)
    assert panel.run.pause.text == "Pause"
    panel.controller.cancel()


@pytest.mark.usefixtures("model")
def test_the_button_that_comes_next_stands_out(scans: napari.Viewer, qtbot: Any) -> None:
    panel = open_panel(scans)
    buttons = panel.start, panel.cases.add_all
    layers = list(scans.layers)

    def stand_out() -> list[bool]:
        return [bool(one.native.styleSheet()) for one in buttons]

    assert stand_out() == [False, True]
    scans.layers.clear()
    assert stand_out() == [False, False]  # nothing can match
    scans.layers.extend(layers)
    assert stand_out() == [False, True]
    with_pairs(panel, qtbot)
    assert stand_out() == [True, False]
    for row in panel.cases.cases:
        panel.cases.cases.hold_out(row, True)
    assert panel.cases.summary.value.startswith("Nothing to learn from")
    assert stand_out() == [False, False]


def test_a_run_that_ends_before_the_answer_is_forgotten_all_the_same(
    panel: FineTunePanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.settings.epochs.value = 500
    begin(panel, qtbot)

    def forget_it(*_: Any) -> QMessageBox.StandardButton:
        with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE):
            panel.controller.send_command("stop")
        assert panel.report.visible
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", forget_it)
    press(panel.run.cancel, qtbot)
    assert not panel.report.visible
    assert panel.controller.report is None
    no_run_is_left(qtbot)


def test_cancel_in_the_first_epoch_leaves_nothing_to_resume(
    panel: FineTunePanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[list[Any]] = []

    def recorded() -> list[Any]:
        listed.append(find_interrupted())
        return listed[-1]

    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.resume_section.find_interrupted", recorded)
    panel.settings.epochs.value = 500
    begin(panel, qtbot, Step)
    before = len(listed)
    press(panel.run.cancel, qtbot)
    qtbot.waitUntil(lambda: len(listed) > before, timeout=PATIENCE)
    no_run_is_left(qtbot)
    assert not any(listed)
    assert not panel.interrupted.visible


@pytest.mark.slow
def test_what_is_painted_meanwhile_teaches_nothing(
    panel: FineTunePanel, scans: napari.Viewer, qtbot: Any, answer: Answer
) -> None:
    answer(QMessageBox.StandardButton.Yes)
    assert run(panel, qtbot)
    keep(panel, qtbot)
    panel.settings.epochs.value = 2
    begin(panel, qtbot, Step)
    for layer in (layer for layer in scans.layers if isinstance(layer, Labels)):
        layer.data_setitem((np.array([0, 1, 2]),) * 3, 1)
        layer.data[:] = 1
    qtbot.waitUntil(lambda: not panel.controller.running, timeout=PATIENCE)
    keep(panel, qtbot)
    one, two = weights("tiny tuned"), weights("tiny tuned 2")
    assert all(np.array_equal(weight, two[name]) for name, weight in one.items())


@pytest.mark.slow
def test_the_command_makes_the_same_model(
    viewer: napari.Viewer, model: str, data: Path, qtbot: Any, answer: Answer, tmp_path: Path
) -> None:
    from napari_tumor_unet import fine_tune

    answer(QMessageBox.StandardButton.Yes)
    for name in "abc":
        viewer.open(
            [data / f"{name}.tif", data / f"{name}_mask.tif"], plugin="napari-tumor-unet", stack=False
        )
    panel = open_panel(viewer)
    press(panel.cases.add_all, qtbot)
    qtbot.waitUntil(lambda: panel.cases.slices == 12, timeout=PATIENCE)
    assert run(panel, qtbot)
    changes = panel.controller.report.changes
    keep(panel, qtbot)
    settings = FineTuning(epochs=2, batch_size=4, slices=8)
    result = fine_tune(model, data, out=tmp_path / "command.safetensors", settings=settings)
    one, two = weights("tiny tuned"), weights(result.path)
    assert all(np.array_equal(weight, two[name]) for name, weight in one.items())
    assert [c.after.dice for c in changes] == [c.after.dice for c in result.changes]
    assert read_card(registry.find_model("tiny tuned")).data == result.model.card.data


@pytest.mark.slow
@pytest.mark.own_child
def test_a_killed_child_is_one_sentence_and_the_run_is_resumed_with_the_same_weights(
    panel: FineTunePanel, qtbot: Any, answer: Answer
) -> None:
    answer(QMessageBox.StandardButton.Yes)
    controller = panel.controller
    panel.settings.epochs.value = 6
    assert run(panel, qtbot)
    keep(panel, qtbot)
    begin(panel, qtbot)
    with qtbot.waitSignal(controller.ended, timeout=PATIENCE) as ended:
        os.kill(controller.child_pid, signal.SIGKILL)
    assert ended.args == [False]
    assert "process was stopped" in panel.message.value
    assert "can be resumed" in panel.message.value
    qtbot.waitUntil(lambda: panel.interrupted.visible, timeout=PATIENCE)
    assert "'tiny', 1 scan, " in panel.interrupted.run.current_choice
    with qtbot.waitSignal(controller.ended, timeout=PATIENCE) as ended:
        press(panel.interrupted.resume, qtbot)
    assert ended.args == [True]
    assert panel.run.curves.epochs == 6
    keep(panel, qtbot)
    one, two = weights("tiny tuned"), weights("tiny tuned 2")
    assert all(np.array_equal(weight, two[name]) for name, weight in one.items())
    no_run_is_left(qtbot)


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.training.events import Epoch
from napari_tumor_unet.training.finetuning.run_plan import FineTuning, RunPlan, draft_plan
from napari_tumor_unet.training.finetuning.run_store import PARENT, lock_of, new_run
pairs = find_pairs(Path(sys.argv[1])).pairs
folder = new_run()
lock_of(folder).acquire()
shutil.copy(sys.argv[2], folder / PARENT)
plan = RunPlan("tiny", FineTuning(epochs=3, batch_size=4, slices=8), pairs[:2], pairs[2:])
draft_plan(folder, plan)
for event in tasks.fine_tune(None, folder, (), "cpu"):
    if isinstance(event, Epoch):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session")
def killed_run(tiny_model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose napari was killed after an epoch."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", KILLED, write_heads(folder / "data"), tiny_model_file]
    died = subprocess.run(command, env={**os.environ, FOLDER_VARIABLE: str(folder / "runs")}, check=False)
    assert died.returncode == -signal.SIGKILL
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_a_run_of_a_napari_that_was_killed_is_offered_and_can_be_deleted_or_resumed(
    viewer: napari.Viewer, killed_run: Path, qtbot: Any, answer: Answer
) -> None:
    for other in "", "2":
        shutil.copytree(killed_run, runs_folder() / f"{killed_run.name}{other}")
    panel = open_panel(viewer)
    qtbot.waitUntil(lambda: panel.interrupted.visible, timeout=PATIENCE)
    assert "1 of 3 epochs" in panel.interrupted.run.current_choice
    assert panel.interrupted.whole.value == panel.interrupted.run.current_choice
    answer(QMessageBox.StandardButton.Yes)
    press(panel.interrupted.delete, qtbot)
    qtbot.waitUntil(lambda: len(find_interrupted()) == 1, timeout=PATIENCE)
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.interrupted.resume, qtbot)
    assert ended.args == [True]
    assert rows(panel) == ["c", "sample_brain (bundled sample)"]
    press(panel.report.discard, qtbot)
    no_run_is_left(qtbot)


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_a_run_that_cannot_be_resumed_says_why_and_can_be_deleted(
    viewer: napari.Viewer, killed_run: Path, qtbot: Any, answer: Answer
) -> None:
    shutil.copytree(killed_run, runs_folder() / killed_run.name)
    os.truncate(find_interrupted()[0].folder / "checkpoint.pt", 1000)
    panel = open_panel(viewer)
    qtbot.waitUntil(lambda: panel.interrupted.visible, timeout=PATIENCE)
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.interrupted.resume, qtbot)
    assert ended.args == [False]
    assert panel.message.value.endswith("is damaged; delete it to start anew.")
    qtbot.waitUntil(lambda: panel.interrupted.visible, timeout=PATIENCE)
    answer(QMessageBox.StandardButton.Yes)
    plan = find_interrupted()[0].folder / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"new_option": 1}))
    panel.interrupted.refresh()
    qtbot.waitUntil(lambda: "newer version" in panel.interrupted.run.current_choice, timeout=PATIENCE)
    assert not panel.interrupted.resume.enabled
    press(panel.interrupted.delete, qtbot)
    assert not panel.interrupted.visible
    qtbot.waitUntil(lambda: find_interrupted() == [], timeout=PATIENCE)


@pytest.mark.slow
def test_the_panel_may_be_closed_and_opened_again_during_a_run(
    panel: FineTunePanel, scans: napari.Viewer, qtbot: Any
) -> None:
    panel.settings.epochs.value = 30
    begin(panel, qtbot, Step)
    controller = panel.controller
    scans.window.remove_dock_widget(panel.native)
    again = open_panel(scans)
    assert not is_offered(again.start)
    with qtbot.waitSignal(controller.ended, timeout=PATIENCE) as ended:
        controller.send_command("stop")
    if ended.args[0]:
        assert again.report.visible


@pytest.mark.slow
def test_two_viewers_tune_at_once_and_do_not_offer_each_others_runs(
    panel: FineTunePanel, make_napari_viewer: Any, qtbot: Any
) -> None:
    other = make_napari_viewer(show=True)
    scan, mask = make_phantom((6, 40, 36))
    other.add_image(scan.sequences["flair"], name="c")
    other.add_labels(mask.astype(np.uint8), name="c mask")
    second = open_panel(other)
    press(second.cases.add_all, qtbot)
    begin(panel, qtbot, Step)
    with qtbot.waitSignal(second.controller.opened, timeout=PATIENCE):
        press(second.start, qtbot)
    assert find_interrupted() == []
    for each in (panel, second):
        qtbot.waitUntil(lambda each=each: each.controller.report is not None, timeout=PATIENCE)
    assert rows(second)[-1] == "sample_brain (bundled sample)"
    assert "optimistic" not in panel.report.advice.value.lower()


@pytest.mark.slow
def test_a_model_that_is_deleted_meanwhile_changes_nothing(panel: FineTunePanel, qtbot: Any) -> None:
    begin(panel, qtbot, Step)
    registry.delete_model("tiny")
    qtbot.waitUntil(lambda: not panel.controller.running, timeout=PATIENCE)
    assert panel.report.visible


@pytest.mark.usefixtures("model")
def test_with_nothing_to_learn_from_no_run_begins_and_the_button_says_why(
    scans: napari.Viewer, qtbot: Any
) -> None:
    panel = open_panel(scans)

    def refused() -> str:
        assert not panel.start.native.isEnabled()
        qtbot.mouseClick(panel.start.native, Qt.MouseButton.LeftButton)
        assert not panel.controller.running
        return str(panel.start.native.toolTip())

    assert "add a scan with its mask" in refused()
    with_pairs(panel, qtbot)
    assert panel.start.native.isEnabled()
    assert "go on painting" in panel.start.native.toolTip()
    for row in panel.cases.cases:
        panel.cases.cases.hold_out(row, True)
    assert "all scans are held out" in refused()
    scans.layers.clear()
    assert "add a scan with its mask" in refused()


def test_a_full_disk_is_one_sentence_and_the_window_does_not_wait_for_it(
    panel: FineTunePanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch, notified: list[str]
) -> None:
    threads: list[threading.Thread] = []

    def full(*_: Any) -> None:
        threads.append(threading.current_thread())
        time.sleep(0.5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.run.shutil.copyfile", full)
    with qtbot.waitSignal(panel.controller.ended, timeout=PATIENCE) as ended:
        press(panel.start, qtbot)
        assert panel.message.value == "Copying the scans"
        assert panel.controller.running
    assert ended.args == [False]
    assert "No space left" in panel.message.value
    assert notified == [panel.message.value]
    assert is_offered(panel.start)
    assert threading.main_thread() not in threads
    no_run_is_left(qtbot)


def test_a_run_can_be_cancelled_while_it_is_prepared(
    panel: FineTunePanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, may_go_on = shutil.copyfile, threading.Event()

    def slow(*arguments: Any) -> None:
        may_go_on.wait(PATIENCE / 1000)
        copy(*arguments)

    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.run.shutil.copyfile", slow)
    press(panel.start, qtbot)
    press(panel.run.cancel, qtbot)
    assert panel.message.value == "Cancelled; nothing was kept."
    assert is_offered(panel.start)
    may_go_on.set()
    no_run_is_left(qtbot)
    assert not panel.controller.running


def test_the_pairs_are_exported_for_nnunet(
    panel: FineTunePanel,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
) -> None:
    out = tmp_path / "Dataset501_Tumour"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(out), ""))
    panel.native.findChild(QCollapsible).expand(animate=False)
    press(panel.export, qtbot)
    qtbot.waitUntil(lambda: len(notified) == 1, timeout=PATIENCE)
    assert notified == [
        "2 scans with FLAIR in Dataset501_Tumour. 1 x 1 x 1 mm stands for the unknown spacing of a, b."
    ]
    assert sorted(path.name for path in (out / "labelsTr").iterdir()) == ["a.nii.gz", "b.nii.gz"]
    press(panel.export, qtbot)
    qtbot.waitUntil(lambda: len(notified) == 2, timeout=PATIENCE)
    assert notified[1] == "Dataset501_Tumour is there already; choose another number or name."
    assert panel.export.enabled


def test_an_estimate_is_shown_before_the_start(panel: FineTunePanel, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "GB of memory" in panel.estimate.value, timeout=PATIENCE)
    assert panel.estimate.value.startswith("About ")


@pytest.mark.usefixtures("model")
def test_the_file_of_a_model_is_not_read_on_the_windows_thread(
    scans: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    tiny = file_hash(registry.find_model("tiny"))

    def slow(path: Path) -> str:
        threads.append(threading.current_thread())
        if path.name != "tiny.safetensors":
            time.sleep(0.5)  # comes after that of the model chosen next, and counts no more
        return file_hash(path)

    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.panel.file_hash", slow)
    for layer in (layer for layer in scans.layers if isinstance(layer, Labels)):
        mask = {"written": layer.data.copy(), "probability": layer.data.copy()}
        layer.metadata[KEY] = MaskMetadata(**mask, provenance=made_by("tiny", tiny))
    panel = open_panel(scans)
    assert panel.model.value == "tiny"
    press(panel.cases.add_all, qtbot)
    first = panel.cases.table.item
    qtbot.waitUntil(lambda: "Made by this model" in first(0, 0).text(), timeout=PATIENCE)
    qtbot.wait(800)
    assert "Made by this model" in first(0, 0).text()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_models_are_listed_by_a_thread(
    scans: napari.Viewer, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    listed = registry.all_models

    def recorded() -> dict[str, Path]:
        threads.append(threading.current_thread())
        return listed()

    monkeypatch.setattr(registry, "all_models", recorded)
    assert open_panel(scans).model.value == model
    assert threads
    assert threading.main_thread() not in threads
