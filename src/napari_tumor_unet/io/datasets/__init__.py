"""Scans with masks on disk: which there are, and which patients a model learns from."""
