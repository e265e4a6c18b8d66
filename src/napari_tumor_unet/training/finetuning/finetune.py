"""Fine-tune a model on corrected masks, and measure it before and after."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import plural
from napari_tumor_unet.evaluation.plots import draw_change
from napari_tumor_unet.evaluation.scan_score import ScanScore, score_case
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.sample import NAME, sample_mask, sample_scan
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.training.augmentation import Augmentation
from napari_tumor_unet.training.events import (
    Command,
    Epoch,
    Reading,
    Scored,
    Step,
    TrainingError,
    Waiting,
)
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.finetuning.verdict import DiceChange, FineTuned, Recommendation, recommend
from napari_tumor_unet.training.loop import train
from napari_tumor_unet.training.reading import CaseContent
from napari_tumor_unet.training.recipe import (
    Optimisation,
    Postprocessing,
    Recipe,
    Sampling,
    Schedule,
    reason_of,
)
from napari_tumor_unet.training.trained import saving


def recipe_for(model: Model, settings: FineTuning) -> Recipe:
    """Return the recipe that trains the network of a model on its own input."""
    if not 0 <= settings.augmentation <= 1:
        raise ValueError(f"augmentation is from 0 to 1, not {settings.augmentation}.")
    full = Augmentation(skull_stripped=0.0)  # the scans to come have skulls as these have
    weaker = {f.name: settings.augmentation * getattr(full, f.name) for f in fields(full)}
    optimisation = Optimisation(
        learning_rate=settings.learning_rate, batch_size=settings.batch_size, layers=settings.layers
    )
    card, steps = model.card, settings.epochs * settings.slices // settings.batch_size
    return Recipe(
        model.preprocessing,
        model.network.config,
        optimisation,
        Schedule(settings.epochs, warm_up=min(20, steps // 10), ema_decay=0.99, seed=settings.seed),
        Sampling(settings.slices, tumour_share=0.5),
        Augmentation(**weaker),
        Postprocessing(card.threshold, card.min_region_weight, card.tta_flip),
    )


@dataclass(frozen=True)
class _ReadCase(Case):
    """A case whose content stays in memory: a single scan is on both sides."""

    content: tuple[Scan, NDArray[np.bool_]] | None = None

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        return self.content or super().read()


def hold_out_block(case: Case) -> tuple[Case, Case | None]:
    """Split the slices of a single scan, which is read: what to learn from, and a block to be judged by.

    The block is the middle fifth of the slices with tumour that may teach. Its neighbours are learned from,
    so what it shows is optimistic. There is none where fewer than five slices show tumour.
    """
    content = case.read()
    whole = _ReadCase(**{**vars(case), "content": content})
    mask = content[1]
    slices = range(len(mask)) if case.slices is None else case.slices
    tumour = [z for z in slices if mask[z].any()]
    n = len(tumour) // 5
    if not n:
        return whole, None
    first = (len(tumour) - n) // 2
    block = tuple(tumour[first : first + n])
    return replace(whole, slices=tuple(z for z in slices if z not in block)), replace(whole, slices=block)


def fine_tune(
    cases: Sequence[Case],
    held_out: Sequence[Case],
    model: Model,
    settings: FineTuning,
    folder: Path,
    *,
    out: Path,
    device: str = "cpu",
) -> Generator[Reading | Scored | Step | Epoch | Waiting, Command | None, FineTuned]:
    """Fine-tune a model, or go on from the folder's checkpoint; score it before and after, and save it.

    Each case is read once, and those held out once more.

    Parameters
    ----------
    cases, held_out : sequence of Case
        To learn from, and to be judged by. Without any held out, a block of slices of a single scan is.
    model : Model
        The parent.
    settings : FineTuning
    folder : Path
        Folder of the checkpoint, and of a picture of each held-out scan and the sample before and after.
    out : Path
        File of the new model.
    device : str
        A torch device.

    Yields
    ------
    Reading, Scored, Step, Epoch, Waiting
        As of :func:`napari_tumor_unet.training.loop.train`, which says what they may be answered with.

    Returns
    -------
    FineTuned

    Raises
    ------
    TrainingError, CheckpointError, ScanError
        As :func:`napari_tumor_unet.training.loop.train`.
    """
    cases = sorted(cases, key=lambda case: case.name)  # so that their order decides nothing
    held_out = sorted(held_out, key=lambda case: case.name)
    of_one_scan = len(cases) == 1 and not held_out
    if of_one_scan:
        learned, block = hold_out_block(cases[0])
        cases, held_out = [learned], [block] if block else []
    try:
        recipe = recipe_for(model, settings)
    except ValueError as error:
        raise TrainingError(reason_of(error)) from error
    judged = [Case(NAME, NAME, sample_scan(), sample_mask()), *held_out]
    hashes: list[str] = []
    scans: dict[str, Case] = {}
    before = [score_case(judged[0], *judged[0].read(), model, device=device)]
    yield Scored(1, len(judged), after=False)

    def look(read: CaseContent) -> Iterator[Scored]:
        first = scans.setdefault(read.fingerprint.scan, read.case)
        if first is not read.case and not of_one_scan:
            raise TrainingError(f"{first.name} and {read.case.name} are one scan; leave one of them out.")
        if read.held_out:
            before.append(score_case(read.case, read.scan, read.mask, model, device=device))
            yield Scored(len(before), len(judged), after=False)
        else:
            hashes.append(read.fingerprint.case)

    network, history = yield from train(
        cases, held_out, recipe, folder, device=device, start=model.network, look=look
    )
    tuned = replace(model, network=network, hash="")
    after: list[ScanScore] = []
    for case, old in zip(judged, before, strict=True):
        look_at = old.view.index
        after.append(score_case(case, *case.read(), tuned, device=device, look_at=look_at))
        yield Scored(len(after), len(judged), after=True)
    scores = [*zip(judged, before, after, strict=True)]
    scores = [*scores[1:], scores[0]]  # the sample last
    changes = tuple(
        DiceChange(case.name, old.judged, new.judged, case is judged[0], old.learned_from)
        for case, old, new in scores
    )
    advice = recommend(changes, block=of_one_scan, stopped=len(history) < settings.epochs)
    card = _card(model, settings, hashes, history, changes, advice, block=of_one_scan)
    pictures = tuple(folder / f"change_{i + 1}.png" for i in range(len(scores)))
    with saving(out.stem):
        for path, (_, old, new) in zip(pictures, scores, strict=True):
            draw_change(old, new, path)
        tuned = save_model(replace(tuned, card=card), out)
    return FineTuned(
        path=out,
        folder=folder,
        history=tuple(history),
        in_memory=tuned,
        changes=changes,
        advice=advice,
        pictures=pictures,
    )


def _card(
    parent: Model,
    settings: FineTuning,
    hashes: Sequence[str],
    history: Sequence[Epoch],
    changes: Sequence[DiceChange],
    advice: Recommendation,
    *,
    block: bool,
) -> Card:
    """Write the new model's card, in which there is no name of a scan."""
    held_out = [change for change in changes if not change.is_sample]
    scores = {
        ("sample" if change.is_sample else f"{'block of slices' if block else 'held-out scan'} {i + 1}"): {
            "metric": "Dice, before and after",
            "before": round(change.before.dice, 4),
            "after": round(change.after.dice, 4),
        }
        for i, change in enumerate(changes)
    }
    learned = plural(len(hashes), "scan")
    split = "a block of its slices" if block and held_out else f"{plural(len(held_out), 'scan')}"
    minutes = plural(math.ceil(sum(epoch.seconds for epoch in history) / 60), "minute")
    chosen = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in dataclasses.asdict(settings).items()
    )
    return replace(
        parent.card,
        summary=f"{parent.card.name!r}, fine-tuned on {learned} of its user.",
        training_data=f"{learned} with corrected masks; {split} held out. The parent: "
        f"{parent.card.training_data}",
        training=f"Fine-tuned: {len(history)} of {settings.epochs} epochs, {minutes}, "
        f"{chosen}. The parent: {parent.card.training}",
        scores=scores,
        parent=parent.hash,
        data=tuple(dict.fromkeys((*parent.card.data, *hashes))),
        scout_stride=1,
        cell_scout=None,
        advised_against=advice.why if advice.verdict == "discard" else "",
    )
