"""DICOM: folders to series, and series to scans; pydicom reads the headers, SimpleITK the pixels."""
