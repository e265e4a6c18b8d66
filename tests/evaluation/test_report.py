"""Reports on one page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from napari_tumor_unet import Scan, Segmentation, follow_up
from napari_tumor_unet.evaluation.page import Page
from napari_tumor_unet.evaluation.report import follow_up_page, scan_page
from napari_tumor_unet.inference.result import Provenance, measure
from napari_tumor_unet.scan import Geometry

NAME = "<b>Jane Doe</b>"


def segmented(
    tumour: bool = True, spacing: tuple[float, float, float] | None = (5, 1, 1)
) -> tuple[Scan, Segmentation]:
    flair = np.random.default_rng(0).random((6, 64, 48))
    scan = Scan(NAME, {"flair": flair, "post": flair}, notes=(f"{NAME} does not say how it lies.",))
    scan = scan if spacing is None else scan.with_spacing(spacing)
    probability = np.zeros(scan.shape, np.uint8)
    probability[2:5, 20:40, 15:30] = 200 * tumour
    mask = (probability > 128).astype(np.uint8)
    made = Provenance("default", "abcdef", "1.0", 0.5, 0.1, ("flair",), "cpu", "float32", "2024-01-01", 1.0)
    warnings = (*scan.notes, "No head & <i>no brain</i>.")
    return scan, Segmentation(probability, mask, measure(mask, scan.voxel_ml), made, warnings, scan.grid)


def follow_up_of_boxes() -> Page:
    masks = np.zeros((2, 6, 64, 64), np.uint8)
    masks[0, 1:4, 10:40, 10:40] = masks[1, 1:4, 10:25, 10:40] = 1
    dates, names = ["2023-01-01", "2024-01-01"], [NAME, NAME]
    return follow_up_page(follow_up(masks, spacing=(5, 1, 1), dates=dates, names=names))


PAGES = {
    "scan": lambda: scan_page(*segmented()),
    "no tumour": lambda: scan_page(*segmented(tumour=False)),
    "no spacing": lambda: scan_page(*segmented(spacing=None)),
    "follow-up": follow_up_of_boxes,
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_stands_alone_and_names_nobody(kind: str, tmp_path: Path) -> None:
    page = PAGES[kind]()
    for name in ("page.html", "page.pdf"):
        page.write(tmp_path / name)
    html = (tmp_path / "page.html").read_text()
    assert "For research, not for clinical use." in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    for text in (html, (tmp_path / "page.pdf").read_bytes().decode("latin-1")):
        assert "Jane" not in text
        assert "2023-01" not in text
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page ") == 1


def test_a_scan_s_page_holds_pictures_numbers_warnings_and_where_the_mask_came_from() -> None:
    html = scan_page(*segmented()).as_html()
    assert html.count("<img") == 2 + 1 + 3
    assert 'longest">25.0 mm</td><td data-title="perpendicular">18.8 mm</td>' in html
    assert "No head &amp; &lt;i&gt;no brain&lt;/i&gt;." in html
    assert "Model &#x27;default&#x27; (abcdef)" in html
    assert "model&#x27;s own doubt" in html


def test_a_follow_up_s_page_says_the_class_with_what_it_leaves_out() -> None:
    html = follow_up_of_boxes().as_html()
    assert "partial by size alone; steroids, clinical state, enhancement and confirmation decide" in html
    assert '"scan">2</td><td data-title="day">365</td>' in html


@pytest.mark.parametrize("placed", [True, False])
def test_sides_are_marked_where_the_scan_s_file_tells_them(placed: bool) -> None:
    scan, result = segmented()
    geometry = Geometry((5.0, 1.0, 1.0), oriented=placed)
    page = scan_page(dataclasses.replace(scan, geometry=geometry), result)
    texts = {text.get_text() for axes in page.as_figure().axes for text in axes.texts}
    assert ({"R", "L"} <= texts) == placed
    assert ("does not say which side is left" in page.as_html()) != placed


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_fits_a_phone(kind: str) -> None:
    html = PAGES[kind]().as_html()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "max-width: 100%" in html
    narrow = html[html.index("@media screen and (max-width") : html.index("@page")]
    assert "content: attr(data-title)" in narrow  # each cell in a line of its own, with its title
    heads, cells = (re.findall(pattern, html) for pattern in ("<th>(.*?)</th>", '<td data-title="(.*?)">'))
    assert cells == heads * (len(cells) // max(1, len(heads)))
    assert html.count("<td") == len(cells)
    assert not re.search(r"(?:width|left): *\d{3,}px", html)
