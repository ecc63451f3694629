"""Files of our own: whole or not at all, also after a crash, and believed only if nobody else can have written them."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path


def replace(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace a file in one step; OSError if that is impossible, and then the old one is untouched.

    Several processes may do so at once: each writes a file of its own beside it, readable by its owner alone, and
    renames it. The directory is made if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 -- a Path cannot open a descriptor
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_directory(path.parent)


def open_to_read(path: Path) -> BufferedReader:
    """Open a file if nobody but us and the machine's administrator can have written it: it says what to believe.

    Raises OSError if it cannot be opened (FileNotFoundError if there is none), and ValueError, with a sentence's end,
    if it is no regular file, or one that others may write.
    """
    # Opening a FIFO would wait until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _ensure_our_own(os.fstat(descriptor))
        return open(descriptor, "rb")  # noqa: PTH123 -- a Path cannot open a descriptor
    except BaseException:
        os.close(descriptor)
        raise


def _ensure_our_own(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    if found.st_uid not in {os.geteuid(), 0}:
        raise ValueError(f"it belongs to another user ({found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
