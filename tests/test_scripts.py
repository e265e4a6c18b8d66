"""What the scripts print."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.model.card import read_card
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.training.recipe import read_recipe
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.own_child
def test_recipes_are_compared_by_several_processes_and_the_same_command_goes_on(
    data: Path,
    recipe_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    recipe = read_recipe(str(recipe_file))
    one = replace(recipe, schedule=replace(recipe.schedule, epochs=1))
    script = runpy.run_path(str(ROOT / "scripts" / "compare_recipes.py"))
    main: Any = script["main"]
    monkeypatch.setitem(main.__globals__, "variants", lambda _: {"as it is": one, "longer": recipe})
    (split := tmp_path / "split.csv").write_text("patient,split\na,train\nb,val\nc,val\n")
    command = [data, "--split", split, "--folder", tmp_path / "runs", "--workers", 2]
    monkeypatch.setattr(sys, "argv", ["compare_recipes.py", *map(str, command)])
    main()
    title, _, first, longer = capfd.readouterr().out.splitlines()
    assert title.startswith("| change | mean Dice per volume")
    assert (first.split("|")[1].strip(), first.split("|")[3].strip()) == ("as it is", "")
    assert longer.startswith("| longer |")
    assert (tmp_path / "runs" / "variant_1.json").exists()
    main()
    assert capfd.readouterr().out.splitlines()[-2:] == [first, longer]


def test_the_bundled_models_name_the_public_patients_that_they_learned_from() -> None:
    cards = runpy.run_path(str(ROOT / "scripts" / "bundle_model.py"))["CARDS"]
    parts = read_split(ROOT / "docs" / "lgg_split.csv")
    for name, learned, gliomas in (("default", {"train", "val"}, 7), ("seed", {"train"}, 0)):
        patients = read_card(find_model(name)).patients
        assert patients == cards[name].patients
        lgg = {patient for patient, part in parts.items() if part in learned}
        assert {p for p in patients if p in parts} == lgg
        assert sum(p.startswith("BraTS2021_") for p in patients) == gliomas == len(patients) - len(lgg)
