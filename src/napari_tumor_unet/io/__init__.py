"""Files and folders to scans, and masks to files."""
