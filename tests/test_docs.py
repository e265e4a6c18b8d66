"""README and docs: their pictures, menus, buttons, commands and links are those that there are."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from npe2 import PluginManifest
from typer.main import get_command

import napari_tumor_unet
from napari_tumor_unet import cli
from tests.conftest import ROOT

README, DOCS, PICTURES = ROOT / "README.md", ROOT / "docs", ROOT / "docs" / "pictures"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
SITE = "https://napari-tumor-unet.github.io/napari-tumor-unet/"
RAW = "https://raw.githubusercontent.com/napari-tumor-unet/napari-tumor-unet/main/docs/"
BLOB = "https://github.com/napari-tumor-unet/napari-tumor-unet/blob/main/"

OF_NAPARI = {"File > Preferences", "File > Save Selected Layers...", "Plugins > Install/Uninstall Plugins..."}
NOT_OURS = {"Install", "Tumour U-Net masks"}
"""Buttons of napari, and what it makes of the manifest."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose_of(page: Path) -> str:
    """The text without blocks of code, each paragraph in one line."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^( {4}).*$", "", text, flags=re.MULTILINE) if page != README else text
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def emphasised(page: Path) -> list[str]:
    """What stands in italics: menus, panels, buttons; no code."""
    return re.findall(r"(?<![*\w])\*(?![*\s])([^*]+?)\*(?![*\w])", re.sub(r"`[^`]*`", "", prose_of(page)))


def menu_entries() -> set[str]:
    """All that the manifest puts into a menu, and the ways to it."""
    manifest = PluginManifest.from_file(Path(napari_tumor_unet.__file__).parent / "napari.yaml")
    there = manifest.contributions
    titles = {command.id: command.title for command in there.commands or ()}
    entries = {f"Plugins > {manifest.display_name} > {one.display_name}" for one in there.widgets or ()}
    entries |= {f"File > Open Sample > {one.display_name}" for one in there.sample_data or ()}
    for menu, items in there.menus.items():
        way = " > ".join(part.replace("_", " ").title() for part in menu.split("/")[1:]).replace("Io", "IO")
        entries |= {f"{way} > {titles[item.command]}" for item in items}
    ways = {entry.rpartition(" > ")[0] for entry in entries}
    return entries | ways | OF_NAPARI


@each_page
def test_a_menu_that_a_page_names_is_there(page: Path) -> None:
    menus = r"(File|View|Layers|Plugins|Window|Help) > "
    assert {text for text in emphasised(page) if re.match(menus, text)} <= menu_entries()


@pytest.fixture(scope="module")
def sources() -> str:
    """All that may be on the screen."""
    package = Path(napari_tumor_unet.__file__).parent
    files = [*package.rglob("*.py"), package / "napari.yaml"]
    return re.sub(r'"\s+f?"', "", "\n".join(file.read_text("utf-8") for file in files))


@each_page
def test_a_button_that_a_page_names_is_there(page: Path, sources: str) -> None:
    if page.name in ("models.md", "speed.md", "measures.md"):
        texts = [text for text in emphasised(page) if text.endswith("...")]  # other italics are titles
    else:
        texts = [text for text in emphasised(page) if text[0].isupper()]
    parts = [part for text in texts if text not in menu_entries() for part in text.split(" > ")]
    known = [part for part in parts if f'"{part}' in sources or f": {part}\n" in sources]
    assert set(parts) - set(known) <= NOT_OURS


def commands_in(page: Path) -> Iterator[list[str]]:
    """The commands of the plugin in a page's code, in words."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s+napari-tumor-unet ", line)]
    lines += [code for code in re.findall(r"`([^`\n]+)`", text) if code.startswith("napari-tumor-unet ")]
    names = "|".join(get_command(cli.app).commands)
    lines += [f"x {code}" for code in re.findall(rf"`((?:{names}) --?[^`\n]+)`", text)]
    for line in lines:
        yield shlex.split(re.sub(r"[\[\]]", "", line.partition("  #")[0]))[1:]


@each_page
def test_a_command_that_a_page_names_is_there_with_its_options(page: Path) -> None:
    for words in commands_in(page):
        command, rest = get_command(cli.app), list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in command.commands, " ".join(words)
            command = command.commands[rest.pop(0)]
        options = {name for one in command.params for name in one.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= options, " ".join(words)


def test_pictures_are_there_and_used() -> None:
    named = {
        name.removeprefix(RAW)
        for page in PAGES
        for name in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", page.read_text("utf-8"))
    }
    assert named == {f"pictures/{path.name}" for path in PICTURES.iterdir()}


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert sizes["tour.webp"] < 3_000_000
    assert sum(sizes.values()) < 4_000_000


def test_the_readme_is_short_and_has_no_link_that_the_hub_cannot_follow() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 130
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    for link in links:
        if link.startswith(BLOB):
            assert (ROOT / link.removeprefix(BLOB).partition("#")[0]).exists(), link


@pytest.mark.slow
def test_the_site_has_no_broken_link_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text("utf-8")
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="?([^\s">]+)', text)
        fetched += re.findall(r'<link[^>]*rel="?(?:stylesheet|preconnect|icon)"?[^>]*href="?([^\s">]+)', text)
        assert [each for each in fetched if re.match(r"https?:|//", each) and not each.startswith(SITE)] == []
    for link in re.findall(rf"\]\({SITE}([^)\s]*)\)", README.read_text("utf-8")):
        place, _, anchor = link.partition("#")
        assert not anchor or f'id="{anchor}"' in (tmp_path / place / "index.html").read_text("utf-8"), link
        assert (tmp_path / place / "index.html").is_file(), link
