"""The panel Fine-tune."""
