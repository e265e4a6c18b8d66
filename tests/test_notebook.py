from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "examples" / "lgg_workflow.ipynb"


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_the_notebook_runs_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parent))  # the phantoms are beside it
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = printed(notebook)
    assert "epoch 20/20" in text
    pooled = re.search(r"pooled, at 128: Dice ([0-9.]+)", text)
    assert pooled is not None
    assert float(pooled[1]) > 0.6
    made = tmp_path / "lgg_workflow" / "phantoms"
    assert (made / "seed.safetensors").exists()
    assert {"best.png", "median.png", "worst.png"} <= {p.name for p in (made / "pictures").iterdir()}


def test_the_notebook_is_kept_with_its_outputs_from_phantoms_alone() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (settings,) = [cell for cell in notebook.cells if cell.source.startswith("from pathlib")]
    assert "DATA = None" in settings.source
    assert "epoch 20/20" in printed(notebook)
    assert "TCGA" not in printed(notebook)
