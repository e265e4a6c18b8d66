"""Show texts as data: Qt guesses whether a text is HTML, and napari's own labels follow the guess."""

from __future__ import annotations

import re
from collections.abc import Callable

from napari.utils import notifications

from napari_tumor_unet._text import visible

_TAG = re.compile(r"<(?=[\w/!?])|&(?=lt;)")  # as Qt::mightBeRichText looks for


def plain(text: str) -> str:
    """Return a text that looks the same, and that Qt does not take for HTML.

    Control characters are spelled out, and what may begin a tag is followed by a space without width.
    """
    return _TAG.sub("\\g<0>\u200b", visible(text, lines=True))


def _shown_by(name: str) -> Callable[[str], None]:
    def show(text: str) -> None:
        getattr(notifications, name)(plain(text))

    return show


show_info, show_warning, show_error = map(_shown_by, ("show_info", "show_warning", "show_error"))
