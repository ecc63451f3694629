"""The last good key set on disk, so that a service that restarts while its issuer is away can go on verifying."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

from token_verification import own_file
from token_verification.compact_jws import json_object
from token_verification.key_set import VerificationKey, usable_keys

_SIZE_LIMIT = 256 * 1024
_CLOCK_STEP = 5.0  # seconds by which a wall clock may have been set back since the file was written


def store(path: Path, keys: Iterable[VerificationKey], *, issuer: str, fetched_at: float) -> None:
    """Replace the file in one step; OSError if that is impossible, and then the old one is untouched.

    `fetched_at`: seconds since the epoch. Several processes may share the file. Only public members are written,
    whatever the issuer published.
    """
    document = {"issuer": issuer, "fetched_at": fetched_at, "keys": [key.jwk for key in keys]}
    own_file.replace(path, [json.dumps(document).encode("utf-8")])


def load(path: Path, *, issuer: str, now: float, keep_for: float) -> tuple[dict[str, VerificationKey], float]:
    """Return the stored keys and their age in seconds.

    Raises OSError if the file cannot be read (FileNotFoundError if there is none), and ValueError, with a sentence's
    end, if it is no regular file, one that others may write, damaged, from another issuer, older than `keep_for`, or
    from the future.
    """
    with own_file.open_to_read(path) as file:
        raw = file.read(_SIZE_LIMIT + 1)
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
