"""What a request's method promises. [RFC 9110 section 9.2]"""

from typing import Final

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods: they change nothing."""

REPEATABLE: Final = READING | {"PUT", "DELETE"}
"""Idempotent methods: to do it twice is to do it once."""
