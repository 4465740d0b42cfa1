"""Pictures of all common kinds: read, written, converted, cut into tiles, drawn as sheets."""
