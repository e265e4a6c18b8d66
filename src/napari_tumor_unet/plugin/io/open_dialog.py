"""Opens what the user chose: files and headers are read by threads, series are asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error, show_warning

from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.dicom.study import series_of_study
from napari_tumor_unet.io.file_names import format_of
from napari_tumor_unet.io.slice_folder import folder_of_slice
from napari_tumor_unet.plugin.io.readers import Opened, openable, read_file, reasons, series_layers, take
from napari_tumor_unet.plugin.io.series_chooser import SeriesChooser
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    import napari

Found = Opened | tuple[Series, ...]


def open_paths(viewer: napari.Viewer, paths: Iterable[str | Path]) -> None:
    """Open files; one slice, or one DICOM file, stands for all that it belongs to."""
    worker = create_worker(_find, [Path(path) for path in paths], _start_thread=False)
    _start(worker, cancelable_progress(total=0, desc="Reading MRI scan"), partial(_show, viewer))


def open_series(viewer: napari.Viewer, chosen: list[Series]) -> None:
    """Open series of a DICOM folder, all at once when they are read."""
    opened = Opened()
    worker = create_worker(series_layers, openable(chosen), _start_thread=False)
    bar = cancelable_progress(total=len(chosen), desc="Reading DICOM series")
    _start(worker, bar, partial(take, opened=opened), partial(add, viewer, opened))


def add(viewer: napari.Viewer, opened: Opened) -> None:
    """Add layers as read, and leave the scan active, not its mask."""
    added = [viewer.add_layer(Layer.create(*data)) for data in opened.layers]
    images = [layer for layer in added if isinstance(layer, Image)]
    if images:
        viewer.layers.selection.active = images[-1]
    if opened.told:
        (show_warning if added else show_error)(opened.summary)


def _show(viewer: napari.Viewer, found: Found) -> None:
    """Add what a path holds, after a question where it holds several series."""
    if isinstance(found, Opened):
        add(viewer, found)
        return
    chooser = SeriesChooser(found, viewer.window._qt_window)
    chooser.chosen.connect(partial(open_series, viewer))
    chooser.open()


def _find(paths: list[Path]) -> Generator[Found]:
    """What each path stands for."""
    done: set[Path] = set()
    for path in paths:
        try:
            dicom = format_of(path) == "DICOM"
            place = path if dicom else folder_of_slice(path)
            if place in done:
                continue
            found = series_of_study(path) if dicom else ()
            done.update({place}, *(series.files for series in found))
            yield _read(found) if dicom else Opened(read_file(place))
        except ScanError as error:
            yield Opened(told=[str(error)])


def _read(found: tuple[Series, ...]) -> Found:
    """The layer of the only series, or the series to choose from."""
    good = openable(found)
    if len(good) > 1:
        return found
    opened = Opened(told=reasons(found))
    for one in series_layers(good):
        take(one, opened)
    return opened


def _start(
    worker: GeneratorWorker,
    bar: cancelable_progress,
    each: Callable[[Any], object],
    end: Callable[[], object] = lambda: None,
) -> None:
    """Let a thread take its steps; cancelled in the activity dock, it ends after the one under way."""

    def step(result: Any) -> None:
        if bar.is_canceled:
            worker.quit()
            return
        each(result)
        bar.update()  # napari serves other events meanwhile, the end too

    def finish() -> None:
        bar.close()
        if not bar.is_canceled:
            end()

    worker.yielded.connect(step)
    worker.finished.connect(finish)
    worker.start()
