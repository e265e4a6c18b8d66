"""The one click and the panel Segment tumour."""
