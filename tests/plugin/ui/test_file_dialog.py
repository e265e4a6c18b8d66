"""Where dialogs for files begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_tumor_unet.plugin.ui.file_dialog import FileDialog


def test_each_dialog_begins_where_the_user_chose_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed: list[str] = []

    def answer(*arguments: Any) -> Any:
        proposed.append(arguments[2])
        return ([str(tmp_path / "scan.nii")], "") if len(proposed) == 1 else ("", "")

    for kind in ("getOpenFileNames", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, kind, answer)
    parent: Any = None
    FileDialog.getOpenFileNames(parent, "Open")
    FileDialog.getSaveFileName(parent, "Save", "table.csv")
    FileDialog.getSaveFileName(parent, "Save", str(tmp_path / "beside" / "mask.nii"))
    FileDialog.getOpenFileNames(parent, "Open")
    beside = tmp_path / "beside" / "mask.nii"
    assert proposed == ["", str(tmp_path / "table.csv"), str(beside), str(tmp_path)]
