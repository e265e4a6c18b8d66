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
from napari_tumor_unet.scan.sequence_names import TITLES

_COLUMNS = ("series", "type", "slices x rows x columns", "spacing (mm)", "sequence")
_WIDTH, _MOST_ROWS = 820, 24


class SeriesChooser(QDialog):
    """A list of series with a check box each; what cannot be opened is grey and says why.

    Parameters
    ----------
    found : tuple of Series
    parent : QWidget

    Attributes
    ----------
    chosen : Signal
        A list of series, when the user has said which.
    """

    chosen = Signal(object)

    def __init__(self, found: tuple[Series, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open MRI scan")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._found = found
        several = len({series.study for series in found}) > 1
        self.list = QTreeWidget()
        self.list.setHeaderLabels([*_COLUMNS, "study"] if several else list(_COLUMNS))
        self.list.setRootIsDecorated(False)
        self.list.setAllColumnsShowFocus(True)
        checked = _checked_at_first(found)
        for series in found:
            self.list.addTopLevelItem(_item(series, series in checked, several))
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
        good = sum(not series.problem for series in found)
        told = QLabel(f"{good} series of this folder can be opened, each as a layer; choose which.")
        layout = QVBoxLayout(self)
        for widget in (told, self.list, self.buttons):
            layout.addWidget(widget)
        row = self.list.sizeHintForRow(0)
        rows = min(len(found), _MOST_ROWS) + 1  # one of air
        self.list.setMinimumHeight(rows * row + header.sizeHint().height())
        self.resize(_WIDTH, self.sizeHint().height())
        self.list.itemChanged.connect(self._on_changed)
        self.list.itemActivated.connect(lambda *_: self.open_button.click())
        self._on_changed()
        self.list.setFocus()

    def accept(self) -> None:
        """Close, and say what is checked."""
        checked = self._checked()
        super().accept()
        self.chosen.emit(checked)

    def _checked(self) -> list[Series]:
        states = (self.list.topLevelItem(i).checkState(0) for i in range(len(self._found)))
        return [
            series
            for series, state in zip(self._found, states, strict=True)
            if state == Qt.CheckState.Checked and not series.problem
        ]

    def _on_changed(self) -> None:
        self.open_button.setEnabled(bool(self._checked()))


def _checked_at_first(found: tuple[Series, ...]) -> list[Series]:
    """The three sequences if FLAIR is among them, else all volumes of MR, else all."""
    good = [series for series in found if not series.problem]
    known = [series for series in good if series.sequence]
    if any(series.sequence == "flair" for series in known):
        return known
    return [series for series in good if series.modality == "MR"] or good


def _item(series: Series, checked: bool, several: bool) -> QTreeWidgetItem:
    spacing = " x ".join(f"{mm:.3g}" for mm in series.spacing) if series.spacing else ""
    told = [
        series.name,
        series.modality,
        " x ".join(map(str, series.shape)),
        spacing,
        series.problem or (TITLES[series.sequence] if series.sequence else ""),
    ]
    item = QTreeWidgetItem([*told, str(series.study)] if several else told)
    tooltip = series.problem or " ".join(series.notes)
    for column in range(item.columnCount()):
        item.setToolTip(column, tooltip)
    item.setFlags(
        Qt.ItemFlag.NoItemFlags if series.problem else item.flags() | Qt.ItemFlag.ItemIsUserCheckable
    )
    item.setCheckState(0, Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
    return item
