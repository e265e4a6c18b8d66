"""The only rooms that know napari and Qt; the network runs in a child process, thresholds and counts here."""
