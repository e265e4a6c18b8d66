"""``napari-tumor-unet score``: compare masks with reference masks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_tumor_unet.cli.console import command, complain, err, noted, out, table
from napari_tumor_unet.cli.options import AsJson, as_path

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.score import Score
    from napari_tumor_unet.evaluation.tables import ScoreRow


@command
def score(
    prediction: Annotated[Path, typer.Argument(parser=as_path, help="Mask file, or a folder of masks.")],
    reference: Annotated[
        Path, typer.Argument(parser=as_path, help="Mask file, or a folder with masks of the same names.")
    ],
    label: Annotated[
        int | None, typer.Option(min=1, help="Compare this label alone.  [default: all labels as one]")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Of the surface Dice, in mm; in voxels where spacing is unknown.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Compare two masks, or the masks of two folders matched by name."""
    from napari_tumor_unet.evaluation import tables
    from napari_tumor_unet.evaluation.score import RULES
    from napari_tumor_unet.evaluation.score import score as compare

    prediction, reference = (Path(os.path.realpath(path)) for path in (prediction, reference))
    _check_kinds(prediction, reference)
    if not (prediction.is_dir() and reference.is_dir() and _are_many(prediction, reference)):
        result = compare(prediction, reference, label=label, tolerance=tolerance)
        _print_json(result.to_json()) if as_json else _print_score(result, RULES)
        return
    matched = tables.match_folders(prediction, reference)
    rows: list[ScoreRow] = []
    failures: dict[str, str] = {}
    for name, predicted, wanted in matched.pairs:
        try:
            result = compare(predicted, wanted, label=label, tolerance=tolerance)
        except Exception as error:  # one bad file does not stop the rest
            failures[name] = noted(error, predicted.name, [name, predicted.name, wanted.name])
            complain(f"{name}: {failures[name]}")
            continue
        its_name, its_reference = predicted.relative_to(prediction), wanted.relative_to(reference)
        rows.append(tables.ScoreRow(its_name.as_posix(), its_reference.as_posix(), result))
    summary = tables.summarise_scores([row.score for row in rows])
    if matched.passed_over:
        files = ", ".join(matched.passed_over)
        err.print(f"Left out, as other files beside them are named as masks (_mask, _seg): {files}.")
    if matched.by_a_model:
        files = ", ".join(matched.by_a_model)
        err.print(f"Left out, as a model made them, nobody edited them, and others are there: {files}.")
    alone = {"only_predicted": matched.only_predicted, "only_reference": matched.only_reference}
    if as_json:
        pairs = [row.to_json() for row in rows]
        _print_json({"pairs": pairs, "summary": summary, **alone, "failures": failures})
    else:
        _print_table(rows, summary, RULES)
        for where, names in (("predictions", matched.only_predicted), ("references", matched.only_reference)):
            if names:
                err.print(f"Only among the {where}: {', '.join(names)}.")
    if failures:
        raise typer.Exit(1)


def _check_kinds(*paths: Path) -> None:
    """Refuse what is not there, and a file beside a folder, unless this is one scan in slices."""
    from napari_tumor_unet.evaluation.compare import ComparisonError
    from napari_tumor_unet.io.slice_folder import holds_masks

    for path in paths:
        if not path.exists():
            raise ComparisonError(f"{path.name} does not exist.")
    folders, files = ([path for path in paths if is_one(path)] for is_one in (Path.is_dir, Path.is_file))
    if folders and files and not holds_masks(folders[0]):
        raise ComparisonError(
            f"{folders[0].name} is a folder, and {files[0].name} a file; give two mask files, or two folders."
        )


def _are_many(prediction: Path, reference: Path) -> bool:
    """Tell whether two folders hold masks, and are not each one scan in slices."""
    from napari_tumor_unet.io.slice_folder import holds_masks

    return not (holds_masks(prediction) and holds_masks(reference))


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2))


def _print_score(result: Score, rules: str) -> None:
    numbers = table("", "", show_header=False)
    for name, value in result.as_rows():
        numbers.add_row(name, value)
    out.print(numbers)
    for note in result.notes:
        out.print(note)
    out.print(rules, style="dim")


def _print_table(rows: list[ScoreRow], summary: dict[str, Any], rules: str) -> None:
    from napari_tumor_unet.evaluation.score import format_number

    titles = (
        *("Dice", "IoU", "Hausdorff 95 %", "mean surface distance", "surface Dice", "lesion-wise Dice"),
        *("volume, % more", "products, % more"),
    )
    columns = (
        *("dice", "iou", "hausdorff95", "average_surface_distance"),
        *("surface_dice", "lesion_wise_dice"),
        *("volume_difference_percent", "sum_of_products_difference_percent"),
    )
    scores = table("mask", *titles)
    for row in rows:
        numbers = (format_number(getattr(row.score, column)) for column in columns)
        scores.add_row(row.prediction, *numbers)
    scores.add_section()
    for key, name in (("mean", "mean"), ("sd", "SD"), ("median", "median"), ("n", "n")):
        scores.add_row(name, *(format_number(summary[column][key]) for column in columns))
    out.print(scores)
    for row in rows:
        for note in row.score.notes:
            out.print(f"{row.prediction}: {note}")
    out.print(rules, style="dim")
