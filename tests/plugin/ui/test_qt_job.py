"""Jobs whose window goes while they speak."""

from __future__ import annotations

import subprocess
import sys

# A crash ends the process, so that it is one of its own.
_CHILD = """
import sys, threading
from qtpy.QtCore import QCoreApplication, QEvent
from napari_tumor_unet.plugin.ui.qt_job import QtJob

app = QCoreApplication([])
sys.setswitchinterval(1e-5)

def begin(callbacks):
    def say():
        for n in range(20):
            callbacks.event(n)
        callbacks.finished(None)
    threading.Thread(target=say).start()

for _ in range(1000):
    job = QtJob()
    job.begin(begin)
    job.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    app.processEvents()
"""


def test_a_job_may_be_deleted_while_its_thread_emits() -> None:
    child = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-2000:]
