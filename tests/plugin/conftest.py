"""A real viewer, and the user's ways with it."""

from __future__ import annotations

import gc
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import napari
import pytest
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.utils.events import EventEmitter
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QApplication

from napari_tumor_unet.inference.result import Provenance
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui import file_dialog, settings
from napari_tumor_unet.worker.worker import Job, Worker
from tests.plugin.shared_window import SharedWindow

PATIENCE = 180_000  # ms; a busy machine takes its time


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    """What a module has frozen goes with it."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _quick_collection(_collected: None) -> Iterator[None]:
    """Napari collects garbage with each layer that goes; not in what imports and closed windows hold."""
    yield
    gc.collect()  # this fixture is the first, so the window is closed
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _installed_plugins() -> Iterator[None]:
    """Napari looks through all installed packages for plugins with each window; once is enough."""
    discovered = list(PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda *_, **__: iter(discovered))
        yield


@pytest.fixture(scope="session", autouse=True)
def _known_signatures() -> Iterator[None]:
    """Napari looks at a method's parameters whenever it is connected or disconnected; once is enough."""
    takes_event, known = EventEmitter._check_signature, WeakKeyDictionary[Any, bool]()

    def remembered(callback: Any) -> bool:
        if not inspect.ismethod(callback):
            return takes_event(callback)
        if callback.__func__ not in known:
            known[callback.__func__] = takes_event(callback)
        return known[callback.__func__]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventEmitter, "_check_signature", staticmethod(remembered))
        yield


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes what the user who runs it told napari to remember."""

    def none(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr("napari.settings.get_plugin_settings", none, raising=False)
    monkeypatch.setattr(settings, "_FORGOTTEN", settings._Forgotten())
    monkeypatch.setattr(file_dialog, "_last", Path())


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts of the notifications that napari shows."""
    texts: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda shown: texts.append(shown.message))
    return texts


def made_by(model: str, model_hash: str = "") -> Provenance:
    """Where a mask of this model comes from."""
    return Provenance(model, model_hash, "1", 0.5, 0.25, ("flair",), "cpu", "float32", "2026-01-01", 1.0)


class Lent(Worker):
    """Another worker's child: its end is the end of one's own jobs alone."""

    def __init__(self, owner: Worker, jobs: WeakSet[Job]) -> None:
        self._owner, self._jobs = owner, jobs

    @property
    def pid(self) -> int | None:
        return self._owner.pid

    @property
    def is_ready(self) -> bool:
        return self._owner.is_ready

    def end_if_unused(self, _: float) -> None:
        pass

    def run(self, *args: Any, **kwargs: Any) -> Job:
        job = self._owner.run(*args, **kwargs)
        self._jobs.add(job)
        return job

    def close(self) -> None:
        for job in self._jobs:
            job.cancel()


@pytest.fixture(scope="session")
def _child() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(autouse=True)
def _jobs(request: pytest.FixtureRequest, _child: Worker, monkeypatch: pytest.MonkeyPatch) -> WeakSet[Job]:
    """A child takes seconds to start: one serves all tests, but for those that are about its life."""
    jobs = WeakSet[Job]()  # of those that are garbage together with their window, none is there
    if not request.node.get_closest_marker("own_child"):
        for module in ("ui.viewer_context", "finetune.controller"):
            monkeypatch.setattr(f"napari_tumor_unet.plugin.{module}.Worker", lambda: Lent(_child, jobs))
        monkeypatch.setattr("napari_tumor_unet.worker.engine.Worker", lambda _: Lent(_child, WeakSet()))
        monkeypatch.setattr("napari_tumor_unet.worker.worker._GRACE", 60.0)  # a killed child must start again
    return jobs


@pytest.fixture(scope="session")
def _shared_window(qapp: QApplication) -> Iterator[SharedWindow]:
    window = SharedWindow(qapp)
    yield window
    window.close()


@pytest.fixture
def _no_shared_window(_shared_window: SharedWindow) -> None:
    _shared_window.close()


@pytest.fixture
def make_napari_viewer(_no_shared_window: None, make_napari_viewer: Any) -> Any:
    """Windows of the test's own, for what is about their life: one takes half a second of the processor."""
    return make_napari_viewer


@pytest.fixture
def viewer(
    request: pytest.FixtureRequest, _shared_window: SharedWindow, _jobs: WeakSet[Job]
) -> Iterator[napari.Viewer]:
    """The window that tests share, as new, unless the test opens windows; its jobs end with the test."""
    if "make_napari_viewer" in request.fixturenames:
        yield request.getfixturevalue("make_napari_viewer")(show=True)
    else:
        yield _shared_window.lend()
    for job in _jobs:
        job.cancel()
    for thread in threading.enumerate():
        if thread.name == "tumor-unet-job":  # a cancelled one knows the window for a moment more
            thread.join(10)
    _shared_window.take_back()


@pytest.fixture
def viewer_model() -> ViewerModel:
    """Layers and their events, without a window."""
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def quick_model(tiny_model_file: Path) -> None:
    """The model of the click takes no time, and calls much a tumour."""
    registry.import_model(tiny_model_file)
    settings.segmentation_settings().model = "tiny"


@pytest.fixture
def click(qtbot: Any) -> Callable[..., bool]:
    """Segment by the menu's command; whether it ended well."""

    def segment(viewer: napari.Viewer) -> bool:
        with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE) as ended:
            start_segmentation()
            assert SegmentationController.of(viewer).context.busy
        return ended.args[0]

    return segment


def start_segmentation() -> None:
    """What the menu entry, and the command palette, do."""
    get_app_model().commands.execute_command("napari-tumor-unet.segment").result()


def press(button: Any, qtbot: Any) -> None:
    """As the mouse does, once the panel has given the button room."""
    qtbot.waitUntil(lambda: not button.native.rect().isEmpty(), timeout=PATIENCE)
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def choose_model(panel: Any, name: str, qtbot: Any) -> None:
    """Choose a model in the panel Segment, where models are listed by a thread."""
    panel.models.choose(name)
    qtbot.waitUntil(lambda: panel.model.value == name, timeout=PATIENCE)


def entries_of(viewer: napari.Viewer, title: str) -> list[QAction]:
    """Of a submenu of the menu Layers, as the user sees them when it opens."""
    viewer.window.layers_menu.aboutToShow.emit()
    actions = viewer.window.layers_menu.actions()
    menu = next(a.menu() for a in actions if a.menu() and a.text().replace("&", "") == title)
    menu.aboutToShow.emit()
    return menu.actions()
