"""Which mask the panel "Segment tumour" shows and changes, whatever layer is active."""

from __future__ import annotations

from napari.components import LayerList
from napari.layers import Image, Labels

from napari_tumor_unet.plugin.layers.image_of_mask import scan_image
from napari_tumor_unet.plugin.layers.metadata import has_result, is_prediction, mask_metadata
from napari_tumor_unet.plugin.layers.opened_masks import note_opened
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences


def results_of(image: Image | None, layers: LayerList) -> list[Labels]:
    """Return the finished masks of an image's scan, opened ones too, the last one last.

    There are none while a mask is active that belongs to no open scan: what is on screen is not the image's.
    """
    if image is None or lone_mask(image, layers) is not None:
        return []
    sequences = ViewerSequences.of(layers)
    flair = sequences.flair(image)
    results = [layer for layer in layers if note_opened(layer, layers) and has_result(layer)]
    sources = [scan_image(result, layers) for result in results]
    return [
        result
        for result, source in zip(results, sources, strict=True)
        if source is not None and (source is image or sequences.flair(source) is flair)
    ]


def lone_mask(image: Image | None, layers: LayerList) -> Labels | None:
    """Return a mask whose scan is not open: the active one of a model, or the first where none is."""
    if image is None:
        masks = (layer for layer in layers if isinstance(layer, Labels))
        return next((mask for mask in masks if mask_metadata(mask).scan), None)
    mask = layers.selection.active
    made = isinstance(mask, Labels) and mask_metadata(mask).provenance is not None
    return mask if made and scan_image(mask, layers) is None else None


def mask_to_show(results: list[Labels], layers: LayerList, before: Labels | None) -> Labels | None:
    """Return the active mask, else the one that was shown before, else the last one that a model made.

    A mask that nobody knows a model of may be the truth, which is not shown unless it is asked for.
    """
    for layer in (layers.selection.active, before):
        if layer in results:
            return layer
    made = [result for result in results if mask_metadata(result).provenance is not None]
    return next(filter(is_prediction, reversed(made)), next(reversed(made), None))
