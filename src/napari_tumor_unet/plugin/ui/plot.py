"""A small plot in napari's colours, which the mouse neither moves nor zooms."""

from __future__ import annotations

import pyqtgraph as pg
from napari import Viewer
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy

from napari_tumor_unet.plugin.ui.connections import Connections

_HEIGHT = 130  # pixels


class Plot(pg.PlotWidget):
    """A plot that follows the theme of a viewer.

    Parameters
    ----------
    viewer : Viewer
    tooltip : str
    title : str, optional
    """

    def __init__(self, viewer: Viewer, tooltip: str, title: str = "") -> None:
        super().__init__(title=title or None)
        self._viewer = viewer
        self._title = title
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setToolTip(tooltip)
        self._connections = Connections(self)
        self._connections.add(viewer.events.theme, self._apply_theme)
        self._apply_theme()

    def show_title(self, title: str) -> None:
        """Show a title in place of the one before."""
        self._title = title
        self._apply_theme()

    def draw_points(self, colour: str) -> pg.PlotDataItem:
        """Add a curve, without points yet."""
        pen = pg.mkPen(colour, width=2)
        return self.plotItem.plot(pen=pen, symbol="o", symbolSize=5, symbolPen=None, symbolBrush=colour)

    def _apply_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        text = theme.text.as_hex()
        self.setBackground(theme.background.as_hex())
        self.setTitle(self._title or None, color=text, size="9pt")
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
