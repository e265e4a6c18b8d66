"""A window that asks which series of a DICOM folder to open."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.scan.sequence_names import TITLES

_COLUMNS = ("series", "type", "slices x rows x columns", "spacing (mm)", "sequence")
_WIDTH, _MOST_ROWS, _AROUND = 820, 24, 180
_BOX = 24  # pixels
# Napari colours neither box nor edge, so that an empty one cannot be seen in its dark theme.
_BOXES = """
QTreeView::item { min-height: 20px; }
QTreeView::indicator { width: 14px; height: 14px; border: 1px solid #8a8f99; border-radius: 2px; }
QTreeView::indicator:checked { border-color: #009ef7; background: #009ef7; }
QTreeView::indicator:checked { image: url("theme_dark:/check.svg"); }
QTreeView::indicator:disabled { border-color: transparent; }
"""


class SeriesChooser(QDialog):
    """List of series with check boxes; one that cannot be opened is grey and says why.

    Parameters
    ----------
    series : tuple of Series
    parent : QWidget

    Attributes
    ----------
    chosen : Signal
        List of the series that the user checked.
    """

    chosen = Signal(object)

    def __init__(self, series: tuple[Series, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open MRI scan")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._series = series
        several = len({one.study for one in series}) > 1
        self.list = QTreeWidget()
        self.list.setHeaderLabels([*_COLUMNS, "study"] if several else list(_COLUMNS))
        self.list.setRootIsDecorated(False)
        self.list.setAllColumnsShowFocus(True)
        self.list.setStyleSheet(_BOXES)
        checked = _checked_at_first(series)
        for one in series:
            self.list.addTopLevelItem(_item(one, one in checked, several))
        header = self.list.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.open_button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        self.open_button.setDefault(True)
        volumes = sum(one.can_be_shown for one in series)
        text = QLabel(f"{volumes} series of this folder can be opened, each as a layer; choose which.")
        layout = QVBoxLayout(self)
        for widget in (text, self.list, self.buttons):
            layout.addWidget(widget)
        self.list.ensurePolished()
        row = self.list.sizeHintForRow(0)
        rows = min(len(series), _MOST_ROWS) + 1  # one of air
        self.list.setMinimumHeight(rows * row + header.sizeHint().height())
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, self.list.sizeHintForColumn(0) + _BOX)  # Qt forgets that of grey entries
        room = self.screen().availableGeometry().width()
        wanted = sum(self.list.sizeHintForColumn(column) for column in range(self.list.columnCount()))
        self.resize(min(max(_WIDTH, wanted + _AROUND), round(0.9 * room)), self.sizeHint().height())
        self.list.itemChanged.connect(self._on_changed)
        self.list.itemActivated.connect(lambda *_: self.open_button.click())
        self._on_changed()
        self.list.setFocus()

    def accept(self) -> None:
        """Close, and emit the series that are checked."""
        checked = self._checked()
        super().accept()
        self.chosen.emit(checked)

    def _checked(self) -> list[Series]:
        return [
            one
            for i, one in enumerate(self._series)
            if self.list.topLevelItem(i).checkState(0) == Qt.CheckState.Checked and one.can_be_shown
        ]

    def _on_changed(self) -> None:
        self.open_button.setEnabled(bool(self._checked()))


def _checked_at_first(series: tuple[Series, ...]) -> list[Series]:
    """Choose the three sequences if FLAIR is among them, else all volumes of MR, else all; and all masks."""
    volumes = [one for one in series if not one.problem]
    masks = [one for one in series if one.is_segmentation]
    known = [one for one in volumes if one.sequence]
    if any(one.sequence == "flair" for one in known):
        return known + masks
    return ([one for one in volumes if one.modality == "MR"] or volumes) + masks


def _item(series: Series, checked: bool, several: bool) -> QTreeWidgetItem:
    spacing = " x ".join(f"{mm:.3g}" for mm in series.spacing) if series.spacing else ""
    shape = "" if series.is_segmentation else " x ".join(map(str, series.shape))
    problem = "" if series.can_be_shown else series.problem
    kind = "segmentation" if series.is_segmentation else TITLES[series.sequence] if series.sequence else ""
    files = f" ({', '.join(file.name for file in series.files)})" if series.is_segmentation else ""
    texts = [f"{series.name}{files}", series.modality, shape, spacing, problem or kind]
    item = QTreeWidgetItem([plain(text) for text in ([*texts, str(series.study)] if several else texts)])
    tooltip = plain(problem or " ".join(series.notes))
    for column in range(item.columnCount()):
        item.setToolTip(column, tooltip)
    item.setFlags(Qt.ItemFlag.NoItemFlags if problem else item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(0, Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
    return item
