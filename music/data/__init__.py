"""Music to learn from: where it comes from, how it is parsed, and as arrays."""
