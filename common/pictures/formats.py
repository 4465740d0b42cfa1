"""Which files are pictures, by their endings; nothing here imports anything heavy."""

FORMATS = {  # Pillow's names by the ending of what can be written
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
PHOTO_SETS = ("photos", "drawings", "drawings-test")  # that the packages hold, or from which they are rendered
ENDINGS = (*FORMATS, ".pbm", ".pgm", ".ppm")  # of what can be read
