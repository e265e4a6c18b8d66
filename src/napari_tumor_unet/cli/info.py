"""``napari-tumor-unet models`` and ``doctor``: list models, hand one on, and tell what the machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_tumor_unet.cli.console import app, command, guard, out, table
from napari_tumor_unet.cli.options import as_path

_PACKAGES = ("napari-tumor-unet", "napari", "npe2", "magicgui", "torch", "monai", "SimpleITK")
_QT = ("PyQt6", "PySide6")


models = typer.Typer(help="List the bundled models, and those in your own folder; or export one.")
app.add_typer(models, name="models")


@models.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> None:
    """List the bundled models, and those in your own folder; or export one."""
    if context.invoked_subcommand:
        return
    with guard("models"):
        from napari_tumor_unet.model.card import ModelError, file_hash, read_card, weights_digest
        from napari_tumor_unet.model.registry import all_models

        listed = table("name", "summary", "hash", "digest", "licence")
        for name, path in all_models().items():
            try:
                card, digest = read_card(path), weights_digest(path)[:12] or "none"
                listed.add_row(name, card.summary, file_hash(path)[:12], digest, card.licence)
            except ModelError as error:  # one bad file does not stop the others
                listed.add_row(name, f"unusable: {error}")
        out.print(listed)


@models.command()
def export(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or its file.")],
    bioimageio: Annotated[
        Path | None, typer.Option(parser=as_path, metavar="OUT.zip", help="Write a package of bioimage.io.")
    ] = None,
    huggingface: Annotated[
        Path | None,
        typer.Option(parser=as_path, metavar="DIR", help="Write a folder for the Hugging Face hub."),
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Who made the model; may be given several times.")
    ] = None,
) -> None:
    """Write a model as others want it; needs the extra bioimageio."""
    targets = [path for path in (bioimageio, huggingface) if path is not None]
    if not targets:
        raise typer.BadParameter("Say what to write: --bioimageio OUT.zip, --huggingface DIR, or both.")
    with guard(
        "models export", [text for path in (Path(model), *targets) for text in (str(path), path.name)]
    ):
        from napari_tumor_unet.inference.bioimageio import export_bioimageio, export_hugging_face
        from napari_tumor_unet.model.model_file import load_model

        loaded = load_model(model)
        if bioimageio is not None:
            export_bioimageio(loaded, bioimageio, author or ())
        if huggingface is not None:
            export_hugging_face(loaded, huggingface, author or ())
        out.print(f"The model {loaded.card.name!r} is in {' and '.join(path.name for path in targets)}.")


@command
def doctor() -> None:
    """Print versions, devices and models: what to send with a question."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from napari_tumor_unet.model.card import NO_DIGEST, ModelError, weights_digest
    from napari_tumor_unet.model.device import choose_device, precision
    from napari_tumor_unet.model.model_file import load_model
    from napari_tumor_unet.model.registry import all_models

    facts = table("", "", show_header=False, box=None)
    facts.add_row("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES + _QT:
        try:
            facts.add_row(package, version(package))
        except PackageNotFoundError:
            facts.add_row(package, "not installed")
    device = choose_device()
    dtype = str(precision(device)).removeprefix("torch.")
    facts.add_row("device", f"{device}, {dtype}, {torch.get_num_threads()} threads")
    for name, path in all_models().items():
        try:
            summary = load_model(path).card.summary
            facts.add_row(f"model {name}", summary if weights_digest(path) else f"{summary} {NO_DIGEST}")
        except ModelError as error:
            facts.add_row(f"model {name}", f"unusable: {error}")
    out.print(facts)
