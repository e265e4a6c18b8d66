"""What all commands share."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from napari_tumor_unet import cli
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import ModelError


def test_an_error_that_a_user_can_mend_ends_a_command_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise ModelError("The model mine is damaged; train it again.")

    monkeypatch.setattr(registry, "all_models", broken)
    result = CliRunner().invoke(cli.app, ["models"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip() == "The model mine is damaged; train it again."
