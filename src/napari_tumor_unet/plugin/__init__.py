"""The only rooms that know napari and Qt; nothing here computes."""
