"""What must be known of two masks: one is of a part of the scan, or a model has learned from the scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial

from napari.layers import Labels, Layer

from napari_tumor_unet.inference.result_check import about_part
from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.model.card import ModelError, read_card
from napari_tumor_unet.model.registry import find_model, name_of_hash
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair, image_for
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.patient_names import patient_told

_TOLD = "The model has learned from this scan: what it does here tells nothing of new patients."


def caveats_of(
    prediction: Labels, reference: Labels, layers: Iterable[Layer], point: tuple[float, ...]
) -> Callable[[], tuple[str, ...]]:
    """Return what looks up what must be known of two masks before their scores are believed.

    It is for a thread, as it may read all voxels, which it does once.

    Of what a model has learned from, the public patients are known that its card names, and the scans, with
    their masks, that it holds hashes of.

    Parameters
    ----------
    prediction, reference : Labels
    layers : iterable of Layer
        The viewer's.
    point : tuple of float
        Where in the world the viewer is: of time points it chooses one.
    """
    metadata, layers = mask_metadata(prediction), list(layers)
    if metadata.provenance is None or not (model_hash := metadata.provenance.model_hash):
        return partial(_say_part, prediction, reference)
    pair = source = None
    if (image := image_for(reference, layers)) is not None:
        pair = LayerPair(image, reference, point)
        with suppress(ScanError):
            source = pair.source(layers)
    names = (str(prediction.name), metadata.scan, str(reference.name), mask_metadata(reference).scan)
    learned_from = cache(partial(_say_learned_from, model_hash, patient_told(*names), pair, source))
    return lambda: (*_say_part(prediction, reference), *learned_from())


def _say_part(*masks: Labels) -> tuple[str, ...]:
    return about_part(dict.fromkeys(text for mask in masks for text in mask_metadata(mask).warnings))


def _say_learned_from(
    model_hash: str, patient: str, pair: LayerPair | None, source: LayerScan | None
) -> tuple[str, ...]:
    if (name := name_of_hash(model_hash)) is None:
        return ()
    try:
        card = read_card(find_model(name))
    except ModelError:  # gone meanwhile
        return ()
    if patient and patient in card.patients:
        return (_TOLD,)
    if pair is None or source is None or not card.data:
        return ()
    with suppress(Exception):  # whatever a layer's array, lazy or not, may raise
        return (_TOLD,) if fingerprint(source.scan, pair.mask(source)).case in card.data else ()
    return ()
