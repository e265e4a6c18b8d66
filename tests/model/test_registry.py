"""The user's own models: imported, renamed, exported, deleted; the bundled ones stay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import ModelError, file_hash, read_card
from napari_tumor_unet.model.model_file import load_model
from napari_tumor_unet.model.registry import (
    add_model,
    all_models,
    bundled_models,
    delete_model,
    export_model,
    find_model,
    import_model,
    new_name,
    rename_model,
    user_models,
)
from tests.conftest import Refused


def test_an_imported_model_is_found_by_its_name_and_the_file_may_go(
    tiny_model_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.safetensors"
    shutil.copy(tiny_model_file, file)
    assert import_model(file) == "mine"
    file.unlink()
    assert list(user_models()) == ["mine"]
    assert list(all_models()) == [*bundled_models(), "mine"]
    assert read_card(find_model("mine")).name == "mine"


def test_a_model_that_is_there_already_is_not_copied_again(tiny_model_file: Path) -> None:
    assert import_model(tiny_model_file) == "tiny"
    assert import_model(tiny_model_file) == "tiny"
    assert import_model(find_model("default")) == "default"
    assert list(user_models()) == ["tiny"]


@pytest.mark.parametrize("text", ["{", '{"size": 0}', '{"sise": 64}', '{"neighbours": 7}'])
@pytest.mark.parametrize("entry", ["network", "preparation"])
def test_a_model_that_cannot_be_built_is_not_imported(
    tiny_model_file: Path, tmp_path: Path, refused: Refused, entry: str, text: str
) -> None:
    with safe_open(tiny_model_file, framework="numpy") as file:
        texts = file.metadata()
    path = tmp_path / "broken.safetensors"
    save_file(load_file(tiny_model_file), path, texts | {entry: text})
    for take in (import_model, load_model, lambda path: add_model(path, "mine")):
        with refused(ModelError, "broken.safetensors describes no network that this version can build"):
            take(path)
    assert not user_models()


def test_another_model_of_a_name_that_is_taken_gets_a_number(tiny_model_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "Default.safetensors"
    shutil.copy(tiny_model_file, file)
    assert import_model(file) == "Default 2"


def test_a_new_model_is_added_by_a_free_name_alone(
    tiny_model_file: Path, tmp_path: Path, refused: Refused
) -> None:
    add_model(tiny_model_file, " tuned ")
    assert list(user_models()) == ["tuned"]
    assert new_name("tuned") == "tuned 2"
    assert new_name("other") == "other"
    for name, words in (("Tuned", "already"), ("default", "already"), ("a/b", "without"), (" ", "without")):
        with refused(ModelError, words):
            add_model(tiny_model_file, name)
    with refused(ModelError, "no model"):
        broken = tmp_path / "x.safetensors"
        broken.write_bytes(b"nothing")
        add_model(broken, "broken")
    assert list(user_models()) == ["tuned"]


def test_a_model_can_be_renamed(tiny_model_file: Path) -> None:
    import_model(tiny_model_file)
    rename_model("tiny", " Äpfel 2 ")
    assert list(user_models()) == ["Äpfel 2"]
    rename_model("Äpfel 2", "ÄPFEL 2")
    assert list(user_models()) == ["ÄPFEL 2"]


@pytest.mark.parametrize(
    "name", ["", "  ", ".hidden", "a/b", "..\\c", "a:b", 'a"b', "a\nb", "Default", 300 * "a", 150 * "ä"]
)
def test_names_that_are_none_for_a_file_or_taken_are_refused(
    name: str, tiny_model_file: Path, refused: Refused
) -> None:
    import_model(tiny_model_file)
    with refused(ModelError):
        rename_model("tiny", name)
    assert list(user_models()) == ["tiny"]


def test_bundled_models_are_neither_renamed_nor_deleted(refused: Refused) -> None:
    for change in (delete_model, lambda name: rename_model(name, "mine")):
        with refused(ModelError, "comes with the plugin"):
            change("default")
    assert "default" in bundled_models()


def test_a_deleted_model_is_gone(tiny_model_file: Path, refused: Refused) -> None:
    import_model(tiny_model_file)
    delete_model("tiny")
    assert not user_models()
    with refused(ModelError, "no longer exists"):
        delete_model("tiny")


def test_an_exported_model_is_the_same_file(tiny_model_file: Path, tmp_path: Path) -> None:
    import_model(tiny_model_file)
    export_model("tiny", tmp_path / "out.safetensors")
    assert file_hash(tmp_path / "out.safetensors") == file_hash(tiny_model_file)


@pytest.fixture
def unreadable() -> list[Path]:
    """What has the ending of a model in the user's folder, and is none that can be read."""
    folder = registry.make_model_folder()
    dangling, inner, damaged = (folder / f"{name}.safetensors" for name in ("dangling", "folder", "damaged"))
    dangling.symlink_to(folder / "nowhere")
    inner.mkdir()
    damaged.write_bytes(b"nothing")
    return [dangling, inner, damaged]


def test_beside_what_cannot_be_read_models_are_imported_and_nothing_is_overwritten(
    unreadable: list[Path], tiny_model_file: Path, tmp_path: Path, refused: Refused
) -> None:
    file = tmp_path / "damaged.safetensors"
    shutil.copy(tiny_model_file, file)
    assert import_model(file) == "damaged 2"
    assert unreadable[2].read_bytes() == b"nothing"
    for path in unreadable:
        for take in (load_model, import_model, file_hash if path.is_dir() else load_model):
            with refused(ModelError, path.name):
                take(path)
    assert set(user_models()) == {"dangling", "folder", "damaged", "damaged 2"}


def test_a_hidden_file_is_imported_by_a_name_that_is_listed(tiny_model_file: Path, tmp_path: Path) -> None:
    file = tmp_path / ".mine.safetensors"
    shutil.copy(tiny_model_file, file)
    assert import_model(file) == "mine"
    assert list(user_models()) == ["mine"]


def test_a_file_in_place_of_the_folder_is_one_sentence(
    tiny_model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path / "file"))
    assert list(all_models()) == list(bundled_models())
    with refused(ModelError, "folder file cannot be made"):
        registry.make_model_folder()
    with refused(ModelError, "tiny.safetensors cannot be written"):
        import_model(tiny_model_file)


def test_a_name_that_is_too_long_for_a_file_is_no_model(refused: Refused) -> None:
    with refused(ModelError, "There is no model"):
        find_model(300 * "a")


def test_what_is_no_model_is_not_imported(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "no.safetensors").write_text("nothing")
    with refused(ModelError, "no.safetensors is damaged"):
        import_model(tmp_path / "no.safetensors")
    assert not user_models()


def test_a_full_disk_leaves_no_half_of_a_model(
    tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def full(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry.shutil, "copyfile", full)
    with refused(ModelError, "cannot be written: No space left on device"):
        import_model(tiny_model_file)
    assert not list(registry.model_folder().iterdir())
