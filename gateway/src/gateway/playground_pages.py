"""The playground's files, at `/playground/…` under the names that they have in their package."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from gateway.pages import SUFFIXES, Page, page

FOLDER: Final = "/playground/"
START: Final = "/playground/index.html"


def playground_pages() -> Iterator[Page]:
    """Read all of them, once: what is not here when the gateway starts is not served."""
    yield from _below(files("playground"), FOLDER)


def _below(folder: Traversable, path: str) -> Iterator[Page]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}{entry.name}/")
        elif (suffix := entry.name.rpartition(".")[2]) in SUFFIXES:
            yield page(f"{path}{entry.name}", entry.read_bytes(), suffix=suffix)
