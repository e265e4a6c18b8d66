"""The part of the panel "Segment tumour" for the review: go to doubtful slices, mark those checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox
from qtpy.QtGui import QKeySequence, QShortcut

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.layers.metadata import has_result
from napari_tumor_unet.plugin.segment.review import Review
from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.widgets import button, row, text_label

if TYPE_CHECKING:
    from napari import Viewer

_NEXT, _CHECK = "Ctrl+Shift+D", "Ctrl+Shift+K"  # napari has no such shortcuts


class ReviewSection(Section):
    """Walks through the active layer's doubtful slices, if a segmentation made it; hidden otherwise.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._review: Review | None = None
        self._began_again_at: int | None = None
        self.next = button(
            "Next doubtful slice",
            "Go to the most doubtful slice that is neither checked nor was visited. Doubtful are the slices "
            f"that together hold 95 % of the voxels that are probably wrong. ({_shown(_NEXT)})",
            self._go_to_next,
        )
        self.checked = CheckBox(
            text="checked", tooltip=f"The mask of the slice on screen is right. ({_shown(_CHECK)})"
        )
        self.message = text_label()
        super().__init__(row(self.next, self.checked), self.message)
        self.checked.changed.connect(self._check)
        # They are there as long as the section is to be seen.
        QShortcut(QKeySequence(_NEXT), self.native, self.next.native.click)
        QShortcut(QKeySequence(_CHECK), self.native, self.checked.native.click)
        self._edits = Connections(self.native)
        dims = viewer.dims.events
        for event in (dims.point, dims.order, dims.ndisplay):
            self.connections.add(event, self.show_slice)

    def refresh(self) -> None:
        """Show the active layer's mask, as it is now."""
        self._edits.close()
        self._review = self._began_again_at = None
        layer = self._viewer.layers.selection.active
        if has_result(layer):
            self._review = Review(self._viewer, layer)
            self._edits.add(layer.events.set_data, self.show_slice)
            self._edits.add(layer.events.paint, self.show_slice)
        self.visible = self._review is not None
        self.show_slice()

    def show_slice(self, *_: object) -> None:
        """Show the state of the slice on screen."""
        review = self._current()
        if review is None:
            return
        z, doubtful = review.slice_on_screen, review.doubtful
        self.next.enabled = len(review.errors) > 1 and not review.checked.issuperset(doubtful)
        self.checked.enabled = z is not None
        with self.checked.changed.blocked():
            self.checked.value = z in review.checked
        again = "Again from the most doubtful. " if z is not None and z == self._began_again_at else ""
        self.message.value = f"{again}{_of_slice(review, z)}; {_of_all(review)}."

    def _current(self) -> Review | None:
        """Return the review, unless the user removed the layer, or replaced its data."""
        if self._review is None:
            return None
        layer, viewer = self._review.layer, self._viewer
        # napari adds axes to the viewer after those of a layer.
        self.visible = layer in viewer.layers and has_result(layer) and layer.ndim <= viewer.dims.ndim
        return self._review if self.visible else None

    def _go_to_next(self) -> None:
        if review := self._current():
            again = review.go_to_next()
            self._began_again_at = review.slice_on_screen if again else None
            self.show_slice()

    def _check(self, right: bool) -> None:
        review = self._current()
        if review and (z := review.slice_on_screen) is not None:
            review.check(z, right)
            self.show_slice()


def _of_slice(review: Review, z: int | None) -> str:
    if z is None:
        return "No slice of this mask is on screen"
    voxels = round(review.errors[z])
    doubt = "no voxels" if not voxels else f"about {voxels:,} {'voxel' if voxels == 1 else 'voxels'}"
    return f"Slice {z}{', edited' if review.is_edited(z) else ''}: {doubt} in doubt"


def _of_all(review: Review) -> str:
    doubtful = review.doubtful
    if not doubtful:
        return "no slice is doubtful"
    return (
        f"{len(review.checked.intersection(doubtful))} of {plural(len(doubtful), 'doubtful slice')} checked"
    )


def _shown(shortcut: str) -> str:
    """Write a shortcut as the system does."""
    return str(QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText))
