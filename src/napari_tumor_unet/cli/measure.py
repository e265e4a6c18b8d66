"""``napari-tumor-unet measure``: measure the regions of masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_tumor_unet.cli.console import command, complain, noted, out, table
from napari_tumor_unet.cli.options import AsJson, Spacing, as_path

if TYPE_CHECKING:
    from napari_tumor_unet.inference.measures import Measures


@command
def measure(
    masks: Annotated[
        list[Path], typer.Argument(parser=as_path, help="Mask files, or folders of slices with masks.")
    ],
    spacing: Spacing = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", parser=as_path, help="File for a table, a line a region.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure volume, diameters and their product of each region of masks."""
    import numpy as np

    from napari_tumor_unet._common import write_whole
    from napari_tumor_unet.inference import measures
    from napari_tumor_unet.io.file_names import scan_name
    from napari_tumor_unet.scan.spacing import spacing_in_words

    measured: dict[int, Measures] = {}
    failures: dict[str, str] = {}
    for i, path in enumerate(masks):
        try:
            labels, grid = measures.labels_of(path)
            given = grid if spacing is None else measures.with_spacing(grid, spacing)
            if grid.in_mm and not np.allclose(given.spacing, grid.spacing, rtol=1e-4):
                own = spacing_in_words(grid.spacing)
                complain(f"{scan_name(path)}: the spacing is the one given, not that of the file, {own} mm.")
            measured[i] = measures.measure_on_grid(labels, given)
        except Exception as error:  # one bad file does not stop the rest
            failures[scan_name(path)] = noted(error, path.name, [path.name])
            complain(failures[scan_name(path)])
    named = [(scan_name(masks[i]), result) for i, result in measured.items()]
    if csv is not None and named:
        write_whole(csv, measures.as_csv(named))
    if as_json:
        content: dict[str, Any] = {"masks": [{"name": name} | result.to_json() for name, result in named]}
        typer.echo(json.dumps(content | ({"failures": failures} if failures else {}), indent=2))
    else:
        for name, result in named:
            _print_measures(name, result)
        if named:
            out.print(measures.DEFINITION, style="dim")
    if failures:
        raise typer.Exit(1)


def _print_measures(name: str, result: Measures) -> None:
    out.print(f"{name}: {result}")
    if not result.regions:
        return
    unit = "" if result.unit == "mm" else ", voxels"
    columns = (
        "region",
        "volume",
        "slices",
        f"longest{unit}",
        f"perpendicular{unit}",
        f"product{unit}",
        "slice",
    )
    regions = table(*columns, "measurable")
    for i, region in enumerate(result.regions):
        regions.add_row(str(i + 1), *region.as_cells())
    out.print(regions)
