"""Texts to learn from: where they come from, the vocabulary, and as arrays."""
