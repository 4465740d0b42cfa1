"""`python -m image.translate`: pictures from pictures: colours, holes, line drawings and pairs."""
