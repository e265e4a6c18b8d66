"""Write the measures of a DICOM Segmentation as a structured report, by the template TID 1500."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.io.dicom.extra import highdicom_silenced, save
from napari_tumor_unet.io.dicom.segmentation import as_dicom_text, equipment, parameters_of, series_number
from napari_tumor_unet.io.dicom.source import read_headers
from napari_tumor_unet.scan import Scan, ScanError

if TYPE_CHECKING:
    from pydicom import Dataset

_DEVICE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/napari-tumor-unet/napari-tumor-unet")
"""What the reports name as their observer."""


@dataclass(frozen=True)
class SegmentMeasures:
    """Measures of one segment.

    Attributes
    ----------
    volume_ml : float
        Of the whole segment.
    longest_diameter_mm, perpendicular_diameter_mm : float
        Of its largest region, in the slice where their product is largest.
    """

    volume_ml: float
    longest_diameter_mm: float
    perpendicular_diameter_mm: float


def report_of(mask_file: Path) -> Path:
    """Return the path of the report beside a segmentation."""
    return mask_file.with_name(f"{mask_file.stem}_report.dcm")


def write_measures(
    mask_file: Path, scan: Scan, measures: Sequence[SegmentMeasures], provenance: Mapping[str, Any] | None
) -> Path:
    """Write the report of a segmentation beside it, whole or not at all, and return its path.

    Parameters
    ----------
    mask_file : Path
        The segmentation.
    scan : Scan
        That it was made of; its images are read again, patient and all.
    measures : sequence of SegmentMeasures
        In the order of the segments.
    provenance : mapping, optional
        What made the mask.

    Raises
    ------
    ScanError
        If an image of the scan is gone or changed, or the report cannot be written.
    """
    headers, path = read_headers(scan), report_of(mask_file)
    try:
        with highdicom_silenced() as highdicom:
            segmentation = highdicom.seg.segread(mask_file)
            report = _make_report(highdicom, segmentation, headers, measures, provenance)
            with atomic_write(path) as partial:
                save(report, partial)
    except OSError as error:
        raise ScanError(f"{path.name} cannot be written: {error.strerror or error}.") from error
    except Exception as error:  # highdicom raises many kinds
        raise ScanError(
            f"The headers of {scan.name} are faulty, so the report {path.name} cannot be made."
        ) from error
    return path


def _make_report(
    highdicom: Any,
    segmentation: Any,
    headers: list[Dataset],
    measures: Sequence[SegmentMeasures],
    provenance: Mapping[str, Any] | None,
) -> Dataset:
    from pydicom.sr.codedict import codes

    sr, first = highdicom.sr, headers[0]
    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=highdicom.UID.from_uuid(str(_DEVICE)),
        name="napari-tumor-unet",
        manufacturer_name="napari-tumor-unet",
    )
    is_mr = first.get("Modality") == "MR"
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(codes.DCM.Device, observer)
        ),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion if is_mr else codes.cid100.ImagingProcedure,
        imaging_measurements=[
            _group(sr, segmentation, number, one, first.SeriesInstanceUID, provenance)
            for number, one in enumerate(measures, start=1)
        ],
        title=codes.cid7021.ImagingMeasurementReport,
    )
    report: Dataset = sr.Comprehensive3DSR(
        evidence=[segmentation, *headers],
        content=content,
        series_instance_uid=highdicom.UID(),
        series_number=series_number(first, 1),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        series_description="Tumour measurements",
        is_complete=True,
        **equipment(),
    )
    return report


def _group(
    sr: Any,
    segmentation: Any,
    number: int,
    measures: SegmentMeasures,
    series: str,
    provenance: Mapping[str, Any] | None,
) -> Any:
    """Make the measurements of a segment, which is tracked as in the segmentation."""
    from pydicom.sr.codedict import codes

    segment, sct, mm = segmentation.get_segment_description(number), codes.SCT, codes.UCUM.Millimeter
    algorithm = provenance and sr.AlgorithmIdentification(
        name=as_dicom_text(provenance["model"]),
        version=as_dicom_text(provenance["version"]),
        parameters=[f"{name}={value}" for name, value in parameters_of(provenance).items()],
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(segment.tracking_uid, segment.tracking_id),
        referenced_segment=sr.ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            number,
            source_series=sr.SourceSeriesForSegmentation(series),
        ),
        finding_category=sct.MorphologicallyAbnormalStructure,
        finding_type=sct.Neoplasm,
        finding_sites=[sr.FindingSite(sct.Brain)],
        algorithm_id=algorithm or None,
        measurements=[
            sr.Measurement(sct.Volume, measures.volume_ml, codes.UCUM.CubicCentimeter),
            sr.Measurement(sct.LongAxis, measures.longest_diameter_mm, mm),
            sr.Measurement(sct.PerpendicularAxis, measures.perpendicular_diameter_mm, mm),
        ],
    )
