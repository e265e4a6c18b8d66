"""The panel Score."""
