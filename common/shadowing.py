"""Refuse to go on where another `common` is found in the place of ours.

Python looks in the working folder first, and a file there may well be called common.py. Each domain runs this file by
its path before it imports anything from `common`, as only so it is sure to be this one. The name of the error is what
makes `python -m` print one line instead of a traceback.
"""

from importlib.util import find_spec
from pathlib import Path

if (found := find_spec("common")) and Path(str(found.origin)).parent != Path(__file__).parent:
    raise ImportError(
        f"{found.origin} is found in the place of Quartet's own package of that name; rename it, or run "
        f"python -P -m {__name__}..., which leaves the working folder out",
        name=__name__,
    )
