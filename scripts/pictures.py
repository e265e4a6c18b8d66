"""Make the pictures of README and docs, from the real window, of the sample and of phantoms alone.

    make pictures
    sh scripts/with_display.sh --virtual python -m scripts.pictures [SCENE ...]

Each scene opens a window of its own, without the user's settings, and makes pictures in docs/pictures.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
_WINDOW, _TALL = (1280, 800), (1280, 980)  # pixels; the virtual screen has 1600 x 1000
SCENES: dict[str, Callable[[Path], None]] = {}


def scene(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Let a function be called by its name; it gets an empty folder."""
    SCENES[make.__name__] = make
    return make


def main(names: list[str]) -> None:
    """Make the pictures of some scenes, or of all."""
    if unknown := set(names) - set(SCENES):
        sys.exit(f"There is no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}.")
    PICTURES.mkdir(exist_ok=True)
    warnings.filterwarnings("ignore")
    for name in names or SCENES:
        with tempfile.TemporaryDirectory() as folder:
            SCENES[name](Path(folder))


@scene
def tour(_: Path) -> None:
    """Show the way from a scan to a corrected mask, as a moving picture."""
    from scripts.camera import Film
    from scripts.stage import Stage

    stage = Stage(PICTURES, (1000, 640))
    film = Film(stage)
    film.take(600)
    stage.menu("File", "Open Sample", "Brain", shown=lambda: film.take(500))
    stage.wait(lambda: len(stage.viewer.layers) > 1, "the sample")
    film.take(900)
    stage.wait_for_child()
    mask = stage.segment(shown=lambda: film.take(500), during=lambda: film.take_if_told(150))
    film.take(1500)
    stage.menu("Plugins", "Tumour U-Net", "Segment tumour", shown=lambda: film.take(400))
    panel = stage.panel("Segment tumour")
    stage.quiet()
    film.take(1000)
    for z in (*range(13, 20), *range(18, 11, -1)):
        stage.viewer.dims.set_current_step(0, z)
        film.take(120)
    stage.wait_for_plot(panel)
    film.take(1500)
    controls = stage.viewer.window._qt_viewer.controls.widgets[mask]
    mask.brush_size = 8
    stage.click(controls.erase_button)
    film.take(500)
    for stroke in _TOO_MUCH:
        stage.draw(stroke, shown=lambda: film.take(90))
    stage.settle(1)
    film.take(3000)
    film.save("tour.webp")
    stage.close()


def _line(*places: tuple[float, float], steps: int = 6) -> list[tuple[float, float]]:
    """Return places (y, x) in mm along lines."""
    return [
        (y + (to_y - y) * i / steps, x + (to_x - x) * i / steps)
        for (y, x), (to_y, to_x) in pairwise(places)
        for i in range(steps + 1)
    ]


_TOO_MUCH = [_line((65.5, 152.0), (73.0, 157.5)), _line((74.0, 132.5), (88.0, 124.5), (94.5, 126.0))]
"""What the model marks beside the sample's true mask, in slice 12."""
_HOLE = _line((65.5, 152.5), (68.5, 155.5))  # in slice 15


@scene
def first_mask(_: Path) -> None:
    """Show the window when the one click has ended."""
    stage = _segmented()
    stage.picture("first-mask.webp", quiet=False)
    stage.close()


@scene
def open_scan(folder: Path) -> None:
    """Show how series of a DICOM folder are chosen, and which sequences a scan has."""
    from scripts import sample_files
    from scripts.stage import Stage

    study = sample_files.write_dicom_study(folder)
    stage = Stage(PICTURES)
    with stage.chosen(next(study.iterdir())):
        stage.menu("File", "IO Utilities", "Open MRI scan...")
    from napari_tumor_unet.plugin.io.series_chooser import SeriesChooser

    stage.wait(lambda: stage.window.findChildren(SeriesChooser), "the choice of series")
    stage.settle(1)
    chooser = stage.window.findChildren(SeriesChooser)[0]
    stage.picture("open-dicom.webp", chooser)
    chooser.accept()
    stage.wait(lambda: len(stage.viewer.layers) == 3, "the series")
    panel = stage.panel("Segment tumour")
    stage.unfold(panel, "Sequences and slices")
    stage.picture("sequences.webp", stage.dock_of(panel))
    stage.close()


@scene
def segment_panel(folder: Path) -> None:
    """Show the panel after a run, and a plane with its letters."""
    from scripts import sample_files

    stage = _segmented(sample_files.bids_files(folder))
    panel = stage.panel("Segment tumour")
    stage.unfold(panel, "Regions")
    stage.wait_for_plot(panel)
    stage.picture("segment.webp")
    stage.press(panel, "Coronal")
    stage.window.resize(1280, 560)
    stage.settle(1)
    stage.viewer.reset_view()
    stage.settle(1)
    stage.picture("coronal.webp", stage.canvas())
    stage.close()


@scene
def correct(_: Path) -> None:
    """Show the walk through the doubtful slices, and a stroke of the brush."""
    stage = _segmented()
    panel = stage.panel("Segment tumour")
    for _ in range(3):  # bright cortex below: nothing to correct
        stage.press(panel, "Next doubtful slice")
        stage.press(panel, "slice is checked")
    stage.press(panel, "Next doubtful slice")
    stage.wait_for_plot(panel)
    mask = stage.viewer.layers.selection.active
    mask.brush_size = 7
    stage.click(stage.viewer.window._qt_viewer.controls.widgets[mask].paint_button)
    stage.draw(_HOLE)
    stage.settle(1)
    stage.picture("correct.webp")
    stage.close()


@scene
def fine_tune(folder: Path) -> None:
    """Show pairs before, and a model judged after a short fine-tuning on phantoms."""
    from examples.phantoms import write_phantoms

    write_phantoms(folder / "data", patients=5, slices=6)
    stage = _segmented()
    panel = stage.panel("Fine-tune")
    with stage.chosen(folder / "data"):
        stage.press(panel, "Folder...")
    stage.wait(lambda: panel.cases.slices == 30 and panel.estimate.visible, "the pairs")
    stage.settle(1)
    stage.picture("fine-tune-pairs.webp", stage.dock_of(panel))
    panel.settings.epochs.value = 8
    panel.settings.fields["slices"].value = 24
    stage.press(panel, "Fine-tune")
    stage.wait(lambda: stage.there(panel, "Discard"), "the end of the fine-tuning")
    stage.settle(1)
    stage.picture("fine-tune.webp")
    stage.press(panel, "Discard")
    stage.wait(lambda: stage.there(panel, "Fine-tune"), "the model to be gone")
    stage.close()


@scene
def score(_: Path) -> None:
    """Show the panel *Score* with a layer of agreement."""
    stage = _segmented(size=_TALL)
    layers = stage.viewer.layers
    layers.selection = {layers["true mask"], layers["sample_brain tumour"]}
    stage.menu("Layers", "Measure", "Score a prediction")
    panel = stage.panel("Score")
    stage.press(panel, "Show agreement")
    stage.wait(lambda: stage.there(panel, "Copy"), "the distances")
    stage.settle(2)
    stage.picture("score.webp")
    stage.close()


@scene
def measure(folder: Path) -> None:
    """Show diameters over a mask, a follow-up, and reports of both."""
    from scripts import figures, sample_files

    figures.write(PICTURES)
    stage = _segmented(sample_files.bids_files(folder))
    stage.menu("Layers", "Measure", "Show diameters")
    panel = stage.panel("Segment tumour")
    stage.unfold(panel, "Regions")
    stage.unfold(panel, "Diameters and report")
    stage.wait_for_plot(panel)
    stage.picture("diameters-window.webp")
    stage.close()
    stage = _segmented()
    panel = stage.panel("Follow-up")
    masks = figures.masks_over_time(folder / "sub-01")
    with stage.chosen(*masks):
        stage.press(panel, "Add files...")
    for mask, date in zip(masks, figures.DATES, strict=True):
        stage.write_date(panel.masks, mask.name, date)
    stage.press(panel, "Compare")
    stage.wait(lambda: stage.there(panel, "Save report"), "the follow-up")
    stage.show_all()
    stage.picture("follow-up-window.webp")
    stage.close()


@scene
def failures(_: Path) -> None:
    """Show what the model gets wrong, on changed samples."""
    from scripts import failures

    failures.write(PICTURES / "failures.webp")


@scene
def several(folder: Path) -> None:
    """Show the table of several scans, of which one is inverted and one damaged."""
    from scripts import sample_files
    from scripts.stage import Stage

    scans, masks = folder / "scans", folder / "masks"
    sample_files.write_several(scans)
    masks.mkdir()
    stage = Stage(PICTURES, _TALL)
    panel = stage.panel("Segment tumour")
    stage.unfold(panel, "Several scans")
    with stage.chosen(scans, masks):
        stage.press(panel, "Segment a folder...")
    stage.wait(
        lambda: all(stage.there(panel, text) for text in ("Segment a folder", "Save table")), "the scans"
    )
    stage.widen(panel, 560)
    stage.picture("several.webp", stage.dock_of(panel))
    stage.close()


@scene
def model(_: Path) -> None:
    """Show the card of the bundled model."""
    from qtpy.QtWidgets import QMessageBox

    stage = _segmented()
    panel = stage.panel("Segment tumour")
    panel.models.card.trigger()
    stage.wait(lambda: stage.window.findChildren(QMessageBox), "the card")
    stage.settle(1)
    stage.picture("model-card.webp", *stage.window.findChildren(QMessageBox))
    stage.close()


@scene
def warned(folder: Path) -> None:
    """Show what the panel says of an inverted image."""
    from scripts import sample_files

    stage = _segmented(sample_files.bids_files(folder, invert=True))
    panel = stage.panel("Segment tumour")
    stage.settle(2)
    stage.picture("warning.webp", stage.canvas(), stage.dock_of(panel))
    stage.close()


def _segmented(files: list[Path] | None = None, size: tuple[int, int] = _WINDOW) -> Any:
    """Return a window in which the sample, or a scan in files, was segmented."""
    from scripts.stage import Stage

    stage = Stage(PICTURES, size)
    if files is None:
        stage.menu("File", "Open Sample", "Brain")
    else:
        with stage.chosen(*files):
            stage.menu("File", "IO Utilities", "Open MRI scan...")
    stage.wait(lambda: len(stage.viewer.layers) >= len(files or "four"), "the scan")
    stage.segment()
    return stage


def _without_the_users_settings(home: Path) -> None:
    """Let napari and the plugin see an empty home: before they are imported."""
    for name in ("DATA", "CACHE", "CONFIG", "STATE"):
        os.environ[f"XDG_{name}_HOME"] = str(home)
    os.environ["NAPARI_CONFIG"] = str(home / "napari.yaml")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        _without_the_users_settings(Path(home))
        main(sys.argv[1:])
