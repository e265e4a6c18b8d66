"""Files to layers and back, with napari's menus and dialogs."""
