"""What all panels are built from, and how they talk to the worker and to the user."""
