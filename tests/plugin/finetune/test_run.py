"""A run on disk, as a window holds it."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.finetune.run import open_run, prepare_run
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.events import CHECKPOINT
from napari_tumor_unet.training.finetuning.run_plan import FineTuning, finish_plan
from napari_tumor_unet.training.finetuning.run_store import find_interrupted, give_up, runs_folder
from tests.conftest import Refused

CASE = Case("a", "a", Path("/data/a.tif"), Path("/data/a_mask.tif"))


@pytest.fixture(autouse=True)
def _model(tiny_model_file: Path) -> None:
    registry.import_model(tiny_model_file)


def test_a_run_that_was_there_stays_when_it_cannot_be_resumed() -> None:
    begun = prepare_run("tiny", [(CASE, False)], FineTuning())
    finish_plan(begun.folder)
    (begun.folder / CHECKPOINT).touch()
    begun.lock.release()
    for _ in range(2):
        (found,) = find_interrupted()
        open_run(found).let_go()


def test_a_run_that_is_deleted_is_never_offered_though_its_child_still_works() -> None:
    run = prepare_run("tiny", [(CASE, False)], FineTuning())
    finish_plan(run.folder)
    (run.folder / CHECKPOINT).touch()
    child_is_done, deleted = threading.Event(), threading.Event()
    job = Mock(wait=lambda _: child_is_done.wait(10) and deleted.set())
    run.delete(job)
    assert find_interrupted() == []
    assert run.folder.exists()
    child_is_done.set()
    deleted.wait(10)
    assert find_interrupted() == []


def test_a_run_that_was_given_up_goes_though_napari_ended_before() -> None:
    run = prepare_run("tiny", [(CASE, False)], FineTuning())
    finish_plan(run.folder)
    (run.folder / CHECKPOINT).touch()
    give_up(run.folder)
    run.lock.release()
    assert find_interrupted() == []
    assert not run.folder.exists()


def test_a_scan_whose_name_is_no_text_is_one_sentence_and_leaves_no_run(refused: Refused) -> None:
    case = Case("a", "a", Path("/data/\udcff.tif"), Path("/data/a_mask.tif"))
    with refused(ScanError, "no text"):
        prepare_run("tiny", [(case, False)], FineTuning())
    assert not list(runs_folder().iterdir())
