from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_tumor_unet.evaluation.evaluate import evaluate
from napari_tumor_unet.evaluation.overlap import Counts, dice
from napari_tumor_unet.evaluation.scan_score import ScanScore, View, score_case, score_scan, summarise
from napari_tumor_unet.inference.segment import segment
from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.patient_names import patient_of
from tests.conftest import Refused

EMPTY = np.zeros((2, 4, 4), bool)


def scored(name: str, prediction: np.ndarray, reference: np.ndarray) -> ScanScore:
    return score_scan(name, prediction, reference, View(0, EMPTY[0], prediction[0], reference[0]))


def mask(*voxels: tuple[int, int, int]) -> np.ndarray:
    made = EMPTY.copy()
    for voxel in voxels:
        made[voxel] = True
    return made


# half: one voxel of two, in slice 0. other: nothing of the tumour, but something elsewhere.
HALF = scored("half", mask((0, 0, 0)), mask((0, 0, 0), (0, 0, 1)))
OTHER = scored("other", mask((1, 3, 3)), mask((0, 1, 1)))
NOTHING = scored("nothing", EMPTY, EMPTY)


def test_each_number_is_what_its_definition_says() -> None:
    summary = summarise([HALF, OTHER, NOTHING])
    assert (summary.scans, summary.scans_without_tumour) == (3, 1)
    assert summary.dice.mean == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert summary.iou.mean == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert summary.dice.median == pytest.approx(2 / 3)
    assert summary.dice.lowest == 0
    assert (summary.dice.lower_quartile, summary.dice.upper_quartile) == pytest.approx((1 / 3, 5 / 6))
    assert summary.dice.standard_deviation == pytest.approx(np.std([2 / 3, 0, 1], ddof=1))
    assert [name for name, _ in summary.worst] == ["other", "half", "nothing"]
    assert summary.missed == ("other",)
    assert summary.pooled.dice == pytest.approx(2 * 1 / (2 + 3))
    assert summary.pooled.iou == pytest.approx(1 / 4)
    # Slices: half 2/3 and 1 (both empty), other 0 and 0 (one empty), nothing 1 and 1.
    assert summary.slice_dice == pytest.approx((2 / 3 + 1 + 0 + 0 + 1 + 1) / 6)
    assert summary.tumour_slice_dice == pytest.approx((2 / 3 + 0) / 2)
    assert (summary.tumour_slices, summary.tumour_free_slices) == (2, 4)
    assert summary.false_positive_slices == 1


def test_at_128_takes_every_second_pixel_of_both_masks() -> None:
    score = scored("x", mask((0, 0, 0), (0, 1, 1), (0, 2, 2)), mask((0, 0, 0), (0, 0, 1)))
    assert (score.at_128.true_positive, score.at_128.predicted, score.at_128.reference) == (1, 2, 1)


def test_what_is_undefined_is_null_in_json() -> None:
    summary = summarise([NOTHING])
    assert math.isnan(summary.tumour_slice_dice)
    content = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert content["tumour_slice_dice"] is None
    assert content["dice"]["standard_deviation"] is None
    assert content["pooled"] == {"dice": 1.0, "iou": 1.0}
    assert content["worst"] == [{"name": "nothing", "dice": 1.0}]


def test_masks_that_the_model_made_and_nobody_edited_are_no_truth(data: Path, tiny_model: Model) -> None:
    model = replace(tiny_model, hash="one")
    for pair, edited in zip(find_pairs(data).pairs, (True, False, False), strict=True):
        scan, mask = pair.read()
        made = {"provenance": {"model_hash": "one"}, "edited": edited}
        write_result(pair.mask, mask.astype(np.uint8), scan, made)
    result = evaluate(data, model=model, device="cpu")
    assert [score.name for score in result.scores] == ["a"]
    assert result.left_out == dict.fromkeys("bc", "Made by this model and not edited")
    for another in (tiny_model, replace(tiny_model, hash="another")):  # one that is no file has no hash
        result = evaluate(data, model=another, device="cpu")
        assert len(result.scores) == 3
        assert result.by_a_model == ("b", "c")


def test_where_no_mask_is_a_truth_the_error_says_why(
    data: Path, tiny_model: Model, tmp_path: Path, refused: Refused
) -> None:
    for pair in find_pairs(data).pairs:
        scan, mask = pair.read()
        write_result(pair.mask, mask.astype(np.uint8), scan, {"provenance": {"model_hash": "one"}})
    model = replace(tiny_model, hash="one")
    with refused(ScanError, "3 scans: Made by this model and not edited"):
        evaluate(data, model=model, device="cpu")
    split = tmp_path / "split.csv"
    split.write_text("patient,split\na,val\nb,train\nc,train\n")
    with refused(ScanError, "2 scans: in the part train; 1 scan: Made by this model and not edited"):
        evaluate(data, model=model, split=split, device="cpu")


def test_scans_that_the_model_has_learned_from_are_told(data: Path, tiny_model: Model) -> None:
    pair = find_pairs(data).pairs[1]
    model = replace(tiny_model, card=replace(tiny_model.card, data=(fingerprint(*pair.read()).case,)))
    result = evaluate(data, model=model, device="cpu", flair_alone=True)
    assert [score.learned_from for score in result.scores] == [False, True, False]
    assert result.summary.learned_from == ("b",)
    assert result.summary.scans == 3
    assert not evaluate(data, model=tiny_model, device="cpu").summary.learned_from


def test_public_patients_that_the_model_has_learned_from_are_told_by_their_codes(
    data: Path, tiny_model: Model
) -> None:
    names = {"a": "TCGA-CS-4941_1996", "b": "TCGA_CS_4944_2001"}
    cases = [
        replace(p, name=names[p.name], patient=patient_of(names[p.name])) for p in find_pairs(data).pairs[:2]
    ]
    model = replace(tiny_model, card=replace(tiny_model.card, patients=("TCGA_CS_4941",)))
    assert evaluate(cases, model=model, device="cpu").summary.learned_from == ("TCGA-CS-4941_1996",)


def test_scans_on_disk_score_what_their_segmentation_scores(data: Path, tiny_model: Model) -> None:
    pairs = find_pairs(data).pairs
    for pair in pairs:
        score = score_case(pair, *pair.read(), tiny_model, device="cpu")
        scan, reference = pair.read()
        prediction = segment(scan, model=tiny_model, device="cpu").mask
        assert score.volume.dice == dice(prediction, reference)
        assert score.at_128.dice == dice(prediction[:, ::2, ::2], reference[:, ::2, ::2])
        assert len(score.slices) == scan.shape[0]
        assert score.view.index == reference.sum(axis=(1, 2)).argmax()


def test_the_slice_to_look_at_is_one_that_counts(data: Path, tiny_model: Model) -> None:
    pair = find_pairs(data).pairs[0]
    area = pair.read()[1].sum(axis=(1, 2))
    counted = tuple(z for z in range(len(area)) if z != area.argmax())
    score = score_case(replace(pair, slices=counted), *pair.read(), tiny_model, device="cpu")
    assert score.view.index == max(counted, key=lambda z: area[z])
    assert score.judged == sum((score.slices[z] for z in counted), Counts())
    assert score.judged != score.volume


def test_flair_alone_hides_the_other_sequences(data: Path, tiny_model: Model) -> None:
    pair = find_pairs(data).pairs[0]
    probability = segment(pair.read()[0], model=tiny_model, device="cpu").probability
    # As it has learned nothing, it would find everything at the usual threshold.
    card = replace(tiny_model.card, threshold=float(np.median(probability)) / 255)
    model = replace(tiny_model, card=card)
    before = score_case(pair, *pair.read(), model, device="cpu", flair_alone=True)
    volume = tifffile.imread(pair.scan)
    volume[:, [0, 2]] = 0
    tifffile.imwrite(pair.scan, volume, imagej=True, metadata={"axes": "ZCYX"})
    after = score_case(pair, *pair.read(), model, device="cpu", flair_alone=True)
    all_sequences = score_case(pair, *pair.read(), model, device="cpu")
    assert before.volume == after.volume != all_sequences.volume
