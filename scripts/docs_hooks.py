"""What mkdocs does beside its own: links to files of the repository, as on GitHub, and plain docstrings."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_REPOSITORY = "https://github.com/napari-tumor-unet/napari-tumor-unet/blob/main/"
_OUTSIDE = re.compile(r"(?<=\]\()\.\./([^)#\s]+)")
_ROLE = re.compile(r":(?:func|class|mod|meth):(?=<code>)")  # of Sphinx, in docstrings
_LOG = logging.getLogger("mkdocs.hooks")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that leave the docs into links to the repository."""

    def to_repository(link: re.Match[str]) -> str:
        if not (_ROOT / link[1]).exists():
            _LOG.warning("%s links to %s, which is not there", page.file.src_path, link[0])
        return _REPOSITORY + link[1]

    return _OUTSIDE.sub(to_repository, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Take the roles of Sphinx out of docstrings."""
    return _ROLE.sub("", html)
