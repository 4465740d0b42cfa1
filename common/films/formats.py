"""Which files are taken for films; nothing here imports what reads them."""

from pathlib import Path

VIDEOS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".vob", ".webm", ".wmv"),
)

# For FFmpeg, the containers that films are read from: none is a list of other files or addresses, which it would open.
READABLE = {
    "format_whitelist": "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,m4v,ogg,asf,dv,mxf,h264,hevc",
    "protocol_whitelist": "file",
}


def is_film(path: Path) -> bool:
    """Whether a file's ending is that of a film."""
    return path.suffix.lower() in VIDEOS
