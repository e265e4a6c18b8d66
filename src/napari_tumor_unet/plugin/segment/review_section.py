"""The part of the panel "Segment tumour" for the review: go to doubtful slices, mark those checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Container
from napari.layers import Labels
from qtpy.QtGui import QKeySequence, QShortcut

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.in_view import is_looked_at
from napari_tumor_unet.plugin.layers.metadata import has_result
from napari_tumor_unet.plugin.segment.doubt_layer import DoubtLayer
from napari_tumor_unet.plugin.segment.review import Review
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.settings import DRAWN
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import button, text_label

if TYPE_CHECKING:
    from napari import Viewer

    from napari_tumor_unet.plugin.segment.doubt_curve import DoubtCurve

_MANY, _WORST = 20, 10  # doubtful slices for which no reader has the time, and those to begin with
_CURVE = 75  # pixels
_NEXT, _CHECK = "Ctrl+Shift+D", "Ctrl+Shift+K"  # napari has no such shortcuts


class ReviewSection(Section):
    """Walks through the doubtful slices of a mask that a segmentation made; hidden without one.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    curve : DoubtCurve or None
        Drawn once there is a mask of several slices: pyqtgraph takes its time to be imported.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._review: Review | None = None
        self._began_again_at: int | None = None
        self.curve: DoubtCurve | None = None
        self.next = button(
            "Next doubtful slice",
            "Go to the most doubtful slice that is neither checked nor visited. Doubtful slices hold 95 % of "
            f"the voxels likely to be wrong. ({_shown(_NEXT)})",
            self._go_to_next,
        )
        self.checked = CheckBox(
            text="slice is checked", tooltip=f"The mask of the slice on screen is right. ({_shown(_CHECK)})"
        )
        self.where = CheckBox(
            text="show where",
            tooltip="Colour the voxels that the model has wrong with a chance of a quarter or more.",
        )
        self.message = text_label()
        self._place: Container[Any] = Container(labels=False)  # nothing moves when the curve comes
        self._place.margins = (0, 0, 0, 0)
        self._place.native.setFixedHeight(_CURVE)
        super().__init__(self.next, self._place, self.checked, self.where, self.message)
        self.checked.changed.connect(self._check)
        # They are there as long as the section is to be seen.
        QShortcut(QKeySequence(_NEXT), self.native, self.next.native.click)
        QShortcut(QKeySequence(_CHECK), self.native, self.checked.native.click)
        self._edits = Connections(self.native)
        self._doubt = DoubtLayer(viewer, self.native)
        self.where.changed.connect(self._on_where)
        self.connections.add(viewer.layers.events.removed, self._on_removed)
        self._drawing = timer(self.native, DRAWN, self._add_curve)
        self.connections.add(ViewerContext.of(viewer).view_changed, self.show_slice)
        dims = viewer.dims.events
        for event in (dims.point, dims.range, dims.order, dims.ndisplay):  # at once, for a check that follows
            self.connections.add(event, self.show_slice)

    def show_mask(self, layer: Labels | None) -> None:
        """Show a mask, as it is now, and follow it from then on."""
        self._edits.close()
        self._review = self._began_again_at = None
        if has_result(layer):
            self._review = Review(self._viewer, layer)
            self._edits.add(layer.events.set_data, self.show_slice)
            self._edits.add(layer.events.paint, self.show_slice)
        self.visible = self._review is not None
        self.next.visible = self.where.visible = self._review is not None and self._review.knows_doubt
        self._show_where()
        self.show_slice()

    def show_slice(self, *_: object) -> None:
        """Show the state of the slice on screen."""
        review = self._current()
        if review is None:
            return
        z = review.slice_on_screen
        self.next.enabled = self.unchecked and len(review.errors) > 1
        self.checked.enabled = z is not None
        with self.checked.changed.blocked():
            self.checked.value = z in review.checked
        again = "Again from the most doubtful. " if z is not None and z == self._began_again_at else ""
        self.message.value = f"{again}{_of_slice(review, z)}. {_of_all(review)}"
        self._show_curve(review, z)
        self._show_where()

    @property
    def unchecked(self) -> bool:
        """Whether there are doubtful slices that are not checked."""
        review = self._review
        return review is not None and not review.checked.issuperset(review.doubtful)

    @property
    def leads_on(self) -> bool:
        """Whether the button leads to a slice that is neither checked nor was visited."""
        review = self._review
        return review is not None and len(review.errors) > 1 and bool(review.left)

    def _on_where(self, wanted: bool) -> None:
        if wanted and self._review is not None:
            look_at(self._viewer, self._review.layer)
        self._show_where()

    def _show_where(self) -> None:
        """Show the doubt, unless it would lie over another scan."""
        review = self._review
        wanted = review is not None and review.knows_doubt and self.where.value
        there = review is not None and wanted and is_looked_at(self._viewer, review.layer)
        self._doubt.show(review.layer if review is not None and there else None)

    def _on_removed(self, event: Any) -> None:
        """Ask no longer for what the user removed."""
        if event.value is self._doubt.layer:
            self.where.value = False

    def _show_curve(self, review: Review, z: int | None) -> None:
        self._place.visible = drawn = bool(len(review.errors) > 1 and review.doubtful)
        if self.curve is not None:
            self.curve.show_doubt(review.errors, review.doubtful, review.checked)
            self.curve.show_here(z)
        elif drawn:
            self._drawing.start()

    def _add_curve(self) -> None:
        from napari_tumor_unet.plugin.segment.doubt_curve import DoubtCurve

        if self.curve is None:
            self.curve = DoubtCurve(self._viewer, self._go_to)
            self.curve.setFixedHeight(_CURVE)
            self._place.native.layout().addWidget(self.curve)
        self.show_slice()

    def _go_to(self, z: int) -> None:
        if review := self._current():
            review.go_to(z)

    def _current(self) -> Review | None:
        """Return the review, unless the user removed the layer, or replaced its data."""
        if self._review is None:
            return None
        layer, viewer = self._review.layer, self._viewer
        # napari adds axes to the viewer after those of a layer.
        there = layer in viewer.layers and has_result(layer) and layer.ndim <= viewer.dims.ndim
        self.visible = there  # which it is not before the panel is shown
        return self._review if there else None

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
        return review.why_none
    step = review.step_on_screen
    name = f"Slice {z}" if step == z else f"Slice {z} ({step} on napari's slider)"
    if not review.knows_doubt:
        return f"{name}{', edited' if review.is_edited(z) else ''}"
    voxels = round(review.errors[z])
    doubt = "no voxels" if not voxels else f"about {voxels:,} {'voxel' if voxels == 1 else 'voxels'}"
    where = ", in and around what was left out" if voxels and review.is_left_out(z) else ""
    edited, then = (", edited", " before the edits") if review.is_edited(z) else ("", "")
    return f"{name}{edited}: {doubt} in doubt{then}{where}"


def _of_all(review: Review) -> str:
    if not review.knows_doubt:
        return f"{plural(len(review.checked), 'slice')} checked."
    doubtful, errors = review.doubtful, review.errors
    n = len(doubtful)
    checked = len(review.checked.intersection(doubtful))
    if not n:
        return "No slice is doubtful."
    if checked == n:
        return "The doubtful slice is checked." if n == 1 else f"All {n} doubtful slices are checked."
    told = f"{checked} of {plural(n, 'doubtful slice')} checked."
    if n <= _MANY:
        return told
    share = errors[list(doubtful[:_WORST])].sum() / errors.sum()
    return f"{_WORST} slices hold {share:.0%} of the doubt; {told}".replace("%", " %")


def _shown(shortcut: str) -> str:
    """Write a shortcut as the system does."""
    return str(QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText))
