"""Sounds to learn from."""
