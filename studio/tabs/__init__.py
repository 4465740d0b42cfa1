"""The tabs of the page, each laid out by a module."""
