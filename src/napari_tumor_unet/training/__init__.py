"""Training: recipe and cases to a model, resumable after every epoch; fine-tuning by the same loop."""
