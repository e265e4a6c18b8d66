"""Image and labels layers to scans and masks, and their place in the world."""
