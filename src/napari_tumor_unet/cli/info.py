"""``napari-tumor-unet models`` and ``doctor``: list the models, and what the machine has."""

from __future__ import annotations

from napari_tumor_unet.cli.console import command, out, table

_PACKAGES = ("napari-tumor-unet", "napari", "npe2", "magicgui", "torch", "monai", "SimpleITK")
_QT = ("PyQt6", "PySide6")


@command
def models() -> None:
    """List the bundled models, and those in your own folder."""
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
