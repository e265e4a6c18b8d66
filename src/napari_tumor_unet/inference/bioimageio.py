"""A model as a package of bioimage.io, or as a folder for the Hugging Face hub: the extra ``bioimageio``.

A package holds the network alone: ``model/unet.py`` as it is, and the weights. How a scan becomes the input
and the output a mask, no standard step of a package can say; the package's documentation does.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from napari_tumor_unet._common import atomic_write, partial_name
from napari_tumor_unet._text import visible
from napari_tumor_unet.inference.model_page import REPOSITORY, TAGS, channel_names, hub_card, model_page
from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.model import unet
from napari_tumor_unet.model.card import ModelError, ModelHeader, file_hash
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.model.registry import bundled_models

_DOI = re.compile(r"doi(?::|\.org/)\s*(10\.\d{4}\S*\w)", re.IGNORECASE)
_ARXIV = re.compile(r"arXiv[ :](\d{4}\.\d{4,5})", re.IGNORECASE)


def export_bioimageio(model: Model, path: Path, authors: Sequence[str] = ()) -> None:
    """Write a model as a package of bioimage.io; its test input is made from the sample scan, no user's.

    Parameters
    ----------
    model : Model
    path : Path
        A .zip file that is not there yet.
    authors : sequence of str
        Names of who made the model; those of a bundled one are known.

    Raises
    ------
    ModelError
        If the file is there or cannot be written, or the extra is not installed.
    """
    if path.suffix != ".zip":
        raise ModelError(f"{path.name} is no name of a package; call it {path.stem}.zip.")
    with _package(model, path, authors) as (spec, content), atomic_write(path) as partial:
        spec.save_bioimageio_package(content, output_path=partial)


def export_hugging_face(model: Model, folder: Path, authors: Sequence[str] = ()) -> None:
    """Write a folder for the Hugging Face hub: the model's card, and its package in ``package``.

    Parameters
    ----------
    model : Model
    folder : Path
        One that is not there yet.
    authors : sequence of str
        Names of who made the model; those of a bundled one are known.

    Raises
    ------
    ModelError
        If the folder is there or cannot be written, or the extra is not installed.
    """
    partial = folder.with_name(partial_name(""))
    with _package(model, folder, authors) as (spec, content):
        try:
            spec.save_bioimageio_package_as_folder(content, output_path=partial / "package")
            (partial / "README.md").write_text(hub_card(model, content["license"]), encoding="utf-8")
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _package(model: Model, out: Path, authors: Sequence[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield ``bioimageio.spec`` and the description of a package, whose files are there meanwhile."""
    try:
        import bioimageio.spec as spec
    except ImportError as error:
        raise ModelError(
            'A package needs the extra bioimageio: pip install "napari-tumor-unet[bioimageio]".'
        ) from error
    if out.exists() or out.is_symlink():
        raise ModelError(f"{out.name} is there already; choose another name.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # The library leaves files open, and Windows keeps those.
        with TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            _write_files(model, folder)
            # Whether the project's page answers is not asked: that would need a network.
            context = spec.ValidationContext(
                root=folder, file_name="bioimageio.yaml", known_files={REPOSITORY: None}, log_warnings=False
            )
            with context:
                yield spec, _describe(spec, model, authors)
    except OSError as error:
        raise ModelError(f"{out.name} cannot be written: {error.strerror or error}.") from error


def _write_files(model: Model, folder: Path) -> None:
    """Write what a package holds beside its description; the test input is the middle slice of the sample."""
    network = unet.build_unet(**_architecture(model))
    network.load_state_dict(model.network.state_dict())
    scan = read_scan(sample_scan())
    example = fit_preprocessing(scan, model.preprocessing).apply(scan, [scan.shape[0] // 2])
    with torch.inference_mode():
        output = network.eval()(example)
    np.save(folder / "input.npy", example.numpy())
    np.save(folder / "output.npy", output.numpy())
    torch.save(network.state_dict(), folder / "weights.pt")
    (folder / "README.md").write_text(model_page(model), encoding="utf-8")
    shutil.copyfile(unet.__file__, folder / "unet.py")
    shutil.copyfile(sample_scan().with_name("LICENSE"), folder / "LICENSE-test-input")


def _describe(spec: Any, model: Model, authors: Sequence[str]) -> dict[str, Any]:
    """Return what ``bioimageio.yaml`` says of a model and of the files beside it."""
    card, settings = model.card, model.preprocessing
    header = ModelHeader(model.network.config, settings, card)
    licences = {entry["licenseId"] for entry in spec.utils.get_spdx_licenses()["licenses"]}
    sides = ("y", "x")
    input_ = {
        "id": "slices",
        "description": "Axial slices, prepared as the documentation says.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": channel_names(settings.context_slices)},
            *({"type": "space", "id": side, "size": settings.size} for side in sides),
        ],
        "data": {"type": "float32", "range": [-4, 8]},
        "test_tensor": {"source": "input.npy"},
    }
    output = {
        "id": "probability",
        "description": "Probability of tumour.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["tumour"]},
            *(
                {"type": "space", "id": side, "size": {"tensor_id": "slices", "axis_id": side}}
                for side in sides
            ),
        ],
        "data": {"type": "float32", "range": [0, 1]},
        "test_tensor": {"source": "output.npy"},
    }
    return {
        "type": "model",
        "format_version": spec.model.ModelDescr.implemented_format_version,
        "name": re.sub(r"[^\w+\- ()]", "_", f"Tumour U-Net {card.name}", flags=re.ASCII)[:64],
        "description": visible(card.summary)[:512],
        "authors": [
            {"name": re.sub(r"[/\\]", "_", visible(name))} for name in authors or _known_authors(model)
        ],
        "license": card.licence if card.licence in licences else None,
        "cite": _citations(card.citations),
        "git_repo": REPOSITORY,
        "documentation": {"source": "README.md"},
        "attachments": [{"source": "LICENSE-test-input"}],
        "tags": [*TAGS],
        "inputs": [input_],
        "outputs": [output],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "architecture": {
                    "source": "unet.py",
                    "callable": unet.build_unet.__name__,
                    "kwargs": _architecture(model),
                },
                "pytorch_version": torch.__version__.partition("+")[0],
            }
        },
        "config": {
            "bioimageio": {
                "architecture_type": "U-Net",
                "modality": "magnetic resonance imaging",
                "target_structure": ["brain tumour"],
                "task": "segmentation",
                "out_of_scope_use": visible(card.intended_use),
                "bias_risks_limitations": {"limitations": "\n\n".join(map(visible, card.limits))},
            },
            "napari_tumor_unet": {
                "model_hash": model.hash,
                "preparation": json.loads(header.texts("")["preparation"]),
                "threshold": card.threshold,
                "smallest_region": card.min_region_weight,
            },
        },
    }


def _known_authors(model: Model) -> list[str]:
    """Name the authors of a bundled model; nobody knows those of another."""
    is_bundled = model.hash in map(file_hash, bundled_models().values())
    return [metadata("napari-tumor-unet")["Author"]] if is_bundled else []


def _architecture(model: Model) -> dict[str, Any]:
    """Return what builds the network from its file, as YAML can hold it."""
    config = dataclasses.asdict(model.network.config)
    return {"mirrored": model.card.tta_flip, **config, "widths": [*config["widths"]]}


def _citations(texts: Sequence[str]) -> list[dict[str, str]]:
    """Name those citations that have a DOI, which a description asks for; the page has all."""
    cite = [{"text": "The napari plugin napari-tumor-unet", "url": REPOSITORY}]
    for text in map(visible, texts):
        if doi := _DOI.search(text):
            cite.append({"text": text, "doi": doi[1]})
        elif arxiv := _ARXIV.search(text):
            cite.append({"text": text, "doi": f"10.48550/arXiv.{arxiv[1]}"})
    return cite
