"""Fine-tuning: it learns what it is shown, forgets nothing unseen, and says honestly whether it helped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from matplotlib.figure import Figure

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.io.datasets.pairs import Case, find_pairs
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.model.card import CellScout, MaskLimits, read_card
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.training.events import Epoch, Scored, Step, TrainingError, Waiting
from napari_tumor_unet.training.finetuning.estimate import estimate
from napari_tumor_unet.training.finetuning.finetune import (
    fine_tune,
    hold_out_block,
    recipe_for,
)
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.finetuning.verdict import DiceChange, FineTuned, Recommendation, recommend
from tests.conftest import Refused

SETTINGS = FineTuning(epochs=2, batch_size=4, slices=8)


@pytest.fixture(scope="module")
def few_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three slices of the sample and of its mask."""
    folder = tmp_path_factory.mktemp("sample")
    for path in (sample_scan(), sample_mask()):
        slices = tifffile.imread(path)[13:16]
        axes = "ZCYX" if slices.ndim == 4 else "ZYX"
        tifffile.imwrite(folder / path.name, slices, imagej=True, metadata={"axes": axes})
    return folder


@pytest.fixture(autouse=True)
def _quick_sample(few_slices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring the sample takes longer than all else; the panel's tests score the whole of it."""
    for name in (sample_scan, sample_mask):
        path = few_slices / name().name
        module = "napari_tumor_unet.training.finetuning.finetune"
        monkeypatch.setattr(f"{module}.{name.__name__}", lambda path=path: path)


@pytest.fixture
def pairs(data: Path) -> list[Case]:
    return list(find_pairs(data).pairs)


def begin(*arguments: Any) -> Any:
    """Start a fine-tuning, its model file in its folder."""
    return fine_tune(*arguments, out=arguments[-1] / "tuned.safetensors")


def finish(*arguments: Any, tell: dict[int, str] | None = None) -> tuple[FineTuned, list[Any]]:
    """Run to the end; ``tell`` says what to answer after which step."""
    steps, events, told, n = begin(*arguments), [], None, 0
    while True:
        try:
            events.append(steps.send(told))
        except StopIteration as end:
            return end.value, events
        n += isinstance(events[-1], Step)
        told = (tell or {}).pop(n, None)


def weights(model: Model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def changed(before: Model, after: Model) -> set[str]:
    old = weights(before)
    return {name for name, weight in weights(after).items() if not torch.equal(weight, old[name])}


def test_the_card_of_a_model_to_discard_says_so_and_why(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advice = Recommendation("discard", "Dice of the held-out scan fell by 0.100.")
    monkeypatch.setattr("napari_tumor_unet.training.finetuning.finetune.recommend", lambda *_, **__: advice)
    tuned, _ = finish(pairs[:2], pairs[2:], tiny_model, replace(SETTINGS, epochs=1), tmp_path / "run")
    card = read_card(tuned.path)
    assert card.advised_against == advice.why
    assert card.training.startswith("Fine-tuned: 1 of 1 epochs, 1 minute, epochs 1, learning rate ")


@pytest.mark.slow
def test_the_new_model_learned_from_the_scans_and_says_so(
    pairs: list[Case], tiny_model: Model, tmp_path: Path
) -> None:
    limits = MaskLimits(0.8, 0.75, 6.0)
    scout = CellScout((1.0,) * tiny_model.network.config.widths[-1], 0.0)
    card = replace(tiny_model.card, doubtful_under=limits, scout_stride=3, cell_scout=scout)
    card = replace(card, data=("known",))
    parent = replace(tiny_model, hash="f" * 64, card=card)
    settings = replace(SETTINGS, epochs=12, slices=32, learning_rate=5e-3)
    tuned, events = finish(pairs[:2], pairs[2:], parent, settings, tmp_path / "run")
    assert changed(parent, tuned.model)
    assert tuned.changes[0].name == "c"
    assert tuned.changes[0].after.dice > tuned.changes[0].before.dice + 0.1
    assert tuned.changes[1].is_sample
    assert tuned.advice.keep
    assert [e.after for e in events if isinstance(e, Scored)] == [False, False, True, True]
    card = tuned.model.card
    assert card.parent == parent.hash
    assert card.data[0] == "known"  # what the parent has learned from, the child has
    assert len(card.data) == 3
    assert card.doubtful_under == limits  # without a word no warning may go
    assert card.scout_stride == 1  # measured on the parent's masks
    assert card.cell_scout is None
    assert card.scores["held-out scan 1"]["after"] == round(tuned.changes[0].after.dice, 4)
    assert card.advised_against == ""
    assert not any(f" {name} " in f" {card.summary} {card.training_data} {card.scores}" for name in "abc")


def test_the_parent_is_left_as_it_was(pairs: list[Case], tiny_model: Model, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in weights(tiny_model).items()}
    finish(pairs, [], tiny_model, SETTINGS, tmp_path / "run")
    assert all(torch.equal(weight, before[name]) for name, weight in weights(tiny_model).items())


@pytest.mark.slow
def test_the_decoder_alone_can_learn_and_statistics_stay(
    pairs: list[Case], tiny_model: Model, tmp_path: Path
) -> None:
    tuned, _ = finish(pairs, [], tiny_model, replace(SETTINGS, layers="decoder"), tmp_path / "decoder")
    names = changed(tiny_model, tuned.model)
    assert names
    assert all(name.startswith(("upsample", "decoder", "head")) for name in names)
    tuned, _ = finish(pairs, [], tiny_model, SETTINGS, tmp_path / "all")
    assert any(name.startswith("encoder") for name in changed(tiny_model, tuned.model))
    assert not any("running" in name for name in changed(tiny_model, tuned.model))


@pytest.mark.slow
def test_the_order_of_the_scans_decides_nothing(pairs: list[Case], tiny_model: Model, tmp_path: Path) -> None:
    one, _ = finish(pairs[:2], pairs[2:], tiny_model, SETTINGS, tmp_path / "1")
    two, _ = finish(pairs[1::-1], pairs[2:], tiny_model, SETTINGS, tmp_path / "2")
    assert not changed(one.model, two.model)


@pytest.mark.slow
def test_an_interrupted_one_ends_with_the_same_weights(
    pairs: list[Case], tiny_model: Model, tmp_path: Path
) -> None:
    through, _ = finish(pairs[:2], pairs[2:], tiny_model, SETTINGS, tmp_path / "through")
    steps = begin(pairs[:2], pairs[2:], tiny_model, SETTINGS, tmp_path / "again")
    next(event for event in steps if isinstance(event, Epoch))
    steps.close()
    again, events = finish(pairs[:2], pairs[2:], tiny_model, SETTINGS, tmp_path / "again")
    assert not changed(through.model, again.model)
    assert [e.epoch for e in events if isinstance(e, Epoch)] == [2]


@pytest.mark.slow
def test_a_pause_waits_and_changes_nothing(pairs: list[Case], tiny_model: Model, tmp_path: Path) -> None:
    through, _ = finish(pairs, [], tiny_model, SETTINGS, tmp_path / "1")
    steps, waited, told = begin(pairs, [], tiny_model, SETTINGS, tmp_path / "2"), 0, None
    while True:
        try:
            event = steps.send(told)
        except StopIteration as end:
            paused = end.value
            break
        told = "pause" if isinstance(event, Step) and not waited else None
        if isinstance(event, Waiting):
            waited += 1
            told = "pause" if waited < 3 else "go on"
    assert waited == 3
    assert not changed(through.model, paused.model)


@pytest.mark.slow
def test_stop_keeps_the_best_epoch_so_far(pairs: list[Case], tiny_model: Model, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=6, learning_rate=0.05)
    whole, events = finish(pairs[:2], pairs[2:], tiny_model, settings, tmp_path / "whole")
    dice = [e.held_out_dice for e in events if isinstance(e, Epoch)][:4]
    stopped, _ = finish(pairs[:2], pairs[2:], tiny_model, settings, tmp_path / "s", tell={9: "stop"})
    assert len(stopped.history) == 4
    assert changed(whole.model, stopped.model)
    kept = torch.load(tmp_path / "s" / "checkpoint.pt", weights_only=True)["best"]
    assert kept["dice"] == max(dice)
    for name, weight in weights(stopped.model).items():
        torch.testing.assert_close(weight, kept["weights"][name])
    assert "epoch was chosen by the same scans" in stopped.advice.said


def test_a_stop_before_the_first_epoch_says_that_there_is_nothing(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, refused: Refused
) -> None:
    with refused(TrainingError, "nothing to keep"):
        finish(pairs, [], tiny_model, SETTINGS, tmp_path / "run", tell={1: "stop"})


@pytest.mark.slow
def test_only_the_slices_named_teach(pairs: list[Case], tiny_model: Model, tmp_path: Path) -> None:
    few = [replace(pairs[0], slices=(1, 2))]
    scan, mask = pairs[0].read()
    spoilt = mask.copy()
    spoilt[[0, 3]] = ~spoilt[[0, 3]]
    one, _ = finish([*few, pairs[1]], [], tiny_model, SETTINGS, tmp_path / "1")
    other, _ = finish([_Made("a", scan, spoilt, (1, 2)), pairs[1]], [], tiny_model, SETTINGS, tmp_path / "2")
    assert not changed(one.model, other.model)


class _Made:
    """A case that is made in memory."""

    def __init__(self, name: str, scan: Any, mask: Any, slices: tuple[int, ...] | None) -> None:
        self.name = self.patient = name
        self.slices = slices
        self._content = scan, mask

    def read(self) -> Any:
        return self._content


def test_the_pictures_tell_the_dice_of_the_table_in_a_slice_that_counts(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    suptitle = Figure.suptitle
    monkeypatch.setattr(Figure, "suptitle", lambda f, t, **k: (titles.append(t), suptitle(f, t, **k))[1])
    area = pairs[2].read()[1].sum(axis=(1, 2))
    counted = tuple(z for z in range(len(area)) if z != area.argmax())
    judge = replace(pairs[2], slices=counted)
    tuned, _ = finish(pairs[:2], [judge], tiny_model, replace(SETTINGS, epochs=1), tmp_path / "run")
    change = tuned.changes[0]
    z = max(counted, key=lambda z: area[z])
    dice = f"{change.before.dice:.3f} before, {change.after.dice:.3f} after"
    assert f"c, slice {z}: Dice of the {len(counted)} slices that count {dice}" in titles
    assert any("Dice of the volume" in title for title in titles)  # of the sample


def test_of_a_single_scan_a_block_of_slices_is_held_out(
    phantom: Any, tiny_model: Model, tmp_path: Path
) -> None:
    scan, mask = phantom((12, 40, 36))
    tifffile.imwrite(tmp_path / "x.tif", scan.sequences["flair"], photometric="minisblack")
    tifffile.imwrite(tmp_path / "x_mask.tif", mask.astype(np.uint8), photometric="minisblack")
    (pair,) = find_pairs(tmp_path).pairs
    learned, block = hold_out_block(pair)
    tumour = [z for z in range(12) if mask[z].any()]
    assert block is not None
    assert len(block.slices) == len(tumour) // 5
    assert set(block.slices) <= set(tumour)
    assert not set(block.slices) & set(learned.slices)
    assert set(block.slices) | set(learned.slices) == set(range(12))
    tuned, _ = finish([pair], [], tiny_model, SETTINGS, tmp_path / "run")
    assert tuned.changes[0].before.reference == mask[list(block.slices)].sum()
    assert "optimistic" in tuned.advice.said.lower()
    assert "block of slices 1" in tuned.model.card.scores


def test_too_few_slices_give_no_score_and_say_so(
    pairs: list[Case], tiny_model: Model, tmp_path: Path
) -> None:
    tuned, _ = finish([replace(pairs[0], slices=(1, 2))], [], tiny_model, SETTINGS, tmp_path / "run")
    assert [change.is_sample for change in tuned.changes] == [True]
    assert tuned.advice.said.startswith("Not judged. No held-out score: one scan only")
    assert not tuned.advice.keep


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each case was read."""
    counts: Counter[str] = Counter()
    read = Case.read

    def counted(case: Case) -> Any:
        counts[case.name] += 1
        return read(case)

    monkeypatch.setattr(Case, "read", counted)
    return counts


def test_a_case_is_read_once_and_once_more_if_it_is_held_out(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, reads: Counter[str]
) -> None:
    finish(pairs[:2], pairs[2:], tiny_model, SETTINGS, tmp_path / "run")
    assert reads == {"a": 1, "b": 1, "c": 2, "sample_brain": 2}


def test_a_single_scan_is_read_once(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, reads: Counter[str]
) -> None:
    finish(pairs[:1], [], tiny_model, SETTINGS, tmp_path / "run")
    assert reads["a"] == 1


def test_one_patient_on_both_sides_is_refused(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, refused: Refused
) -> None:
    with refused(TrainingError, "both sides", "a"):
        finish(pairs, pairs[:1], tiny_model, SETTINGS, tmp_path / "run")


def test_one_scan_twice_is_refused(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, refused: Refused
) -> None:
    again = replace(pairs[0], name="again", mask=pairs[1].mask)
    with refused(TrainingError, "a and again are one scan; leave one of them out"):
        finish([pairs[0], again], pairs[2:], tiny_model, SETTINGS, tmp_path / "run")
    with refused(TrainingError, "again and a are one scan on both sides"):
        finish(pairs[:1], [replace(again, patient="again")], tiny_model, SETTINGS, tmp_path / "run")


@pytest.mark.parametrize(("name", "value"), [("augmentation", 2.0), ("seed", 2**63), ("batch_size", 0)])
def test_impossible_settings_are_refused(
    pairs: list[Case], tiny_model: Model, tmp_path: Path, refused: Refused, name: str, value: Any
) -> None:
    with refused(TrainingError, name):
        finish(pairs, [], tiny_model, replace(SETTINGS, **{name: value}), tmp_path / "run")


@pytest.mark.parametrize(
    ("gains", "verdict", "words"),
    [
        ([], "not judged", "No held-out score: no scan was held out; look"),
        ([0.1, 0.05], "keep", "2 held-out scans (2 of them better) rose by 0.075"),
        ([0.1, -0.3], "no difference", "2 held-out scans (1 of them better) fell by 0.100"),
        ([0.2], "keep", "held-out scan rose by 0.200"),
        ([-0.2], "discard", "held-out scan fell by 0.200"),
        ([0.0], "no difference", "held-out scan stayed as it was"),
        ([-0.03], "no difference", "held-out scan fell by 0.030"),
        ([0.009], "no difference", "1 held-out scan cannot tell: under 0.05 may be chance"),
        ([0.04, 0.05, 0.06], "keep", "rose by 0.050 on average, 95 % confidence +0.025 to +0.075"),
        ([-0.04, -0.05, -0.06], "discard", "3 held-out scans (0 of them better) fell by 0.050"),
        ([0.2, -0.04, 0.01], "no difference", "That may be chance"),
        ([0.003, 0.003, 0.003], "no difference", "Less than 0.005 is nothing"),
    ],
)
def test_a_difference_is_called_one_only_where_the_held_out_scans_show_it(
    gains: list[float], verdict: str, words: str
) -> None:
    changes = [change("x", gain) for gain in gains]
    advice = recommend(changes, block=False, stopped=False)
    assert advice.verdict == verdict
    assert advice.keep is (verdict == "keep")
    assert words in advice.said
    assert "optimistic" not in advice.said


def test_what_the_sample_lost_is_told() -> None:
    told = recommend([change("x", 0.1), change("s", -0.2, sample=True)], block=False, stopped=False)
    assert told.keep
    assert "On the bundled sample Dice fell by 0.200" in told.said
    assert "sample" not in recommend([change("s", -0.01, sample=True)], block=False, stopped=False).said


@pytest.mark.parametrize(
    ("block", "words"),
    [(False, "learned from 1 of 2 held-out scans before"), (True, "from this scan before")],
)
def test_scans_that_the_parent_had_learned_from_are_told(block: bool, words: str) -> None:
    changes = [replace(change("x", 0.1), learned_before=True)]
    changes += [] if block else [change("y", 0.1)]
    assert words in recommend(changes, block=block, stopped=False).said
    known_sample = replace(change("s", 0.0, sample=True), learned_before=True)
    assert "before" not in recommend([change("y", 0.1), known_sample], block=False, stopped=False).said


def test_a_held_out_patient_whom_the_parent_knows_still_judges_and_the_result_says_so(
    pairs: list[Case], tiny_model: Model, tmp_path: Path
) -> None:
    parent = replace(tiny_model, card=replace(tiny_model.card, patients=("c",)))
    tuned, _ = finish(pairs[:2], pairs[2:], parent, SETTINGS, tmp_path / "run")
    assert [change.learned_before for change in tuned.changes] == [True, False]
    assert "The model had learned from 1 of 1 held-out scan before" in tuned.advice.said
    assert tuned.model.card.patients == ("c",)


def change(name: str, gain: float, sample: bool = False) -> DiceChange:
    """Of a Dice of 0.5 by a gain; both masks have 1000 voxels."""
    both = round(1000 * (0.5 + gain))
    return DiceChange(name, Counts(500, 1000, 1000), Counts(both, 1000, 1000), sample)


def test_the_estimate_grows_with_what_is_asked_for(tiny_model: Model) -> None:
    small = estimate(tiny_model, SETTINGS, 100)
    more = estimate(tiny_model, replace(SETTINGS, epochs=200), 1000)
    assert 0 < small.seconds < more.seconds
    assert more.memory - small.memory == 900 * 64 * 64 * 7


def test_the_strength_of_augmentation_scales_all_changes(tiny_model: Model) -> None:
    assert set(vars(recipe_for(tiny_model, replace(SETTINGS, augmentation=0.0)).augmentation).values()) == {0}
    half = recipe_for(tiny_model, SETTINGS).augmentation
    assert (half.flip, half.rotation, half.skull_stripped) == (0.25, 10.0, 0.0)
