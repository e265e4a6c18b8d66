"""Masks against masks, and a model against masks: scores, and their definitions."""
