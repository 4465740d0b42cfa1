"""The studio: all four domains on a page in the browser."""

from pathlib import Path
from runpy import run_path

run_path(str(Path(__file__).parents[1] / "common" / "shadowing.py"), run_name=__name__)
