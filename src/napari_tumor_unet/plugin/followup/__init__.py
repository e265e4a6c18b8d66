"""The panel Follow-up."""
