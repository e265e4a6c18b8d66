"""Export the mask of a labels layer, on the grid of the file that its scan was read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet.inference.dicom_report import write_dicom_report
from napari_tumor_unet.inference.measures import measure_on_grid
from napari_tumor_unet.io.dicom.report import report_of
from napari_tumor_unet.io.file_names import FORMATS, MASK_ENDINGS, ending_of, scan_name
from napari_tumor_unet.io.write import made_with, sidecar_of, tells_nothing_else, write_mask, write_result
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.lazy_volume import voxels_of
from napari_tumor_unet.plugin.layers.mask_volume import MaskVolume, mask_volume
from napari_tumor_unet.plugin.layers.metadata import (
    mask_metadata,
    still_fits,
    tells_edits,
)
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.layers.transforms import layer_grid, source_images, stored_geometry
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.scan import Geometry, Scan, ScanError, SourceImage
from napari_tumor_unet.scan.grid import Grid, geometry_of

if TYPE_CHECKING:
    from napari import Viewer

_NO_UNIT = (
    "The spacing is unknown, and the file says so; other programs may take it as mm, so say it in Sequences "
    "and slices and save again."
)
_AS_SHOWN = "No open scan has the grid of this layer; the file has the place that napari shows."
_SPACING_ALONE = (
    f"A TIFF keeps the spacing alone; {MASK_ENDINGS[0]} says as well where the mask lies in the patient."
)
_NO_SPACING = f"A TIFF does not keep the spacing of a single plane; {MASK_ENDINGS[0]} does."
_ONE_TIME = "The file holds the time point that was segmented, and no other."


@dataclass(frozen=True)
class MaskFile:
    """A copy of what a labels layer holds, to be written in any format.

    Attributes
    ----------
    mask : array
        (Z, Y, X), as the layer has it, however its slices were looked at.
    scan : Scan
        The scan of that mask, without voxels.
    sidecar : dict or None
        Contents of the JSON file beside the mask, if there is something that the mask's file cannot hold.
    lost_in_tiff, lost_else : str
        What a TIFF, or a file of another format, does not tell of the mask; empty where nothing is lost.
    mark_saved : callable
        To be called when the file is written: what was painted until the copy needs no autosave any more.
    volume : MaskVolume, optional
        The mask as its scan sees it, which is measured for the sidecar.
    """

    mask: NDArray[Any]
    scan: Scan
    sidecar: dict[str, Any] | None
    lost_in_tiff: str
    lost_else: str
    mark_saved: Callable[[], None]
    volume: MaskVolume | None = None

    def write(self, path: Path, *, with_report: bool = False) -> list[Path]:
        """Write the mask, and beside it the sidecar; return the files.

        Parameters
        ----------
        path : Path
        with_report : bool
            Whether to write the report of a DICOM Segmentation too.

        Raises
        ------
        ScanError
            If that cannot be done.
        """
        try:
            if with_report and not path.exists() and report_of(path).exists():
                raise ScanError(f"{report_of(path).name} belongs to another mask; choose another name.")
            files = self._write(path)
            if with_report:
                made_by = (self.sidecar or {}).get("provenance")
                files.append(write_dicom_report(path, self.mask, self.scan, made_by))
            return files
        except OSError as error:
            raise ScanError(f"{path.name} cannot be written: {error.strerror or error}.") from error

    def lost(self, path: Path) -> str:
        """Return a sentence on what such a file does not tell of the mask; empty where nothing is lost."""
        return self.lost_in_tiff if FORMATS.get(ending_of(path)) == "TIFF" else self.lost_else

    def _write(self, path: Path) -> list[Path]:
        told, tells_of_it = sidecar_of(path), made_with(path) is not None
        if self.sidecar is None:
            write_mask(path, self.mask, self.scan)
            if tells_of_it:  # and would still, where the mask is the same
                told.unlink()
            return [path]
        sidecar = self.sidecar
        if self.volume is not None:
            measures = measure_on_grid(self.volume.mask != 0, self.volume.grid)
            sidecar = sidecar | {"measures": measures.to_json()}
        replaced = path.exists() if "provenance" in sidecar else tells_of_it
        if not replaced and not tells_nothing_else(told, sidecar):
            raise ScanError(f"{told.name} belongs to another mask; choose another name.")
        write_result(path, self.mask, self.scan, sidecar)
        return [path, sidecar_of(path)]


def mask_file(layer: Labels, viewer: Viewer | None = None) -> MaskFile:
    """Copy what is exported of a layer, which the viewer may hold.

    The geometry is that of the file that the layer was read from, or its scan: an image layer of its shape
    and place. Else it is the layer's own transform, as LPS mm.

    Raises
    ------
    ScanError
        If the layer has several time points, or is sheared.
    """
    data, metadata = voxels_of(layer), mask_metadata(layer)
    leading = data.shape[: max(0, data.ndim - 3)]
    segmented = tells_edits(layer) and still_fits(layer)
    if not segmented and any(n > 1 for n in leading):
        raise ScanError(f"{layer.name} has {data.ndim} axes, but a mask's file three; save volume by volume.")
    at = metadata.place.at if segmented else (0,) * len(leading)
    mask = np.array(data[at])
    whole = mask.size == data.size or np.count_nonzero(mask) == np.count_nonzero(data)
    grid = layer_grid(layer, tuple(range(len(at), layer.ndim)), at)
    image = None if viewer is None else image_for(layer, viewer.layers)
    placed = layer if image is None or stored_geometry(layer) is not None else image
    geometry = stored_geometry(placed)
    in_mm = grid.in_mm or (geometry is not None and not lacks_spacing(placed))
    if geometry is not None:
        lost_in_tiff, lost_else = _SPACING_ALONE if geometry.oriented else "", "" if in_mm else _NO_UNIT
    else:
        geometry, lost_in_tiff, lost_else = _as_shown(grid, layer.name)
    if in_mm and geometry.stored_axes == 2:
        lost_in_tiff = _NO_SPACING
    mask = mask.reshape((1,) * (3 - mask.ndim) + mask.shape)
    scan = Scan(
        metadata.scan or layer.name,
        {"flair": np.broadcast_to(np.uint8(0), mask.shape)},
        in_mm=in_mm,
        geometry=geometry,
        source=source_of(layer, viewer),
    )
    mark_saved: Callable[[], None] = _do_nothing
    if not whole:
        lost_in_tiff = lost_else = _ONE_TIME
    elif segmented and viewer is not None and layer in viewer.layers:
        mark_saved = Autosaving.of(viewer).saved_marker(layer)
    volume = mask_volume(layer) if segmented else None
    if volume is not None:
        volume = replace(volume, mask=volume.mask.copy())
    return MaskFile(mask, scan, sidecar_contents(layer, image), lost_in_tiff, lost_else, mark_saved, volume)


def source_of(layer: Labels, viewer: Viewer | None) -> tuple[SourceImage, ...]:
    """Return the DICOM images that a mask was made of, one for each slice; none if there are none."""
    image = None if viewer is None else image_for(layer, viewer.layers)
    return source_images(layer) or (() if image is None else source_images(image))


def with_ending(path: Path, ending: str, *, instead: bool = False) -> Path:
    """Add an ending to a path that has none; or put it in place of another one.

    Raises
    ------
    ScanError
        If there is such a file: nobody asked whether it may be replaced.
    """
    if path.suffix and not instead:
        return path
    # Twice, as Qt makes a.nii.dcm of a.nii.gz.
    bare = scan_name(path.with_name(scan_name(path))) if instead else path.name
    named = path.with_name(bare + ending)
    if named != path and named.exists():
        raise ScanError(f"{named.name} exists already; give its whole name to replace it.")
    return named


def _do_nothing() -> None:
    """Mark nothing as saved: no autosave holds the layer, or the file lacks some of it."""


def _as_shown(grid: Grid, name: str) -> tuple[Geometry, str, str]:
    """Take the geometry of a layer of no known file from napari; return what files lose of it too."""
    if len(grid.shape) == 2:
        height, width = grid.spacing
        plane = Geometry((1.0, height, width), stored_orientation="", stored_axes=2, oriented=False)
        return plane, "", "" if grid.in_mm else _NO_UNIT
    z, y, x = grid.spacing
    plain = Geometry((z, y, x), stored_orientation="", oriented=False)
    if not grid.in_mm:
        return plain, "", _NO_UNIT
    if np.array_equal(grid.matrix, np.diag(grid.spacing)) and not grid.offset.any():
        return plain, "", ""
    try:
        lps = replace(grid, matrix=grid.matrix[::-1], offset=grid.offset[::-1])  # napari's world is (z, y, x)
        return geometry_of(lps), _SPACING_ALONE, _AS_SHOWN
    except ValueError as error:
        raise ScanError(
            f"{name} is sheared; mask formats cannot store that, so transform its voxels first."
        ) from error
