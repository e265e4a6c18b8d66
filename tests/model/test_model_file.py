from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_tumor_unet.model.card import (
    FORMAT,
    Card,
    CellScout,
    MaskLimits,
    ModelError,
    check_model,
    file_hash,
    read_card,
    weights_digest,
)
from napari_tumor_unet.model.model_file import Model, load_model, save_model
from napari_tumor_unet.model.registry import (
    DEFAULT_MODEL,
    bundled_models,
    find_model,
    import_model,
    user_models,
)
from napari_tumor_unet.model.settings import UNetConfig
from napari_tumor_unet.model.unet import UNet
from tests.conftest import Refused

NETWORK = {"in_channels": 5, "widths": [4, 8, 16], "normalisation": "batch", "dropout": 0.0}
HEADER = {
    "format": FORMAT,
    "network": json.dumps(NETWORK),
    "preparation": '{"size": 64}',
    "card": json.dumps({"name": "tiny"}),
}


@pytest.fixture
def weights(tiny_model_file: Path) -> dict[str, torch.Tensor]:
    return load_file(tiny_model_file)


def test_a_saved_model_loads_as_it_was(tiny_model: Model, tiny_model_file: Path) -> None:
    loaded = load_model(tiny_model_file)
    assert loaded.network.config == tiny_model.network.config
    assert loaded.preprocessing == tiny_model.preprocessing
    assert loaded.card == tiny_model.card
    for name, weight in tiny_model.network.state_dict().items():
        torch.testing.assert_close(loaded.network.state_dict()[name].to(weight), weight, rtol=1e-3, atol=1e-6)


def test_a_loaded_model_saves_to_the_same_weights(tiny_model_file: Path, tmp_path: Path) -> None:
    save_model(load_model(tiny_model_file), tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(weight, again[name]) for name, weight in load_file(tiny_model_file).items())


def test_half_precision_in_the_file_moves_no_probability_by_a_percent(
    tiny_model: Model, tiny_model_file: Path
) -> None:
    image = torch.randn(2, 5, 64, 64)
    with torch.inference_mode():
        before, after = tiny_model.network(image), load_model(tiny_model_file).network(image)
    assert (before - after).abs().max() < 0.01


def test_a_model_knows_its_files_hash(tiny_model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    saved = save_model(tiny_model, path)
    assert saved.hash == load_model(path).hash == file_hash(path)
    assert len(saved.hash) == 64
    assert tiny_model.hash == ""


def test_the_whole_card_survives(tiny_model: Model, tmp_path: Path) -> None:
    scores = {"Dice": [0.8, 0.1], "distance": float("inf")}
    card = Card("a", "s", "i", "d", "t", scores, ("a", "b"), "l", ("c",), 0.4, 0.1, True, "p")
    save_model(dataclasses.replace(tiny_model, card=card), tmp_path / "a.safetensors")
    assert read_card(tmp_path / "a.safetensors") == card


def test_a_card_keeps_its_keys_in_files(tiny_model: Model, tmp_path: Path) -> None:
    card = dataclasses.replace(tiny_model.card, min_region_weight=0.2, tta_flip=True)
    save_model(dataclasses.replace(tiny_model, card=card), tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        entries = json.loads(file.metadata()["card"])
    assert (entries["smallest_region"], entries["mirrored"]) == (0.2, True)
    assert not entries.keys() & {"min_region_weight", "tta_flip"}


def test_the_network_and_its_input_keep_their_keys_in_files(tiny_model: Model, tmp_path: Path) -> None:
    save_model(tiny_model, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        texts = file.metadata()
    assert texts.keys() == {"format", "digest", "network", "preparation", "card"}
    assert json.loads(texts["network"]) == NETWORK
    assert json.loads(texts["preparation"]) == {
        "size": 64,
        "field": "head",
        "neighbours": 1,
        "neighbour_mm": 5.0,
    }


def test_entries_that_came_later_are_kept_in_files_where_they_say_something(
    tiny_model: Model, tmp_path: Path
) -> None:
    card = dataclasses.replace(tiny_model.card, doubtful_under=MaskLimits(0.8, 0.75, 6.0))
    card = dataclasses.replace(card, cell_scout=CellScout((0.5,) * 16, -1.5))
    preprocessing = dataclasses.replace(tiny_model.preprocessing, intensities="brain")
    path = tmp_path / "tiny.safetensors"
    save_model(dataclasses.replace(tiny_model, card=card, preprocessing=preprocessing), path)
    assert load_model(path).preprocessing == preprocessing
    assert load_model(path).card == card
    save_model(tiny_model, path)  # as earlier versions refuse what they do not know, and defaults say nothing
    with safe_open(path, framework="numpy") as file:
        texts = file.metadata()
    assert "intensities" not in texts["preparation"]
    assert "doubtful_under" not in texts["card"]
    assert "cell_scout" not in texts["card"]


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")

    def full(_: Any, partial: Path, __: Any) -> None:
        partial.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("napari_tumor_unet.model.model_file.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_model(tiny_model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert path.read_bytes() == b"old"


def test_the_default_model_is_bundled() -> None:
    assert DEFAULT_MODEL in bundled_models()
    assert find_model() == find_model(DEFAULT_MODEL) == bundled_models()[DEFAULT_MODEL]


def test_every_bundled_model_has_a_licence_and_says_what_it_is_not_for() -> None:
    for path in bundled_models().values():
        card = read_card(path)
        assert card.licence
        assert card.summary
        assert "not for clinical use" in card.intended_use


def test_a_card_is_read_without_torch(tiny_model_file: Path, in_fresh_python: Callable[..., str]) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from napari_tumor_unet.model.card import read_card
        print(read_card(Path(sys.argv[1])).name, "torch" in sys.modules)
    """
    assert in_fresh_python(code, tiny_model_file).split() == ["tiny", "False"]


def test_a_card_of_a_later_version_may_say_more(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    later = HEADER | {"card": json.dumps({"name": "later", "mood": "good"})}
    save_file(weights, tmp_path / "later.safetensors", later)
    assert load_model(tmp_path / "later.safetensors").card.name == "later"


def test_an_unknown_model_is_refused_with_the_known_ones(refused: Refused, tmp_path: Path) -> None:
    with refused(ModelError, "'nosuch.safetensors'", DEFAULT_MODEL):
        load_model(tmp_path / "nosuch.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, 2000, -1])
def test_truncated_files_are_refused(
    tiny_model_file: Path, tmp_path: Path, kept: int, refused: Refused
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(tiny_model_file.read_bytes()[:kept])
    with refused(ModelError, "broken.safetensors"):
        load_model(broken)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, refused: Refused) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    trap = tmp_path / "trap.safetensors"
    trap.write_bytes(pickle.dumps(Trap()))
    with refused(ModelError, "trap.safetensors"):
        load_model(trap)
    assert not (tmp_path / "sprung").exists()


def test_other_safetensors_are_refused(tmp_path: Path, refused: Refused) -> None:
    foreign = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"a": torch.zeros(3)}, foreign, metadata)
        with refused(ModelError, "foreign.safetensors", "no Tumour U-Net model"):
            load_model(foreign)


@pytest.mark.parametrize(
    "changed",
    [
        {"card": None},
        {"network": None},
        {"preparation": None},
        {"card": "{"},
        {"card": "[]"},
        {"card": "{}"},
        {"card": '{"name": 3}'},
        {"card": '{"name": "a", "licence": null}'},
        {"card": '{"name": "a", "threshold": "high"}'},
        {"card": '{"name": "a", "threshold": 7}'},
        {"card": '{"name": "a", "threshold": NaN}'},
        {"card": '{"name": "a", "mirrored": 1}'},
        {"card": '{"name": "a", "limits": [3]}'},
        {"card": '{"name": "a", "smallest_region": -1}'},
        {"card": '{"name": "a", "cell_scout": {"weights": [1.0, 2.0], "limit": 0.5}}'},
        {"card": '{"name": "a", "cell_scout": {"weights": [0], "limit": NaN}}'},
        {"network": "{"},
        {"network": "[]"},
        {"network": json.dumps(NETWORK | {"attention": True})},
        {"network": json.dumps(NETWORK | {"in_channels": True})},
        {"network": json.dumps(NETWORK | {"dropout": float("nan")})},
        {"network": json.dumps(NETWORK | {"normalisation": "layer"})},
        {"network": json.dumps(NETWORK | {"widths": "wide"})},
        {"network": json.dumps(NETWORK | {"widths": [4, "8", 16]})},
        {"network": json.dumps(NETWORK | {"widths": [4.5, 8, 16]})},
        {"network": json.dumps(NETWORK | {"in_channels": 3})},
        {"preparation": '{"sise": 64}'},
        {"preparation": '{"size": 0}'},
        {"preparation": '{"size": "64"}'},
        {"preparation": '{"field": "neck"}'},
        {"preparation": '{"neighbour_mm": 0}'},
        {"preparation": '{"neighbours": -1}'},
        {"card": '{"name": "a", "mood": %s}' % (5000 * "[" + 5000 * "]")},
        {"card": '{"name": "a", "scores": {"Dice": %s}}' % (5000 * "9")},
        {"card": '{"name": "a", "summary": "\\ud800"}'},
        {"network": 5000 * "[" + 5000 * "]"},
        {"network": json.dumps(NETWORK | {"widths": [4, 8, 10**400]})},
        {"network": json.dumps(NETWORK | {"widths": 30 * [1]})},
        {"network": json.dumps(NETWORK | {"widths": [8000, 8000, 8000]})},
        {"preparation": '{"size": 8192}'},
        {"preparation": '{"size": %s}' % (5000 * "9")},
    ],
    ids=lambda changed: str(changed)[:60],
)
def test_damaged_headers_are_refused(
    weights: dict[str, torch.Tensor], tmp_path: Path, changed: dict, refused: Refused
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(weights, path, {key: text for key, text in (HEADER | changed).items() if text is not None})
    with refused(ModelError, "a.safetensors"):
        load_model(path)


def test_weights_of_another_network_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    for config in (UNetConfig(5, (4, 8)), UNetConfig(5, (4, 8, 12), "batch")):
        save_file(UNet(config).state_dict(), path, HEADER)
        with refused(ModelError, "do not fit"):
            load_model(path)


def test_no_memory_is_taken_for_a_network_that_the_file_does_not_hold(
    weights: dict[str, torch.Tensor], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(weights, path, HEADER | {"network": json.dumps(NETWORK | {"widths": [4, 8, 1000]})})
    devices = []
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda weight, **_: devices.append(weight.device))
    with refused(ModelError, "do not fit"):
        load_model(path)
    assert {device.type for device in devices} == {"meta"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(
    weights: dict[str, torch.Tensor], tmp_path: Path, value: float, refused: Refused
) -> None:
    path = tmp_path / "a.safetensors"
    weights["head.bias"][0] = value
    save_file(weights, path, HEADER)
    with refused(ModelError, "weights in a.safetensors are damaged"):
        load_model(path)


def test_a_flipped_bit_in_any_weight_is_noticed(
    tiny_model_file: Path, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "a.safetensors"
    content = tiny_model_file.read_bytes()
    for at in (-1, -1000, len(content) // 2):
        damaged = bytearray(content)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        for use in (load_model, check_model, import_model):
            with refused(
                ModelError, "a.safetensors is damaged: its weights are not those that its card names"
            ):
                use(path)
    assert not user_models()


def test_a_file_without_a_digest_is_loaded_and_imported(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(weights, path, HEADER)
    assert load_model(path).card.name == import_model(path) == "a"


def test_a_model_of_the_version_before_has_no_digest_and_is_loaded(
    weights: dict[str, torch.Tensor], tiny_model_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(weights, path, HEADER)
    assert weights_digest(path) == ""
    assert len(weights_digest(tiny_model_file)) == 64
    before, now = (load_model(file).network.state_dict() for file in (path, tiny_model_file))
    assert all(torch.equal(weight, now[name]) for name, weight in before.items())
    assert [weight.dtype for weight in before.values()] == [
        weight.dtype for weight in UNet(UNetConfig(**NETWORK)).state_dict().values()
    ]
