"""The last good key set on disk, so that a service that restarts while its issuer is away can go on verifying."""

import contextlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from token_verification.compact_jws import json_object
from token_verification.key_set import VerificationKey, usable_keys

_SIZE_LIMIT = 256 * 1024
_CLOCK_STEP = 5.0  # seconds by which a wall clock may have been set back since the file was written


def store(path: Path, keys: Iterable[VerificationKey], *, issuer: str, fetched_at: float) -> None:
    """Replace the file in one step; OSError if that is impossible, and then the old one is untouched.

    `fetched_at`: seconds since the epoch. Several processes may share the file: each writes one of its own beside it,
    readable by its owner alone, and renames it. Only public members are written, whatever the issuer published.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"issuer": issuer, "fetched_at": fetched_at, "keys": [key.jwk for key in keys]}
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 -- a Path cannot open a descriptor
            file.write(json.dumps(document).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_directory(path.parent)


def load(path: Path, *, issuer: str, now: float, keep_for: float) -> tuple[dict[str, VerificationKey], float]:
    """Return the stored keys and their age in seconds.

    Raises OSError if the file cannot be read (FileNotFoundError if there is none), and ValueError, with a sentence's
    end, if it is no regular file, one that others may write, damaged, from another issuer, older than `keep_for`, or
    from the future.
    """
    raw = _read_our_own(path)
    if len(raw) > _SIZE_LIMIT:
        raise ValueError(f"it is larger than {_SIZE_LIMIT} bytes")
    document = json_object(raw)
    if document.get("issuer") != issuer:
        raise ValueError("it is from another issuer")
    fetched_at = document.get("fetched_at")
    if isinstance(fetched_at, bool) or not isinstance(fetched_at, (int, float)) or not math.isfinite(fetched_at):
        raise ValueError("it does not say when it was fetched")
    age = now - fetched_at
    if age < -_CLOCK_STEP:
        raise ValueError(f"it was fetched {-age:.0f} s in the future")
    if age >= keep_for:
        raise ValueError(f"it is {age:.0f} s old")
    keys, _ = usable_keys(document)
    if not keys:
        raise ValueError("it has no usable key")
    return keys, max(0.0, age)


def _read_our_own(path: Path) -> bytes:
    """Read the file if nobody but us and the machine's administrator can have written it: it says whom to believe."""
    # Opening a FIFO would wait until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_uid not in {os.geteuid(), 0}:
            raise ValueError(f"it belongs to another user ({found.st_uid})")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_SIZE_LIMIT + 1)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
