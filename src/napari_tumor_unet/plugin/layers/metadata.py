"""What a layer carries for this plugin: one typed object in its metadata, under ``napari-tumor-unet``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.inference.result import Findings, Provenance
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.scan import Geometry, Sequence, SourceImage
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES
from napari_tumor_unet.scan.spacing import Spacing

KEY = "napari-tumor-unet"
"""Where a layer's metadata hold the object."""
SAID = "napari-tumor-unet spacing"
"""Where the metadata of any layer hold a :class:`SaidSpacing`."""
MASK_OF = "napari-tumor-unet mask"
"""Where those of a layer that shows something of a mask hold the ``unique_id`` of that."""


@dataclass(frozen=True)
class SaidSpacing:
    """The spacing that the user said of a layer, and how to take it back; all along its three spatial axes.

    Attributes
    ----------
    mm : tuple of float
    factors : tuple of float
        By which the layer was scaled, and moved with the scan.
    moved : bool
        Whether it was moved; not where the file tells its place in mm.
    units : tuple of str
        Before.
    """

    mm: Spacing
    factors: Spacing
    moved: bool
    units: tuple[str, str, str]


@dataclass(eq=False, kw_only=True)
class LayerMetadata(Mapping[str, Any]):
    """What an image and a mask have in common.

    Scripts of the version before read a plain dict here: ``metadata["probability"]`` still works, and what
    is not set is not in it.

    Attributes
    ----------
    scan : str
        Name of the scan, without the sequence.
    scan_id : str
        Shared by all layers that were read as one scan or study.
    geometry : Geometry, optional
        Of the file that the voxels were read from.
    shape : tuple of int
        Of the voxels for which ``geometry`` holds.
    ending : str
        In which format a mask of the scan is saved.
    source_images : tuple of SourceImage, optional
        The DICOM images that the scan was read from, one for each slice; never shown, nor kept in a file.
    """

    scan: str = ""
    scan_id: str = ""
    geometry: Geometry | None = None
    shape: tuple[int, ...] = ()
    ending: str = ""
    source_images: tuple[SourceImage, ...] | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Any:
        if name not in {one.name for one in dataclasses.fields(self)} or _is_unset(value := self._read(name)):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        names = (one.name for one in dataclasses.fields(self))
        return (name for name in names if not _is_unset(self._read(name)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _read(self, name: str) -> Any:
        """Return an attribute as the dict of the version before had it."""
        value = getattr(self, name)
        return dataclasses.asdict(value) if isinstance(value, Geometry | Findings) else value


@dataclass(eq=False, kw_only=True)
class ImageMetadata(LayerMetadata):
    """Metadata of an image layer that this plugin read.

    Attributes
    ----------
    sequence : {"pre", "flair", "post"}, optional
        Where the file, or the folder, tells it.
    study : str, optional
        The same for all DICOM series of a study; it identifies nobody.
    modality : str, optional
        Of a DICOM series.
    """

    sequence: Sequence | None = None
    study: str | None = None
    modality: str | None = None

    __hash__ = object.__hash__


@dataclass(eq=False, kw_only=True)
class MaskMetadata(LayerMetadata):
    """Metadata of a labels layer that this plugin read, or that a segmentation wrote.

    Attributes
    ----------
    source : str
        ``unique_id`` of the image layer that the mask was made from.
    place : SliceOrientation
        Where the scan lies in the layer's data.
    voxel_ml : float, optional
        Volume of a voxel, where the spacing is in mm.
    written : array of int
        (Z, Y, X), the mask as a segmentation last wrote it, or as it was opened: what differs is the user's.
        Empty if neither is known.
    strokes : dict of int to array
        Of slices that were edited when the mask was made again, (Y, X): the user's voxels, and -1.
    probability : array of uint8
        (Z, Y, X); 255 is certain tumour. Empty if no segmentation wrote the mask in this viewer.
    provenance : Provenance, optional
        Of the run that wrote the mask; None until the run has ended.
    findings : Findings, optional
        What the mask held as it was last written.
    warnings : tuple of str
        Why the mask may not be worth much.
    checked, visited : set of int
        Slices that the user marked as right, or was led to.
    chosen_threshold : float, optional
        What the user chose after the run, in place of the threshold of ``provenance``.
    min_region_voxels : int, optional
        Under how many voxels the user had regions dropped; 0 and None leave that to the model.
    postprocessing : tuple of str
        What the user chose to be done with the mask, of ``"smooth_outline"`` and ``"fill_holes"``.
    made_with : str
        The model that the run was asked for, by name or file.
    saved : int, optional
        Checksum of the mask, and of the spacing said of it, as the panel last saved them.
    saved_as : str
        Name of that file, or of the one that it was opened from.
    edited_before : bool
        Whether the user had edited it when that file was written.
    spacing_said : tuple of float, optional
        The spacing in mm that the user had said of its scan by then.
    paired : bool
        Whether ``scan`` is the name of an image that the mask was once found to lie on.
    restored : bool
        Whether an autosave brought it back, which tells its scan: it lies on no other.
    agreement : str
        Where the layer is no mask: ``unique_id`` of what it compares, or ``doubt`` where it shows that.
    """

    source: str = ""
    place: SliceOrientation = field(default_factory=SliceOrientation)
    voxel_ml: float | None = None
    written: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    strokes: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)
    probability: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    provenance: Provenance | None = None
    findings: Findings | None = None
    warnings: tuple[str, ...] = ()
    checked: set[int] = field(default_factory=set)
    visited: set[int] = field(default_factory=set)
    chosen_threshold: float | None = None
    min_region_voxels: int | None = None
    postprocessing: tuple[str, ...] = ()
    made_with: str = ""
    saved: int | None = None
    saved_as: str = ""
    edited_before: bool = False
    spacing_said: Spacing | None = None
    paired: bool = False
    restored: bool = False
    agreement: str = ""

    __hash__ = object.__hash__

    @property
    def has_probability(self) -> bool:
        """Whether the probability is known, from which a mask can be made again."""
        return bool(self.probability.size)

    @property
    def was_changed(self) -> bool:
        """Whether threshold, smallest region or postprocessing are the user's choice."""
        chosen = self.chosen_threshold is not None or self.min_region_voxels is not None
        return chosen or bool(self.postprocessing)

    @property
    def threshold(self) -> float:
        """The probability from which a voxel is tumour, now."""
        if self.chosen_threshold is not None:
            return self.chosen_threshold
        return 0.5 if self.provenance is None else self.provenance.threshold

    def sidecar_provenance(self) -> dict[str, Any]:
        """Return where the mask came from, with the settings that hold now, as a sidecar file tells it."""
        if self.provenance is None:
            return {}
        now: dict[str, Any] = {"threshold": self.threshold}
        if self.min_region_voxels is not None:
            now["fewest_voxels"] = self.min_region_voxels
        if self.postprocessing:
            now["postprocessing"] = list(self.postprocessing)
        return self.provenance.to_json() | now

    def _read(self, name: str) -> Any:
        return (self.sidecar_provenance() or None) if name == "provenance" else super()._read(name)


def image_metadata(image: Layer) -> ImageMetadata:
    """Return the metadata of an image layer; nothing is set where another reader read it."""
    value = image.metadata.get(KEY)
    if isinstance(value, ImageMetadata):
        return value
    return ImageMetadata(**_as_fields(value, ImageMetadata))


def title_of(layer: Layer) -> str:
    """Return what a user calls a layer's scan: its name, counted as the layer's is, or the layer's own name.

    Two scans may have one name; their layers are told apart by the number that napari adds.
    """
    scan, name = image_metadata(layer).scan, str(layer.name)
    bare = re.sub(r" \[\d+\]$", "", name)
    as_read = bare in (scan, *(f"{scan} {title}" for title in SHORT_TITLES.values()))
    return f"{scan}{name.removeprefix(bare)}" if scan and as_read else name


def mask_metadata(layer: Layer | None) -> MaskMetadata:
    """Return the metadata of a labels layer; nothing is set where neither reader nor segmentation made it.

    The dict of a segmentation of the version before is replaced by the object, as that is changed later.
    """
    value = None if layer is None else layer.metadata.get(KEY)
    if isinstance(value, MaskMetadata):
        return value
    metadata = MaskMetadata(**_as_fields(value, MaskMetadata))
    if layer is not None and isinstance(value, dict) and metadata.written.size:
        layer.metadata[KEY] = metadata
    return metadata


def said_spacing(layer: Layer) -> SaidSpacing | None:
    """Return the spacing that the user said of a layer, if its file told none and somebody did."""
    said = layer.metadata.get(SAID)
    return said if isinstance(said, SaidSpacing) else None


def is_prediction(layer: Layer | None) -> TypeGuard[Labels]:
    """Whether a segmentation writes, or wrote, a layer."""
    return isinstance(layer, Labels) and mask_metadata(layer).has_probability


def tells_edits(layer: Layer | None) -> TypeGuard[Labels]:
    """Whether a layer is a mask of which it is known how a run wrote it, or how it was opened."""
    return isinstance(layer, Labels) and bool(mask_metadata(layer).written.size)


def is_agreement(layer: Layer) -> bool:
    """Whether a layer shows a comparison, or doubt, and is no mask."""
    return isinstance(layer, Labels) and bool(mask_metadata(layer).agreement)


def masks_in(layers: Iterable[Layer]) -> list[Labels]:
    """Return the layers that are masks, and no comparison of masks."""
    return [layer for layer in layers if isinstance(layer, Labels) and not is_agreement(layer)]


def still_fits(layer: Labels) -> bool:
    """Whether the data of a segmentation's layer have the shape that they had."""
    metadata = mask_metadata(layer)
    if layer.ndim not in (len(metadata.place.at) + n for n in (2, 3)):
        return False
    return bool(metadata.place.volume(layer.data).shape == metadata.written.shape)


def has_result(layer: Layer | None) -> TypeGuard[Labels]:
    """Whether a layer is a mask of a run that has ended, or an opened one, and still has its shape."""
    if not tells_edits(layer) or not still_fits(layer):
        return False
    metadata = mask_metadata(layer)
    return metadata.provenance is not None or not metadata.has_probability


def model_of(layer: Labels) -> str:
    """Return the name of the model that made a mask; empty if none did."""
    provenance = mask_metadata(layer).provenance
    return "" if provenance is None else provenance.model


def as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn lists, as JSON has them, into the tuples that they were."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def provenance_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Split what :meth:`MaskMetadata.sidecar_provenance` gave into the provenance and what the user chose."""
    return {
        "provenance": Provenance.from_json(values),
        "min_region_voxels": values.get("fewest_voxels"),
        "postprocessing": tuple(values.get("postprocessing", ())),
    }


def _as_fields(value: Any, kind: type[LayerMetadata]) -> dict[str, Any]:
    """Return the fields of a plain dict, as the version before kept it."""
    if not isinstance(value, Mapping):
        return {}
    names = {one.name for one in dataclasses.fields(kind)}
    fields = {name: one for name, one in value.items() if name in names and one is not None}
    if isinstance(geometry := fields.get("geometry"), Mapping):
        fields["geometry"] = Geometry(**as_tuples(geometry))
    if isinstance(findings := fields.get("findings"), Mapping):
        fields["findings"] = Findings(**as_tuples(findings))
    if isinstance(provenance := fields.get("provenance"), Mapping):
        fields |= provenance_of(provenance)
    return fields


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str | np.ndarray | dict) and not len(value))
