"""What is remembered from one session to the next, in napari's preferences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Milliseconds, after which a new panel is on screen: napari looks through all plugins for its first setting.
DRAWN = 200


@dataclass
class _Forgotten:
    """The same for napari before 0.9, which keeps no plugin's settings: until it is closed."""

    model: str = "default"
    device: str = "auto"
    one_slice: bool = False
    name_patient: bool = False
    workers: int = 1
    cluster: str = ""


_FORGOTTEN = _Forgotten()


def segmentation_settings() -> Any:
    """``model``, ``device``, ``one_slice``, ``workers``...; what is set stays set."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings("napari-tumor-unet").segmentation
    except (ImportError, KeyError):  # KeyError: napari looked for plugins before this one was installed
        return _FORGOTTEN
