"""A page of a report, as HTML that stands alone and as PDF of one A4 sheet."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_tumor_unet._common import atomic_write, write_whole
from napari_tumor_unet._text import visible

_A4 = (8.27, 11.69)  # inches
_MARGIN = 0.55
_HIGHEST = 2.6  # of a picture
_POINT = 1 / 72  # inch
_CHARACTER, _WIDE_CHARACTER = 0.53, 0.66  # of the size of a font: on average, and of short bold words

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 52rem;
       margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } p { margin: .3rem 0; }
.note { font-weight: 600; } .warning { border-left: 4px solid #111; padding-left: .6rem; }
.row { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
figure { margin: 0; flex: 1 1 14rem; max-width: 100%; } img { width: 100%; height: auto; display: block; }
figcaption, .small { font-size: .8rem; color: #333; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: .6rem 0; }
th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid #999; } td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
@media screen and (max-width: 40rem) {
  thead, td:empty { display: none !important; }
  tr { display: block; border-bottom: 2px solid #111; padding: .3rem 0; }
  td, td:first-child { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0;
                       white-space: normal; text-align: right; }
  td::before { content: attr(data-title); color: #333; text-align: left; }
  td:first-child { font-weight: 600; }
}
@page { size: A4; margin: 12mm; } @media print { body { margin: 0; max-width: none; font-size: 11px; } }
"""


@dataclass(frozen=True)
class Picture:
    """What draws on axes, what is said below, the share of height to width, and whether it has ticks."""

    draw: Callable[[Axes], None]
    caption: str
    height: float = 1.0
    ticks: bool = False

    def on(self, figure: Figure, left: float, bottom: float, width: float, height: float) -> None:
        """Draw in a box of a figure, in shares of it."""
        x, y, w, h = (0.13, 0.17, 0.84, 0.8) if self.ticks else (0.0, 0.0, 1.0, 1.0)
        axes = figure.add_axes((left + x * width, bottom + y * height, w * width, h * height))
        self.draw(axes)


@dataclass(frozen=True)
class Page:
    """What a page holds, from top to bottom; texts are data.

    Attributes
    ----------
    title, note : str
    lead, warnings, facts : tuple of str
        Sentences: first, then those marked as warnings, and in small print at the end.
    pictures : tuple of rows of Picture
    columns, rows
        Of the table.
    """

    title: str
    note: str
    lead: tuple[str, ...]
    warnings: tuple[str, ...]
    pictures: tuple[tuple[Picture, ...], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    facts: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the page in the format that the name asks for, whole or not at all: .pdf, else HTML.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if path.suffix.lower() != ".pdf":
            write_whole(path, self.as_html())
            return
        with atomic_write(path) as partial:
            self.as_figure().savefig(partial, format="pdf", metadata={"Title": self.title, "Creator": None})

    def as_html(self) -> str:
        """Return the page as HTML with its pictures in it."""
        parts = [
            f"<h1>{_html(self.title)}</h1>",
            _paragraph(self.note, "note"),
            *(_paragraph(text) for text in self.lead),
            *(_paragraph(text, "warning") for text in self.warnings),
            *('<div class="row">' + "".join(map(_figure, row)) + "</div>" for row in self.pictures),
            '<div class="table"><table><thead>' + _heads(self.columns) + "</thead><tbody>",
            *(_cells(self.columns, row) for row in self.rows),
            "</tbody></table></div>",
            *(_paragraph(text, "small") for text in self.facts),
        ]
        head = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{_html(self.title)}</title><style>{_STYLE}</style></head><body>"
        )
        return head + "\n".join(parts) + "</body></html>\n"

    def as_figure(self) -> Figure:
        """Draw the page on an A4 sheet; pictures shrink until all has its place."""
        texts = sum(len(_wrapped(text, 8)) for text in (*self.lead, *self.warnings)) * 12 * _POINT
        small = sum(len(_wrapped(text, 6.5)) for text in self.facts) * 9 * _POINT
        table = (len(self.rows) + 1) * 13 * _POINT if self.columns else 0
        captions = len(self.pictures) * 22 * _POINT
        room = _A4[1] - 2 * _MARGIN - 0.75 - texts - small - table - captions
        width = _A4[0] - 2 * _MARGIN
        wanted = [_row_height(row, width) for row in self.pictures]
        scale = min(1.0, room / sum(wanted)) if wanted else 1.0
        sheet = _Sheet()
        sheet.text(self.title, 13, weight="bold")
        sheet.text(self.note, 9, weight="bold")
        for text in self.lead:
            sheet.text(text, 8)
        for text in self.warnings:
            sheet.text(f"!  {text}", 8, weight="bold")
        for row, height in zip(self.pictures, wanted, strict=True):
            sheet.pictures(row, max(0.5, height * scale))
        if self.columns:
            sheet.table(self.columns, self.rows)
        for text in self.facts:
            sheet.text(text, 6.5, color="#333333")
        return sheet.figure


class _Sheet:
    """An A4 sheet that is filled from top to bottom."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=_A4, facecolor="white")
        self._y = _A4[1] - _MARGIN

    def text(self, text: str, size: float, **style: Any) -> None:
        for line in _wrapped(text, size * 1.1 if style.get("weight") else size):
            self._y -= size * 1.4 * _POINT
            self.figure.text(_MARGIN / _A4[0], self._y / _A4[1], line, size=size, parse_math=False, **style)

    def pictures(self, row: Sequence[Picture], height: float) -> None:
        gap, total = 0.12, sum(1 / picture.height for picture in row)
        height = min(height, (_A4[0] - 2 * _MARGIN - gap * (len(row) - 1)) / total)
        self._y -= height + 6 * _POINT
        x = _MARGIN
        for picture in row:
            width = height / picture.height
            picture.on(self.figure, x / _A4[0], self._y / _A4[1], width / _A4[0], height / _A4[1])
            lines = textwrap.wrap(
                visible(picture.caption), max(12, int(width / (6.5 * _CHARACTER * _POINT)))
            )[:2]
            for i, line in enumerate(lines):
                y = (self._y - (9 + 8 * i) * _POINT) / _A4[1]
                self.figure.text(x / _A4[0], y, line, size=6.5, parse_math=False)
            x += width + gap
        self._y -= 18 * _POINT

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        cells = [[visible(cell) for cell in row] for row in (columns, *rows)]
        widths = [max(4, *(len(row[i]) for row in cells)) for i in range(len(columns))]
        room = _A4[0] - 2 * _MARGIN
        step = room / (sum(widths) + 2 * len(widths))
        size = min(7.5, step / _WIDE_CHARACTER / _POINT)
        for number, row in enumerate(cells):
            self._y -= 13 * _POINT
            x = _MARGIN
            for i, cell in enumerate(row):
                x += (widths[i] + 2) * step
                first = i == 0
                self.figure.text(
                    (_MARGIN if first else x) / _A4[0],
                    self._y / _A4[1],
                    cell,
                    size=size,
                    ha="left" if first else "right",
                    weight="normal" if number else "bold",
                    parse_math=False,
                )
        self._y -= 8 * _POINT


def _row_height(row: Sequence[Picture], width: float) -> float:
    return min(_HIGHEST, width / sum(1 / picture.height for picture in row))


def _wrapped(text: str, size: float) -> list[str]:
    return textwrap.wrap(visible(text), int((_A4[0] - 2 * _MARGIN) / (size * _CHARACTER * _POINT))) or [""]


def _figure(picture: Picture) -> str:
    figure = Figure(figsize=(4, 4 * picture.height), dpi=130, facecolor="white")
    picture.on(figure, 0, 0, 1, 1)
    image = io.BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight", pad_inches=0.03, metadata={"Software": None})
    data = base64.b64encode(image.getvalue()).decode()
    caption = _html(picture.caption)
    return (
        f'<figure style="flex-grow:{1 / picture.height:.2f}"><img alt="{caption}" '
        f'src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{_html(text)}</p>' if kind else f"<p>{_html(text)}</p>"


def _heads(columns: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<th>{_html(title)}</th>" for title in columns) + "</tr>"


def _cells(columns: Sequence[str], row: Sequence[str]) -> str:
    """Write a row; where it is narrow, each cell stands in a line with its title."""
    cells = zip(columns, row, strict=True)
    return "<tr>" + "".join(f'<td data-title="{_html(t)}">{_html(cell)}</td>' for t, cell in cells) + "</tr>"


def _html(text: str) -> str:
    return escape(visible(text))
