"""The part of the panel "Fine-tune" for runs that a crash, or closing the window, interrupted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from magicgui.widgets import Label

from napari_tumor_unet.plugin.ui.confirm import confirmed
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.widgets import button, choice, row, text_label
from napari_tumor_unet.training.finetuning.run_store import (
    Interrupted,
    UnusableRun,
    discard,
    find_interrupted,
)


class ResumeSection(Section):
    """Offers interrupted runs, of which those that this version cannot resume can be deleted alone.

    Hidden where there are none.

    Parameters
    ----------
    resume : callable
        Called with the run to resume.
    """

    def __init__(self, resume: Callable[[Interrupted], None]) -> None:
        self._runs: list[Interrupted | UnusableRun] = []
        title = Label(value="Interrupted fine-tuning:")
        self.run = choice("", lambda: [(str(run), run) for run in self._runs], "The latest first.")
        self.whole = text_label()  # what the choice has no room for
        self._on_resume = resume
        self.resume = button("Resume", "Go on from the last whole epoch.", self._resume)
        self.delete = button("Delete", "Forget it, and delete the copies of scans in it.", self._delete)
        super().__init__(title, self.run, self.whole, row(self.resume, self.delete))
        self.run.changed.connect(self._on_run)
        self.visible = False

    def refresh(self) -> None:
        """Look for interrupted runs in a thread, and offer them."""
        in_thread(find_interrupted, self._show)

    def _show(self, runs: list[Interrupted | UnusableRun]) -> None:
        self._runs = runs
        self.run.reset_choices()
        self._on_run()
        self.visible = bool(runs)
        self.run.visible = len(runs) > 1

    def _on_run(self) -> None:
        self.whole.value = "" if self.run.value is None else str(self.run.value)
        self.resume.enabled = isinstance(self.run.value, Interrupted)

    def _resume(self) -> None:
        self._on_resume(self.run.value)

    def _delete(self) -> None:
        run = self.run.value
        question = f"Delete the fine-tuning and what was learned in it: {run}? It cannot be brought back."
        if confirmed(self.native, "Delete the fine-tuning", question):
            in_thread(partial(discard, run.folder))
            self._show([other for other in self._runs if other is not run])
