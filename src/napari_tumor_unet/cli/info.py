"""``napari-tumor-unet models`` and ``doctor``: list the models, and what the machine has."""

from __future__ import annotations

from napari_tumor_unet.cli.console import command, out, table

_PACKAGES = ("napari-tumor-unet", "napari", "npe2", "magicgui", "torch", "monai", "SimpleITK")
_QT = ("PyQt6", "PySide6")


@command
def models() -> None:
    """List the bundled models, and those in your own folder."""
    from napari_tumor_unet.model.card import file_hash, read_card
    from napari_tumor_unet.model.registry import all_models

    listed = table("name", "summary", "hash", "licence")
    for name, path in all_models().items():
        card = read_card(path)
        listed.add_row(name, card.summary, file_hash(path)[:12], card.licence)
    out.print(listed)


@command
def doctor() -> None:
    """Print versions, devices and models: what to send with a question."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from napari_tumor_unet.model.card import ModelError, read_card
    from napari_tumor_unet.model.device import choose_device, precision
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
            facts.add_row(f"model {name}", read_card(path).summary)
        except ModelError as error:
            facts.add_row(f"model {name}", f"unusable: {error}")
    out.print(facts)
