"""A scan and a model to a mask: probability, regions, what was found, and whether to trust it."""
