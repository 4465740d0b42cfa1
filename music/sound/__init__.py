"""Sounds: a GAN of notes of instruments, and of one's own short recordings."""
