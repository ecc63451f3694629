"""Tokens that were verified before, so that the same bytes are not taken apart again."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from token_verification.access_token import AccessToken
from token_verification.key_set import VerificationKey


class VerifiedToken(NamedTuple):
    """What was found of a token that passed every step. Immutable: all requests with this token share it."""

    key: VerificationKey
    """Whose signature it has: what was found holds for this very key, and for no other of the same key id."""
    claims: Mapping[str, Any]
    """Those that have to be looked at again every time."""
    caller: AccessToken


class VerifiedTokens:
    """The tokens last verified, at most so many.

    They are kept under their SHA-256, so that no token can be read here, and none is found that differs in a bit. Since
    tokens live about equally long, the one verified first is the first to go.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._tokens)

    def find(self, token: str) -> VerifiedToken | None:
        """Return what was found of these very bytes."""
        return self._tokens.get(_name(token))

    def keep(self, token: str, verified: VerifiedToken, *, now: float) -> None:
        """Keep a token that has passed every step; `now`, in seconds since the epoch, tells which others are over."""
        if self._most == 0:
            return
        while self._tokens and (len(self._tokens) >= self._most or self._first().caller.expires_at <= now):
            self._tokens.popitem(last=False)
        self._tokens[_name(token)] = verified

    def forget(self, key: VerificationKey) -> None:
        """Forget all that this key has signed."""
        self._tokens = OrderedDict(each for each in self._tokens.items() if each[1].key is not key)

    def _first(self) -> VerifiedToken:
        return next(iter(self._tokens.values()))


def _name(token: str) -> bytes:
    # Any string has bytes of its own this way, also one that no header can carry.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
