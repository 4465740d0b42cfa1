"""Measures that every domain shares, and the report that shows them."""
