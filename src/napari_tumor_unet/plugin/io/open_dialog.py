"""Open what the user chose: threads read files and headers, a dialog asks for series."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from napari.layers._source import layer_source
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils import cancelable_progress

from napari_tumor_unet._common import explain
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.dicom.study import is_segmentation, series_of_study
from napari_tumor_unet.io.file_names import format_of
from napari_tumor_unet.io.slice_folder import folder_of_slice
from napari_tumor_unet.plugin.io.opened_together import show_flair
from napari_tumor_unet.plugin.io.readers import (
    Opened,
    files_of_patient,
    folder_of,
    openable,
    read_all,
    read_dicom,
    read_file,
    read_volumes,
)
from napari_tumor_unet.plugin.io.series_chooser import SeriesChooser
from napari_tumor_unet.plugin.ui.plain import plain, show_error, show_warning
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    import napari

Content = Opened | tuple[Series, ...]


def open_paths(viewer: napari.Viewer, paths: Iterable[str | Path], beside: Iterable[Layer] = ()) -> None:
    """Open files, shown with layers beside; one slice, or one DICOM file, stands for all it belongs to."""
    chosen = [Path(path) for path in paths]
    worker = create_worker(_find, chosen, _start_thread=False)
    bar = cancelable_progress(total=len(chosen) if len(chosen) > 1 else 0, desc="Reading MRI scan")
    names = ", ".join(path.name for path in chosen)
    said = viewer.status = plain(f"Reading {names} ...")
    worker.finished.connect(partial(_take_back, viewer, said))
    _tell_panels(viewer, worker, names)
    _start(worker, bar, partial(_show, viewer, [*beside]))


def open_folder(viewer: napari.Viewer, folder: Path) -> None:
    """Open the files that lie in a folder, as if they were chosen, if they may be of one patient."""
    try:
        files = files_of_patient(folder)
    except ScanError as error:
        show_error(str(error))
        return
    open_paths(viewer, files)


def open_series(viewer: napari.Viewer, chosen: list[Series], every: Iterable[Series] = ()) -> None:
    """Open series of a DICOM folder, all at once when they are read; masks lie on any scan of ``every``."""
    opened = Opened(path=folder_of(chosen))
    worker = create_worker(read_volumes, openable(chosen), every, _start_thread=False)
    bar = cancelable_progress(total=len(chosen), desc="Reading DICOM series")
    _start(worker, bar, opened.add, partial(add, viewer, opened))
    _tell_panels(viewer, worker, ", ".join(series.name for series in chosen))


def add(viewer: napari.Viewer, opened: Opened, beside: Iterable[Layer] = ()) -> list[Layer]:
    """Add layers as read, each told of if napari refuses it, and leave the scan active, not its mask.

    Parameters
    ----------
    viewer : Viewer
    opened : Opened
    beside : iterable of Layer
        What was opened together with it.

    Returns
    -------
    list of Layer
    """
    added = []
    with layer_source(path=opened.path and str(opened.path), reader_plugin="napari-tumor-unet"):
        for data in opened.layers:
            try:
                added.append(viewer.add_layer(Layer.create(*data)))
            except Exception as error:  # one bad layer does not stop the others
                text, details = explain(error, data[1]["name"])
                opened.add(text)
                note_error(text, details, [data[1]["name"]])
    show_flair(viewer, [*beside, *added])
    if opened.notes:
        (show_warning if added else show_error)(opened.summary)
    return added


def _show(viewer: napari.Viewer, before: list[Layer], content: Content) -> None:
    """Add the contents of a path, after a question where these are several series."""
    if isinstance(content, Opened):
        before += add(viewer, content, before)
        return
    chooser = SeriesChooser(content, viewer.window._qt_window)
    chooser.chosen.connect(partial(open_series, viewer, every=content))
    chooser.open()


def _tell_panels(viewer: napari.Viewer, worker: GeneratorWorker, names: str) -> None:
    """Let panels say what is being read, so that nobody takes the scan before for it."""
    context = ViewerContext.of(viewer)
    context.begin_opening(names)
    worker.finished.connect(partial(context.end_opening, names))


def _take_back(viewer: napari.Viewer, said: str) -> None:
    """Say no longer what is over, unless something else is said by now."""
    if viewer.status == said:
        viewer.status = "Ready"


def _find(paths: list[Path]) -> Generator[Content]:
    """Yield what each path stands for."""
    done: set[Path] = set()
    for path in paths:
        try:
            dicom = format_of(path) == "DICOM"
            source = path if dicom else folder_of_slice(path)
            if source in done:
                continue
            if dicom and is_segmentation(path):
                yield read_dicom(path)  # and none of the other readers' beside it
                continue
            series = series_of_study(path) if dicom else ()
            done.update({source}, *(one.files for one in series))
            if len(openable(series)) > 1:
                yield series
            else:
                yield read_all(series) if dicom else read_file(source)
        except ScanError as error:
            yield Opened(notes=[str(error)])


def _start(
    worker: GeneratorWorker,
    bar: cancelable_progress,
    each: Callable[[Any], object],
    end: Callable[[], object] = lambda: None,
) -> None:
    """Start a worker; cancelled in the activity dock, it ends after the step under way."""

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
