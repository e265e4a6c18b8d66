"""Fine-tuning: a model and corrected masks to another model, scored before and after."""
