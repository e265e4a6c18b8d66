"""Letters at the edges of the canvas: R, L, A, P, S, I. They are no layer, so nobody saves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari.components._viewer_constants import CanvasPosition
from napari.components.overlays import TextOverlay

if TYPE_CHECKING:
    from napari import Viewer

_POSITIONS = {"left": "middle_left", "right": "middle_right", "top": "top_center", "bottom": "bottom_center"}
_SIZE = 14


def show_letters(viewer: Viewer, letters: Mapping[str, str]) -> bool:
    """Show a letter at each edge that is named, and none at the others; whether napari can do so."""
    overlays = _overlays(viewer)
    if overlays is None:
        return False
    for edge, position in _POSITIONS.items():
        name, text = f"_tumour_unet_{edge}", letters.get(edge, "")
        if text and name not in overlays:
            overlays[name] = TextOverlay(position=position, font_size=_SIZE)
        if name in overlays:
            overlays[name].text = text
            overlays[name].visible = bool(text)
    return True


def show_scale_bar(viewer: Viewer, visible: bool) -> bool:
    """Show napari's scale bar, or hide it; whether that changes anything."""
    overlays = _overlays(viewer)
    bar = viewer.scale_bar if overlays is None else overlays["scale_bar"]
    changes = bool(bar.visible) != visible
    bar.visible = visible
    return changes


def _overlays(viewer: Viewer) -> Any:
    """Return napari's overlays, from 0.9 on."""
    has_middle = "middle_left" in {str(position) for position in CanvasPosition}
    canvas = getattr(viewer, "canvas", None)
    return canvas.overlays if has_middle and canvas is not None else None
