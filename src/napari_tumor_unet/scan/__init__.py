"""What a scan is: voxels, their place in the patient, and which of them is which MRI sequence."""

from napari_tumor_unet.scan.scan import SEQUENCES, Geometry, Scan, ScanError, Sequence, scan_from_volume

__all__ = ["SEQUENCES", "Geometry", "Scan", "ScanError", "Sequence", "scan_from_volume"]
