"""Films: read, and written frame by frame with all else that they hold."""
