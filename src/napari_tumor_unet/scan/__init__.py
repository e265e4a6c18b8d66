"""Scans, the grids that their voxels lie on, and their MRI sequences."""

from napari_tumor_unet.scan.grid import Geometry
from napari_tumor_unet.scan.scan import SEQUENCES, Scan, ScanError, Sequence, scan_from_volume
from napari_tumor_unet.scan.source import SourceImage

__all__ = ["SEQUENCES", "Geometry", "Scan", "ScanError", "Sequence", "SourceImage", "scan_from_volume"]
