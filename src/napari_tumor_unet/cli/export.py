"""``napari-tumor-unet export``: write scans with masks as other tools want them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_tumor_unet.cli.console import Bar, app, complain, err, guard, out
from napari_tumor_unet.cli.options import as_path

exports = typer.Typer(no_args_is_help=True, help="Write scans with masks as other tools want them.")
app.add_typer(exports, name="export")


@exports.command()
def nnunet(
    data: Annotated[Path, typer.Argument(parser=as_path, help="Folder with scans and masks, as for train.")],
    dataset: Annotated[
        Path,
        typer.Argument(
            parser=as_path, metavar="OUT", help="The dataset's folder, say nnUNet_raw/Dataset501_Tumour."
        ),
    ],
) -> None:
    """Write the pairs of a folder as a dataset that nnU-Net's own check of integrity accepts."""
    with guard("export nnunet", (str(data), data.name, str(dataset), dataset.name)):
        from napari_tumor_unet.io.datasets.nnunet import export_nnunet
        from napari_tumor_unet.io.datasets.pairs import find_pairs
        from napari_tumor_unet.io.write import unedited_model

        found = find_pairs(data)
        with Bar("writing scans", len(found.pairs)) as bar:
            exported = export_nnunet(
                found.pairs, dataset, lambda n, total: bar.show_progress("writing scans", n - 1, total)
            )
        for name, reason in {**found.left_out, **exported.left_out}.items():
            err.print(f"left out: {name}: {reason.rstrip('.')}.")
        if unedited := [pair.name for pair in found.pairs if unedited_model(pair.mask)]:
            complain(f"Masks of a model that nobody edited are among these: {', '.join(unedited)}.")
        out.print(exported.told(dataset.name))
