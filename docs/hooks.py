"""What `mkdocs build` checks besides links and navigation: that each name of the Python reference is documented."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"^::: (\S+)", re.MULTILINE)  # how a page asks for the reference of a name
log = logging.getLogger("mkdocs.hooks")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> None:
    """Warn, which fails a strict build, of each public name on the page that has no docstring."""
    for name in NAMED.findall(markdown):
        for missing in undocumented(griffe.load(name, search_paths=[ROOT])):
            log.warning("%s: %s has no docstring", page.file.src_uri, missing)


def undocumented(found: Any) -> Iterator[str]:
    """The paths of an object and of its public functions, methods, properties and classes, if they have no docstring.

    Attributes are described by their class.
    """
    if found.is_alias:
        return
    if not found.has_docstring and (not found.is_attribute or "property" in found.labels):
        yield found.path
    for name, member in found.members.items():
        if not name.startswith("_"):
            yield from undocumented(member)
