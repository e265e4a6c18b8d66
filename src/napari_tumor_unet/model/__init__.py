"""Models: the network, how its input is prepared, its card, and where models are kept."""
