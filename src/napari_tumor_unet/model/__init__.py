"""Models: network, preprocessing, card, model files and the registry of models."""
