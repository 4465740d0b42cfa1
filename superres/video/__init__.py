"""Films: read, upscaled and written, with all that they carry."""
