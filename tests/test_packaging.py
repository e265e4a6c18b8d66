"""What the package index, the napari hub and conda-forge read of the project."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from napari_tumor_unet.inference.model_page import REPOSITORY
from tests.conftest import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "SimpleITK": "simpleitk"}


@pytest.fixture
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


@pytest.fixture
def recipe() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())


def test_the_conda_recipe_asks_for_what_the_package_asks_for(
    project: dict[str, Any], recipe: dict[str, Any]
) -> None:
    needs = [re.fullmatch(r"([\w.-]+)(>=\S+)", need).groups() for need in project["dependencies"]]
    wanted = {f"{CONDA_NAMES.get(name, name)} {bound}" for name, bound in needs}
    python = "python >=${{ python_min }}"
    assert set(recipe["requirements"]["run"]) == {*wanted, python}
    assert project["requires-python"] == f">={recipe['context']['python_min']}"


def test_the_conda_recipe_is_of_this_project(project: dict[str, Any], recipe: dict[str, Any]) -> None:
    about, urls = recipe["about"], project["urls"]
    assert (recipe["schema_version"], recipe["package"]["name"]) == (1, project["name"])
    assert recipe["context"]["version"] == project["version"]
    assert (about["summary"], about["license"]) == (project["description"], project["license"])
    assert about["license_file"] == project["license-files"]
    assert all((ROOT / file).is_file() for file in about["license_file"])
    assert about["homepage"] == about["repository"] == urls["Homepage"]
    assert about["documentation"] == urls["Documentation"]
    commands = [f"{name} = {target}" for name, target in project["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == commands


def test_the_hub_finds_what_it_shows(project: dict[str, Any]) -> None:
    urls = project["urls"]
    assert {"Homepage", "Documentation", "Source Code", "Bug Tracker", "User Support"} <= urls.keys()
    assert urls["Source Code"] == REPOSITORY
    assert "Framework :: napari" in project["classifiers"]
    assert len(project["description"]) < 100
    readme = (ROOT / "README.md").read_text().splitlines()
    assert readme[0].startswith("# ")
    assert "[napari](https://napari.org)" in readme[2], "the hub shows the first paragraph"
