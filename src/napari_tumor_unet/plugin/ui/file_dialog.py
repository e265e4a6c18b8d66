"""Ask for files and folders, and begin where the user chose last in this session."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

_last = Path()  # the folder


class FileDialog:
    """The questions of ``QFileDialog``: what has no folder of its own is proposed in the last one."""

    @staticmethod
    def getOpenFileName(parent: QWidget, title: str, start: str = "", kinds: str = "") -> tuple[str, str]:  # noqa: N802
        """Ask for a file; return its path, and the kind chosen."""
        answer: tuple[str, str] = QFileDialog.getOpenFileName(parent, title, _placed(start), kinds)
        _remember(answer[0])
        return answer

    @staticmethod
    def getOpenFileNames(  # noqa: N802
        parent: QWidget, title: str, start: str = "", kinds: str = ""
    ) -> tuple[list[str], str]:
        """Ask for files; return their paths, and the kind chosen."""
        answer: tuple[list[str], str] = QFileDialog.getOpenFileNames(parent, title, _placed(start), kinds)
        _remember(*answer[0][:1])
        return answer

    @staticmethod
    def getSaveFileName(  # noqa: N802
        parent: QWidget, title: str, start: str, kinds: str = "", *, folder: bool = False
    ) -> tuple[str, str]:
        """Ask where to save a file, or a new folder; return the path, and the kind chosen."""
        more = {"options": QFileDialog.Option.DontConfirmOverwrite} if folder else {}
        answer: tuple[str, str] = QFileDialog.getSaveFileName(parent, title, _placed(start), kinds, **more)
        _remember(answer[0])
        return answer

    @staticmethod
    def getExistingDirectory(parent: QWidget, title: str, start: str = "") -> str:  # noqa: N802
        """Ask for a folder; return its path."""
        chosen: str = QFileDialog.getExistingDirectory(parent, title, _placed(start))
        _remember(chosen and str(Path(chosen) / "any"))
        return chosen


def _placed(start: str) -> str:
    """Put what is proposed into the last folder, unless it has a place."""
    return str(_last / start) if _last.is_absolute() else start


def _remember(file: str = "") -> None:
    global _last
    if file:
        _last = Path(file).parent
