"""`signet keys`: an administrator sees the issuer's signing keys, rotates them, and takes one out of the world."""

from signet.keys.commands import keys

__all__ = ["keys"]
