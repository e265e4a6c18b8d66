"""A field for the spacing of scans whose files tell none."""

from __future__ import annotations

from collections.abc import Callable

from magicgui.widgets import LineEdit

from napari_tumor_unet.plugin.ui.widgets import warning_label
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.spacing import Spacing, parse_spacing, spacing_in_words

_OF_LAYERS = (
    "As the file tells none: distances of slices x rows x columns, such as 5 x 0.94 x 0.94. Sizes are in ml "
    "and mm then; a mask changes with the next run alone. Empty: unknown again."
)


class SpacingField:
    """A line to write a spacing in, and a sentence on what is wrong with it; a panel lays both out.

    Parameters
    ----------
    say : callable
        Takes the spacing (slices, rows, columns) in mm when the user has written one, or None when the user
        has emptied the line.
    tooltip : str, optional
        Of the line, where scans of files are meant and not layers.

    Attributes
    ----------
    line : LineEdit
    problem : Label
    """

    def __init__(self, say: Callable[[Spacing | None], object], tooltip: str = _OF_LAYERS) -> None:
        self._say = say
        self._shown = ""
        self.line = LineEdit(label="spacing, mm", tooltip=tooltip)
        self.problem = warning_label()
        self.line.native.setPlaceholderText("e.g. 5 x 0.9 x 0.9")
        self.line.native.editingFinished.connect(self._on_finished)
        self.show(None, visible=False)

    def show(self, spacing: Spacing | None, *, visible: bool) -> None:
        """Show the spacing that was said, where one may be said at all."""
        self._shown = self.line.value = "" if spacing is None else spacing_in_words(spacing)
        self.line.visible, self.problem.visible = visible, False

    def read(self) -> Spacing | None:
        """Return the spacing that is written now, or None where there is none.

        Raises
        ------
        ScanError
            If it is no spacing.
        """
        text = self.line.value.strip()
        return parse_spacing(text) if text else None

    def _on_finished(self) -> None:
        if self.line.value.strip() == self._shown:  # Qt tells of each loss of the focus
            self.problem.visible = False
            return
        try:
            spacing = self.read()
        except ScanError as error:
            self.problem.value, self.problem.visible = str(error), True
            return
        self.show(spacing, visible=True)
        self._say(spacing)
