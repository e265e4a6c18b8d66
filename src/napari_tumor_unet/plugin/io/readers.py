"""Read files and folders into layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import napari
import numpy as np
from napari.layers import Image
from qtpy.QtCore import QThread

from napari_tumor_unet.io.dicom.decode import read_series
from napari_tumor_unet.io.dicom.detect import looks_like_dicom
from napari_tumor_unet.io.dicom.find import find_series
from napari_tumor_unet.io.dicom.read_segmentation import find_scan, read_segmentation
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.dicom.study import series_of_file, series_of_study
from napari_tumor_unet.io.file_names import MASK_ENDING_OF, format_of, scan_name
from napari_tumor_unet.io.find import holds_scan_files, scan_files_in
from napari_tumor_unet.io.guard import errors_told
from napari_tumor_unet.io.labels import as_labels, is_labels
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.io.slice_folder import holds_slices, looks_like_slices, read_folder_mask
from napari_tumor_unet.plugin.io.layer_data import LayerData, mask_layer, scan_layers
from napari_tumor_unet.plugin.io.opened_together import show_together
from napari_tumor_unet.plugin.layers.metadata import KEY, ImageMetadata
from napari_tumor_unet.plugin.layers.transforms import source_images
from napari_tumor_unet.plugin.ui.plain import plain, show_error, show_warning
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.scan.patient_names import patient_told
from napari_tumor_unet.scan.sequence_names import patient_in, sequence_named, speaks_of_sequence

_MOST_NOTES = 6  # in one notification
_MOST_FILES = 24  # of one patient


@dataclass
class Opened:
    """Layers, and sentences on what is not among them or worth knowing of them.

    Attributes
    ----------
    layers : list of LayerData
    notes : list of str
    path : Path, optional
        The file or folder that was read.
    """

    layers: list[LayerData] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    path: Path | None = None

    def add(self, part: LayerData | str) -> None:
        """Add a layer or a note."""
        if isinstance(part, str):
            self.notes.append(part)
        else:
            self.layers.append(part)

    @property
    def summary(self) -> str:
        """All notes as one sentence."""
        notes = [note.removesuffix(".") for note in self.notes[:_MOST_NOTES]]
        if len(self.notes) > _MOST_NOTES:
            notes.append(f"and {len(self.notes) - _MOST_NOTES} more")
        return "; ".join(notes) + "." if notes else ""


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the reader of a path; a folder that holds no scan is declined from its first entries."""
    if not isinstance(path, str):
        return None
    folder = Path(path)
    looks = looks_like_slices, looks_like_dicom, holds_scan_files
    if folder.is_dir() and not any(look(folder) for look in looks):
        return None
    return read_layers


def read_layers(path: str | Path) -> list[LayerData]:
    """Read a scan, labels, or all series of a DICOM folder; a notification says what is left out.

    What cannot be read is told in the window, if it is at work: napari would show a traceback, and pass over
    the other files of a drop.

    Raises
    ------
    ScanError
        If there is nothing to show, and a script asked.
    """
    path = Path(path)
    try:
        if is_folder_of_files(path):
            raise ScanError(f"{path.name} is no scan, but holds files; open these.")
        opened = read_dicom(path) if format_of(path) == "DICOM" else read_file(path)
        if not opened.layers:
            raise ScanError(opened.summary)
    except ScanError as error:
        if not QThread.currentThread().loopLevel():
            raise
        show_error(str(error))
        return [(None,)]  # type: ignore[list-item]  # napari's sign for no layer
    if opened.notes:
        show_warning(opened.summary)
    show_together([arguments["metadata"][KEY] for _, arguments, _ in opened.layers])
    return opened.layers


def is_folder_of_files(path: Path) -> bool:
    """Tell whether a path is a folder in which files of scans lie, and no scan in slices itself."""
    return path.is_dir() and holds_scan_files(path) and not (holds_slices(path) or looks_like_dicom(path))


def files_of_patient(folder: Path) -> list[Path]:
    """Return the files of scans that lie in a folder, last those named as masks.

    Raises
    ------
    ScanError
        If they are of several patients by their names, or too many, or the folder cannot be read.
    """
    with errors_told(folder.name):
        files = scan_files_in(folder)
    if len({patient_told(file.name) for file in files} - {""}) > 1 or len(files) > _MOST_FILES:
        raise ScanError(
            f"{folder.name} holds {len(files)} files, of several patients it seems; open those you want, or "
            "segment all of them under Several scans in the panel Segment tumour."
        )
    return files


def read_dicom(path: Path) -> Opened:
    """Read the series of a folder, or that of a file; with a segmentation its scan, unless this is open.

    Raises
    ------
    ScanError
        As :func:`napari_tumor_unet.io.dicom.find.find_series`.
    """
    series = find_series(path) if path.is_dir() else series_of_file(path)
    if path.is_dir() or not all(one.is_segmentation for one in series):
        return read_all(series)
    scans = series_of_study(path)
    own = find_scan(path, scans)
    viewer = napari.current_viewer()
    layers = [] if viewer is None else viewer.layers
    opened = {source_images(layer) for layer in layers if isinstance(layer, Image)}
    return read_all(series if own is None or own.source in opened else (own, *series), scans)


def read_file(path: Path) -> Opened:
    """Read a file or a folder of slices: T1 before and after contrast (hidden), FLAIR, the mask.

    Raises
    ------
    ScanError
        As :func:`napari_tumor_unet.io.read.read_scan`.
    """
    with errors_told(path.name):
        scan = _named_after_folder(read_scan(path), path)
        if path.is_file() and is_labels(path, scan):
            scan = as_labels(scan, path.name)
            mask = scan.sequences["flair"]
            return Opened([mask_layer(mask, scan_layers(scan)[0], scan.name, path)], [*scan.notes], path)
        layers = scan_layers(scan)
        for _, arguments, _ in layers:
            metadata: ImageMetadata = arguments["metadata"][KEY]
            metadata.ending = MASK_ENDING_OF[format_of(path)]
            if len(layers) == 1 and scan.name != scan_name(path):  # the folder may speak of a sequence too
                metadata.sequence = sequence_named(scan_name(path))
        if path.is_dir() and (folder_mask := read_folder_mask(path)) is not None:
            layers.append(mask_layer(folder_mask, layers[-1], f"{scan.name} mask"))
        return Opened(layers, [*scan.notes], path)


def openable(series: Iterable[Series]) -> list[Series]:
    """Return the series that can be shown: volumes, last the one to look at, FLAIR or the first; masks."""
    series = list(series)
    volumes = [one for one in series if not one.problem]
    shown = next((one for one in volumes if one.sequence == "flair"), next(iter(volumes), None))
    masks = [one for one in series if one.is_segmentation]
    return [one for one in volumes if one is not shown] + ([shown] if shown else []) + masks


def read_all(series: Iterable[Series], scans: Iterable[Series] = ()) -> Opened:
    """Read all series that are volumes, or masks of one of them or of other scans."""
    series = list(series)
    opened = Opened(notes=[one.problem for one in series if not one.can_be_shown], path=folder_of(series))
    for part in read_volumes(openable(series), [*series, *scans]):
        opened.add(part)
    return opened


def folder_of(series: Iterable[Series]) -> Path | None:
    """Return the folder that holds all files of some series."""
    folders = {file.parent.absolute() for one in series for file in one.files}
    return Path(os.path.commonpath(folders)) if folders else None


def read_volumes(chosen: list[Series], every: Iterable[Series] = ()) -> Generator[LayerData | str]:
    """Yield an image layer for each series, the last one visible, or a sentence that says why not.

    For a segmentation yield labels layers, on the grid of the scan among ``every`` that it was made of.
    """
    studies = {series.study: uuid4().hex for series in chosen}
    volumes = [series for series in chosen if not series.is_segmentation]
    for series in volumes:
        try:
            with errors_told(series.name):
                scan = read_series(series)
        except ScanError as error:
            yield str(error)
            continue
        (layer,) = scan_layers(scan)
        layer[1]["visible"] = series is volumes[-1]
        metadata: ImageMetadata = layer[1]["metadata"][KEY]
        metadata.scan_id, metadata.study = studies[series.study], series.study_code
        metadata.sequence, metadata.modality, metadata.ending = series.sequence, series.modality, ".nii.gz"
        yield layer
        yield from series.notes
    for series in chosen:
        for file in series.files if series.is_segmentation else ():
            yield from _read_segments(file, series, every, studies)


def _read_segments(
    file: Path, series: Series, scans: Iterable[Series], studies: dict[int, str]
) -> Generator[LayerData | str]:
    """Yield the segments of a file as labels layers, one unless they overlap."""
    try:
        with errors_told(series.name):
            segments, scan = read_segmentation(file, scans)
    except ScanError as error:
        yield str(error)
        return
    for one in segments:
        beside = scan_layers(one.scan)[0]
        metadata: ImageMetadata = beside[1]["metadata"][KEY]
        metadata.ending = ".nii.gz"
        if scan is not None:
            metadata.scan, metadata.scan_id = scan.name, studies.get(scan.study, metadata.scan_id)
        whole = file if len(segments) == 1 else None
        layer = mask_layer(np.asarray(one.scan.sequences["flair"]), beside, one.scan.name, whole)
        layer[1]["features"] = {
            "index": [*one.names],
            "segment": [plain(text) for text in one.names.values()],
        }
        yield layer
        yield from one.scan.notes


def _named_after_folder(scan: Scan, path: Path) -> Scan:
    """Name a scan after its folder too, where its file's name begins with a sequence: none of a patient."""
    nobody = path.is_file() and speaks_of_sequence(scan.name) and not patient_in(scan.name)
    return replace(scan, name=f"{path.absolute().parent.name} {scan.name}") if nobody else scan
