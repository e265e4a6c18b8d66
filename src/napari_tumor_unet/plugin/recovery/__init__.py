"""Corrections kept while the user paints, and offered after a crash."""
