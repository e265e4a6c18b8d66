"""Keys of one viewer for what readers of scans do all the time; none that napari or the user has taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from app_model.types import KeyBinding, KeyCode, KeyMod
from napari._app_model import get_app_model

from napari_tumor_unet.plugin.layers.looks import show_next_sequence, toggle_mask, toggle_outline
from napari_tumor_unet.plugin.ui.connections import Connections

if TYPE_CHECKING:
    from napari import Viewer


def _segment(_: Viewer) -> None:
    get_app_model().commands.execute_command("napari-tumor-unet.segment").result()


# Letters that no layer of napari uses: keys of the active layer come before those of the viewer.
_KEYS: dict[int, Callable[[Viewer], None]] = {
    KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyG: _segment,
    KeyCode.KeyU: toggle_outline,
    KeyCode.KeyH: toggle_mask,
    KeyCode.KeyN: show_next_sequence,
}


def bind_keys(viewer: Viewer, connections: Connections) -> None:
    """Bind the keys until the connections are undone."""
    for code, act in _KEYS.items():
        key = KeyBinding.from_int(code)
        if key not in viewer.keymap and not any(key in _class_keymap(kind) for kind in type(viewer).__mro__):
            viewer.bind_key(key, act)
            connections.at_close(partial(_unbind, viewer, key, act))


def _unbind(viewer: Viewer, key: KeyBinding, act: Callable[[Viewer], None]) -> None:
    if viewer.keymap.get(key) is act:
        viewer.bind_key(key, None)


def _class_keymap(kind: type) -> Any:
    """Keys that the user chose in napari's preferences, among others."""
    return getattr(kind, "class_keymap", {})
