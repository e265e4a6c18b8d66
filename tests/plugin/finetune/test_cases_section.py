"""What a fine-tuning learns from, put together in a real viewer."""

from __future__ import annotations

import gc
import math
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog

from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.read import read_labels
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.plugin.finetune.cases_section import CasesSection
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.scan import ScanError
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by, press

MM = {"scale": (5, 1, 1), "units": "mm"}
CASE, OUT = range(2)


@pytest.fixture
def section(viewer: napari.Viewer) -> CasesSection:
    section = CasesSection(viewer)
    viewer.window.add_dock_widget(section)
    return section


def add_scan(
    viewer: napari.Viewer, name: str, shape: tuple[int, int, int] = (6, 40, 36), model_hash: str = ""
) -> tuple[Image, Labels]:
    """A scan with its mask, as by hand or as a model's."""
    scan, mask = make_phantom(shape)
    image = viewer.add_image(scan.sequences["flair"] + len(name), name=name, **MM)
    labels = mask.astype(np.uint8)
    known = MaskMetadata(
        source=str(image.unique_id),
        written=labels.copy(),
        probability=labels * np.uint8(255),
        provenance=made_by("tiny", model_hash),
    )
    metadata = {KEY: known} if model_hash else {}
    return image, viewer.add_labels(labels, name=f"{name} tumour", metadata=metadata, **MM)


def shown(section: CasesSection, qtbot: Any) -> list[tuple[str, str, bool, str]]:
    """The table, when all is said: names in full."""
    qtbot.waitUntil(lambda: all(row.state == "inspected" for row in section.cases), timeout=PATIENCE)
    table = section.table
    rows = [table.item(n, CASE).text().split("\n") for n in range(table.rowCount())]
    out = [table.cellWidget(n, OUT).isChecked() for n in range(table.rowCount())]
    return [
        (scan, mask.removeprefix("mask: "), held_out, check)
        for (scan, mask, check), held_out in zip(rows, out, strict=True)
    ]


def hold_out(section: CasesSection, n: int, qtbot: Any) -> None:
    box = section.table.cellWidget(n, OUT)
    with qtbot.waitSignal(section.table.held_out_changed, timeout=PATIENCE):
        press_box(box, qtbot)


def select(section: CasesSection, n: int, qtbot: Any) -> None:
    """Press on a row's name."""
    place = section.table.visualItemRect(section.table.item(n, CASE)).center()
    qtbot.mouseClick(section.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def press_box(box: QCheckBox, qtbot: Any) -> None:
    """Where its square is."""
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(10, box.height() // 2))


def test_the_active_mask_is_added_with_its_scan(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    _, first = add_scan(viewer, "a")
    add_scan(viewer, "b")
    with pytest.raises(ScanError, match="add a scan"):
        section.collect()
    viewer.layers.selection.active = first
    press(section.add_pair, qtbot)
    press(section.add_pair, qtbot)
    assert shown(section, qtbot) == [("a", "a tumour", False, "4 slices of 6 with labels.")]
    assert section.summary.value.startswith("No held-out score: one scan only")
    ((lesson, held_out),) = section.collect()
    assert (lesson.name, lesson.patient, lesson.slices, held_out) == ("a", "a", None, False)
    assert lesson.scan.in_mm
    np.testing.assert_array_equal(lesson.mask, first.data > 0)


def test_all_that_match_are_paired_by_shape_place_source_and_name(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.finetune.cases_section.show_info", said.append)
    for name, shape in (("case1", (6, 40, 36)), ("case12", (6, 40, 36)), ("other", (5, 40, 36))):
        add_scan(viewer, name, shape)
    moved = viewer.add_labels(np.ones((5, 40, 36), np.uint8), name="other moved", translate=(9, 0, 0), **MM)
    agreement = viewer.add_labels(np.ones((5, 40, 36), np.uint8), name="other agreement", **MM)
    agreement.metadata[KEY] = {"agreement": "of two"}
    viewer.add_labels(np.ones((6, 40, 36), np.uint8), name="Labels", **MM)  # of either
    viewer.layers["case1 tumour"].name = "case12 as one reads it"
    viewer.layers["case12 as one reads it"].metadata[KEY] = {"source": str(viewer.layers["case1"].unique_id)}
    press(section.add_all, qtbot)
    rows = [row[:2] for row in shown(section, qtbot)]
    assert rows == [
        ("case1", "case12 as one reads it"),
        ("case12", "case12 tumour"),
        ("other", "other tumour"),
    ]
    assert moved.name not in dict(rows).values()
    assert said == ["3 added; 2 masks have no scan, or several that fit: add by hand."]
    assert section.summary.value == "2 scans to learn from, 1 held out."


def test_selected_rows_go_with_their_image(viewer: napari.Viewer, section: CasesSection, qtbot: Any) -> None:
    image, labels = add_scan(viewer, "a")
    other = viewer.add_labels(labels.data.copy(), name="other", **MM)
    section.cases.add([(image, labels), (image, other), add_scan(viewer, "b")])
    section.table.selectAll()
    viewer.layers.remove(image)
    assert [row[:2] for row in shown(section, qtbot)] == [("b", "b tumour")]
    assert section.table.selected_rows() == [0]


def test_masks_that_cannot_be_used_or_teach_nothing_are_pointed_out(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    add_scan(viewer, "mine", model_hash="x")
    add_scan(viewer, "theirs", model_hash="y")
    image, labels = add_scan(viewer, "empty")
    labels.data[:] = 0
    used_image, used = add_scan(viewer, "used before")
    press(section.add_all, qtbot)
    viewer.add_labels(np.ones((3, 40, 36), np.uint8), name="small", **MM)
    section.scan_layer.value = image
    press(section.add_pair, qtbot)
    viewer.add_labels(np.ones((6, 40, 36), np.uint8), name="moved", translate=(2, 0, 0), **MM)
    section.scan_layer.value = image
    press(section.add_pair, qtbot)
    scan = scan_of(used_image, viewer.layers).scan
    section.cases.check_for("x", {fingerprint(scan, used.data).case})
    said = {mask: text for _, mask, _, text in shown(section, qtbot)}
    words = ("this model", "another model", "empty", "learned from it already", "(3, 40, 36)", "elsewhere")
    for word, (mask, text) in zip(words, said.items(), strict=True):
        assert word in text, (mask, text)
    assert section.summary.value.endswith("3 left out.")
    with pytest.raises(ScanError, match="shape"):
        section.collect()
    used_image.data = used_image.data + 1
    qtbot.waitUntil(lambda: "with labels" in shown(section, qtbot)[3][-1], timeout=PATIENCE)
    section.cases.check_for("z", ())
    assert "another model" in shown(section, qtbot)[0][-1]


def test_a_true_mask_is_not_held_out_in_favour_of_what_the_model_made_itself(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    for name in ("b", "c"):
        add_scan(viewer, name, model_hash="x")
    section.cases.check_for("x", ())
    press(section.add_all, qtbot)
    shown(section, qtbot)
    assert section.summary.value == "Nothing to learn from: edit a mask, or add another. 2 left out."
    assert "why it is left out" in section.lacking
    add_scan(viewer, "a")
    press(section.add_all, qtbot)
    shown(section, qtbot)
    assert section.summary.value.startswith("No held-out score: one scan only")
    assert [(case.name, held_out) for case, held_out in section.collect()] == [("a", False)]
    assert not section.lacking


def test_a_scan_with_its_truth_and_an_unedited_prediction_counts_once(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    image, prediction = add_scan(viewer, "a", model_hash="x")
    truth = viewer.add_labels(prediction.data.copy(), name="a truth", **MM)
    section.cases.add([(image, prediction), (image, truth)])
    checks = [row[-1] for row in shown(section, qtbot)]
    assert checks == [
        "Not edited, and the scan has another mask: left out.",
        "4 slices of 6 with labels.",
    ]
    assert section.summary.value.startswith("No held-out score: one scan only")
    assert section.summary.value.endswith("1 left out.")
    np.testing.assert_array_equal(section.collect()[0][0].mask, truth.data > 0)
    assert len(section.collect()) == 1


def test_of_two_corrected_masks_of_a_scan_one_counts_and_the_other_when_its_row_is_gone(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    image, prediction = add_scan(viewer, "a", model_hash="x")
    prediction.paint((5, 3, 3), 1)
    opened = viewer.add_labels(prediction.data.copy(), name="a truth", **MM)
    opened.data[3] = 0
    section.cases.add([(image, prediction), (image, opened)])
    another = "Another mask of this scan counts: left out; remove that row to take this one."
    assert [row[-1] for row in shown(section, qtbot)] == [another, "4 slices of 6 with labels."]
    assert section.summary.value.endswith("1 left out.")
    ((case, _),) = section.collect()
    np.testing.assert_array_equal(case.mask, opened.data > 0)
    section.cases.remove([list(section.cases)[1]])
    assert another not in shown(section, qtbot)[0][-1]
    ((case, _),) = section.collect()
    np.testing.assert_array_equal(case.mask, prediction.data > 0)


def test_a_mask_of_the_brain_counts_after_one_of_the_tumour(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    image, tumour = add_scan(viewer, "a")
    brain = viewer.add_labels(np.ones_like(tumour.data), name="a_desc-brain_mask", **MM)
    section.cases.add([(image, brain), (image, tumour)])
    assert shown(section, qtbot)[0][-1].startswith("Another mask of this scan counts")
    ((case, _),) = section.collect()
    np.testing.assert_array_equal(case.mask, tumour.data > 0)


def test_masks_of_two_time_points_are_of_two_scans(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    image, masks = viewer.add_image(np.random.default_rng(0).random((2, 6, 40, 36)), name="a"), []
    for at in range(2):
        known = {KEY: MaskMetadata(source=str(image.unique_id), place=SliceOrientation(at=(at,)))}
        data = np.zeros((2, 6, 40, 36), np.uint8)
        data[at, 2:4, 9:20, 9:20] = 1
        masks.append(viewer.add_labels(data, name=f"a {at}", metadata=known))
    section.cases.add([(image, mask) for mask in masks])
    assert all("with labels" in row[-1] for row in shown(section, qtbot))
    assert len(section.collect()) == 2


@pytest.mark.parametrize("size", [9, 14])
def test_names_and_checks_are_whole_in_a_panel_of_300_pixels(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "sub-0123_ses-20240131T1200_acq-sag3DspaceIRdarkfluid_rec-normNDdis3D_run-01_FLAIR"
    section.cases.add([add_scan(viewer, name, model_hash="x")])
    table = section.table
    monkeypatch.setattr(get_settings().appearance, "font_size", size)
    section.native.setFixedWidth(300)
    shown(section, qtbot)
    assert table.columnWidth(CASE) + table.columnWidth(OUT) <= 300

    def room_for_all() -> bool:
        metrics, width = table.fontMetrics(), table.columnWidth(CASE)
        lines = table.item(0, CASE).text().split("\n")
        n = sum(math.ceil(metrics.horizontalAdvance(line) / width) for line in lines)
        return table.rowHeight(0) >= n * metrics.height() and table.height() >= min(300, table.rowHeight(0))

    qtbot.waitUntil(room_for_all, timeout=PATIENCE)


def test_only_slices_that_were_edited_or_checked_teach(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    _, edited = add_scan(viewer, "a", model_hash="x")
    add_scan(viewer, "b", model_hash="x")
    add_scan(viewer, "c")
    press(section.add_all, qtbot)
    section.cases.check_for("x", ())
    press_box(section.only_checked.native, qtbot)
    assert section.only_checked.value
    assert all("left out" in row[-1] for row in shown(section, qtbot)[:2])
    assert "No record of edits" in shown(section, qtbot)[2][-1]
    edited.paint((5, 3, 3), 1)
    edited.metadata[KEY].checked = {2}
    qtbot.waitUntil(lambda: "2 slices of 6 edited or checked" in shown(section, qtbot)[0][-1])
    lessons = {lesson.name: lesson for lesson, _ in section.collect()}
    assert lessons.keys() == {"a", "c"}
    assert lessons["a"].slices == (2, 5)
    assert lessons["c"].slices == (1, 2, 3, 4)
    assert [held_out for _, held_out in section.collect()].count(True) == 1
    assert section.summary.value == "1 scan to learn from, 1 held out. 1 left out."
    edited.undo()
    edited.metadata[KEY].checked = set()
    section.cases.refresh()
    qtbot.waitUntil(lambda: "left out" in shown(section, qtbot)[0][-1])
    assert section.summary.value.startswith("No held-out score: one scan only")


def test_what_is_painted_later_is_not_in_the_lessons(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    _, labels = add_scan(viewer, "a")
    press(section.add_pair, qtbot)
    ((lesson, _),) = section.collect()
    before = lesson.mask.copy()
    labels.data[:] = 1
    np.testing.assert_array_equal(lesson.mask, before)


def test_rows_go_with_their_layers_and_take_their_new_names(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    image, _ = add_scan(viewer, "a")
    add_scan(viewer, "b")
    _, labels = add_scan(viewer, "c")
    press(section.add_all, qtbot)
    image.name = "TCGA_CS_4941_19960909"
    assert [row[0] for row in shown(section, qtbot)] == ["TCGA_CS_4941_19960909", "b", "c"]
    assert section.collect()[0][0].patient == "TCGA_CS_4941"
    viewer.layers.remove(labels)
    assert [row[0] for row in shown(section, qtbot)] == ["TCGA_CS_4941_19960909", "b"]
    assert not section.remove_cases.enabled
    select(section, 0, qtbot)
    press(section.remove_cases, qtbot)
    assert [row[0] for row in shown(section, qtbot)] == ["b"]
    assert image in viewer.layers
    viewer.layers.clear()
    assert shown(section, qtbot) == []


def test_the_user_chooses_what_is_held_out_and_a_patient_stays_on_one_side(
    viewer: napari.Viewer, section: CasesSection, qtbot: Any
) -> None:
    for name in ("TCGA_CS_4941_1996", "TCGA_CS_4941_1997", "b"):
        add_scan(viewer, name)
    press(section.add_all, qtbot)
    usual = [row[2] for row in shown(section, qtbot)]
    assert usual in ([True, True, False], [False, False, True])
    hold_out(section, 0, qtbot)
    assert [row[2] for row in shown(section, qtbot)] == [not usual[0], not usual[1], usual[2]]
    hold_out(section, 2, qtbot)
    found = [row[2] for row in shown(section, qtbot)]
    assert found == [not out for out in usual]
    assert [held_out for _, held_out in section.collect()] == found
    for n in (0, 2):
        if not found[n]:
            hold_out(section, n, qtbot)
    with pytest.raises(ScanError, match="all scans are held out"):
        section.collect()


@pytest.fixture
def folder(section: CasesSection, data: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user added, of three pairs; one mask is damaged."""
    (data / "c_mask.tif").write_bytes(b"nothing")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(data))
    with qtbot.waitSignal(section.cases.folder_added, timeout=PATIENCE):
        press(section.add_folder, qtbot)
    return data


def test_a_folder_of_pairs_is_checked_and_held_out_like_layers(
    viewer: napari.Viewer, section: CasesSection, folder: Path, qtbot: Any
) -> None:
    rows = shown(section, qtbot)
    assert [row[:2] for row in rows] == [(name, f"file {name}_mask.tif") for name in "abc"]
    assert "with labels" in rows[0][-1]
    assert "damaged" in rows[2][-1]
    assert section.summary.value == "1 scan to learn from, 1 held out. 1 left out."
    pairs = find_pairs(folder).pairs[:2]
    assert section.collect() == [(pair, row[2]) for pair, row in zip(pairs, rows, strict=False)]
    press(section.add_folder, qtbot)
    add_scan(viewer, "d")
    press(section.add_pair, qtbot)
    assert len(shown(section, qtbot)) == 4
    section.cases.check_for("x", {fingerprint(*pairs[0].read()).case})
    assert "learned from it already" in shown(section, qtbot)[0][-1]


def test_of_files_too_only_slices_that_were_checked_or_have_labels_teach(
    section: CasesSection, data: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pair, edited in zip(find_pairs(data).pairs[:2], (True, False), strict=True):
        told = {
            "provenance": made_by("tiny", "x").to_json(),
            "edited": edited,
            "checked_slices": [0],
            "warnings": [],
        }
        mask = np.asarray(read_labels(pair.mask).sequences["flair"]).astype(np.uint8)
        write_result(pair.mask, mask, pair.read()[0], told)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(data))
    with qtbot.waitSignal(section.cases.folder_added, timeout=PATIENCE):
        press(section.add_folder, qtbot)
    shown(section, qtbot)
    press_box(section.only_checked.native, qtbot)
    said = [row[-1] for row in shown(section, qtbot)]
    assert said[0].startswith("No record of edits: ")
    assert said[1].startswith("1 slice of ")
    assert said[2].startswith("No record of edits: ")
    cases = {case.name: case for case, _ in section.collect()}
    labelled = {name: np.flatnonzero(case.read()[1].any(axis=(1, 2))) for name, case in cases.items()}
    assert cases["a"].slices == tuple(sorted({0, *map(int, labelled["a"])}))
    assert cases["b"].slices == (0,)
    assert cases["c"].slices == tuple(map(int, labelled["c"]))


@pytest.mark.parametrize("where", ["files", "layers"])
def test_a_corrected_mask_of_some_slices_alone_is_warned_of(
    viewer: napari.Viewer,
    section: CasesSection,
    data: Path,
    where: str,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = find_pairs(data).pairs[0]
    made = replace(made_by("tiny", "x"), only_slices=(0, 1))
    mask = np.asarray(read_labels(pair.mask).sequences["flair"]).astype(np.uint8)
    told = {"provenance": made.to_json(), "edited": True, "warnings": []}
    write_result(pair.mask, mask, pair.read()[0], told)
    if where == "layers":
        viewer.open(pair.scan, plugin="napari-tumor-unet")
        viewer.open(pair.mask, plugin="napari-tumor-unet")
        press(section.add_all, qtbot)
    else:
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(data))
        with qtbot.waitSignal(section.cases.folder_added, timeout=PATIENCE):
            press(section.add_folder, qtbot)
    assert shown(section, qtbot)[0][-1].startswith(f"Only 2 of {len(mask)} slices were segmented")


def test_a_layer_has_the_hash_of_its_file(
    viewer: napari.Viewer, section: CasesSection, data: Path, qtbot: Any
) -> None:
    pair = find_pairs(data).pairs[0]
    viewer.open(pair.scan, plugin="napari-tumor-unet")
    viewer.open(pair.mask, plugin="napari-tumor-unet")
    press(section.add_all, qtbot)
    ((lesson, _),) = section.collect()
    assert set(lesson.scan.sequences) == {"pre", "flair", "post"}
    assert fingerprint(lesson.scan, lesson.mask) == fingerprint(*pair.read())


def test_a_mask_that_cannot_be_read_is_one_sentence_without_names_in_the_log(
    viewer: napari.Viewer, section: CasesSection, tmp_path: Path, qtbot: Any
) -> None:
    _, labels = add_scan(viewer, "secret")
    labels.metadata[KEY] = {"checked": 3}  # what only another version could mean
    press(section.add_all, qtbot)
    assert "could not be read" in shown(section, qtbot)[0][-1]
    with pytest.raises(ScanError, match="could not be read"):
        section.collect()
    assert "secret" not in (tmp_path / "errors.log").read_text()
    assert section.summary.value == "Nothing to learn from: edit a mask, or add another. 1 left out."


@pytest.mark.parametrize("where", ["files", "layers"])
def test_mask_files_of_the_model_teach_it_nothing_until_they_are_edited(
    viewer: napari.Viewer,
    section: CasesSection,
    data: Path,
    where: str,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Autosaving.of(viewer)
    for pair, edited in zip(find_pairs(data).pairs, (False, True, None), strict=True):
        if edited is not None:
            told = {"provenance": made_by("tiny", "x").to_json(), "edited": edited, "warnings": []}
            mask = np.asarray(read_labels(pair.mask).sequences["flair"]).astype(np.uint8)
            write_result(pair.mask, mask, pair.read()[0], told)
        if where == "layers":
            viewer.open(pair.scan, plugin="napari-tumor-unet")
            viewer.open(pair.mask, plugin="napari-tumor-unet")
    if where == "layers":
        press(section.add_all, qtbot)
    else:
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(data))
        with qtbot.waitSignal(section.cases.folder_added, timeout=PATIENCE):
            press(section.add_folder, qtbot)
    section.cases.check_for("x", ())
    own, *others = [row[-1] for row in shown(section, qtbot)]
    assert own.startswith("Made by this model and not edited: left out")
    assert all("with labels" in other for other in others)
    assert len(section.collect()) == 2
    section.cases.check_for("y", ())
    assert "Made by another model" in shown(section, qtbot)[0][-1]
    if where == "layers":
        section.cases.check_for("x", ())
        labels = next(layer for layer in viewer.layers if isinstance(layer, Labels))
        labels.paint((0, 3, 3), 1)
        section.cases.refresh()
        assert "with labels" in shown(section, qtbot)[0][-1]
        assert len(section.collect()) == 3


def test_a_folder_without_pairs_is_one_sentence(
    section: CasesSection, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    with qtbot.waitSignal(section.cases.folder_failed, timeout=PATIENCE) as failed:
        press(section.add_folder, qtbot)
    assert "holds no scan with a mask" in failed.args[0]
    assert shown(section, qtbot) == []


def test_layers_that_are_gone_are_let_go(viewer: napari.Viewer, section: CasesSection, qtbot: Any) -> None:
    gone = weakly_added(viewer)
    press(section.add_all, qtbot)
    section.cases.check_for("x", {"another"})
    shown(section, qtbot)
    viewer.layers.clear()

    def freed() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(freed, timeout=PATIENCE)


def weakly_added(viewer: napari.Viewer) -> weakref.ref[np.ndarray]:
    """The voxels of a scan, without holding them."""
    image, _ = add_scan(viewer, "a")
    return weakref.ref(image.data)


def test_the_section_may_go_while_it_looks(viewer: napari.Viewer, qtbot: Any) -> None:
    section = CasesSection(viewer)
    dock = viewer.window.add_dock_widget(section)
    image, labels = add_scan(viewer, "a")
    press(section.add_all, qtbot)
    with qtbot.waitSignal(section.native.destroyed, timeout=PATIENCE):
        viewer.window.remove_dock_widget(dock)
        section.native.deleteLater()
    labels.data = labels.data + 1
    image.name = "b"
    add_scan(viewer, "c")
    viewer.layers.clear()
