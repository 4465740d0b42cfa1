"""Which files are taken for films; nothing here imports what reads them."""

from pathlib import Path

VIDEOS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".vob", ".webm", ".wmv"),
)


def is_film(path: Path) -> bool:
    """Whether a file's ending is that of a film."""
    return path.suffix.lower() in VIDEOS
