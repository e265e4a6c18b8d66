"""The only rooms that know napari and Qt; the network runs in the child process, thresholds and counts here."""
