"""Report a scan's mask, or the follow-up of a patient, on one page: pictures, numbers, and doubts.

No name, date or path gets into a report: the scans of a follow-up have numbers, and days since the baseline.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from napari_tumor_unet._common import TumourUnetError, plural, write_whole
from napari_tumor_unet.evaluation.page import Page
from napari_tumor_unet.evaluation.report_pictures import curves, scan_pictures, silhouettes, tells_sides
from napari_tumor_unet.evaluation.time_points import BY_SIZE, FollowUp
from napari_tumor_unet.inference.measures import DEFINITION
from napari_tumor_unet.inference.result import Segmentation
from napari_tumor_unet.inference.uncertainty import expected_errors, most_doubtful
from napari_tumor_unet.io.write import report_files
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.spacing import spacing_in_words

_MOST_ROWS = 8


def write_report(mask_file: Path, scan: Scan, result: Segmentation) -> None:
    """Write the page of a segmented scan beside its mask, as HTML and as PDF."""
    page = scan_page(scan, result)
    for path in report_files(mask_file):
        page.write(path)


def scan_page(scan: Scan, result: Segmentation, review: str = "") -> Page:
    """Make the page of a segmented scan, with a sentence on who looked at the mask, if anybody did."""
    measures, made = result.measures, result.provenance
    known = bool(result.probability.size)  # else the mask is from a file
    doubtful = most_doubtful(expected_errors(result.probability, made.threshold)) if known else ()
    rows = [(str(i + 1), *region.as_cells()) for i, region in enumerate(measures.regions[:_MOST_ROWS])]
    left_out = len(measures.regions) - len(rows)
    facts = [DEFINITION]
    if known:
        slices = ", ".join(map(str, doubtful[:8])) or "none"
        facts.append(f"Most doubtful slices, by the model's probability: {slices}.")
    if made.model:
        facts.append(
            f"Model {made.model!r} ({made.model_hash[:12]}), threshold {made.threshold:g}, from "
            f"{', '.join(made.sequences)}; napari-tumor-unet {made.version}."
            f"{'' if review else ' Nobody has checked the mask.'}"
        )
    else:
        facts.append("The mask was opened from a file that tells of no model.")
    if not tells_sides(scan):
        facts.insert(1, "The scan's file does not say which side is left.")
    if scan.spacing_said:
        spacing = spacing_in_words(scan.spacing)
        facts.insert(1, f"The spacing {spacing} mm is what the user said; the scan's file tells none.")
    if left_out > 0:
        facts.insert(0, f"Not listed: {plural(left_out, 'smaller region')}.")
    return Page(
        title=f"Tumour in FLAIR{', segmented by a model' if made.model else ''}",
        note=NOT_FOR_THE_CLINIC,
        lead=tuple(filter(None, (str(measures), review))),
        warnings=_nameless(scan, result.warnings),
        pictures=scan_pictures(scan, result, doubtful),
        columns=("region", "volume", "slices", "longest", "perpendicular", "product", "slice", "measurable")
        if rows
        else (),
        rows=tuple(rows),
        facts=tuple(facts),
    )


def follow_up_page(result: FollowUp) -> Page:
    """Make the page of a follow-up."""
    columns, rows = result.as_table(named=False)
    points = result.time_points
    lead = [
        f"{len(points)} scans; changes since scan {result.baseline + 1}, and since the smallest from it on."
    ]
    if conclusion := result.conclusion(named=False):
        lead.append(conclusion)
    return Page(
        title="Tumour in FLAIR over time",
        note=NOT_FOR_THE_CLINIC,
        lead=tuple(lead),
        warnings=(*result.cautions(named=False), *result.notes),
        pictures=(curves(result), silhouettes(result)),
        columns=columns,
        rows=tuple(rows),
        facts=(
            f"Classes are by the limits of RANO-LGG for the sum of products, {BY_SIZE}. Complete: nothing "
            "left; partial: 50 % smaller than the baseline or more; minor: 25 to 50 % smaller; progressive: "
            "25 % larger than the smallest or more; else stable. The scans were not registered.",
            DEFINITION,
            f"napari-tumor-unet {version('napari-tumor-unet')}.",
        ),
    )


def write_follow_up(result: FollowUp, path: Path) -> None:
    """Write a follow-up in the format that the name asks for: a table (.csv), all of it (.json), or a page.

    Raises
    ------
    TumourUnetError
        If the file cannot be written.
    """
    try:
        if path.suffix.lower() == ".csv":
            write_whole(path, result.as_csv())
        elif path.suffix.lower() == ".json":
            write_whole(path, json.dumps(result.to_json(), indent=2))
        else:
            follow_up_page(result).write(path)
    except OSError as error:
        raise TumourUnetError(f"{path.name} cannot be written: {error.strerror}.") from error


def _nameless(scan: Scan, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what a scan's file says of itself: it names the file, and so perhaps the patient."""
    doubt = "The scan's file leaves in doubt how it lies; what the run said of it names the reason."
    said = tuple(warning for warning in warnings if warning not in scan.notes)
    return (doubt, *said) if scan.notes else said
