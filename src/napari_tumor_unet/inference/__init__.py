"""Segmentation: probability, mask, regions, findings, and the check of the input."""
