"""The two tokens of a login, as auth hands them out, and what can be read off an access token without a key."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class LoginTokens:
    """What auth answers to a login or a refresh. Seconds: how long the access token lives, how long the login."""

    access: str
    refresh: str
    scope: str
    expires_in: int
    refresh_expires_in: int

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read auth's answer. ValueError when it is none."""
        try:
            said = json.loads(body)
            return cls(
                access=str(said["access_token"]),
                refresh=str(said["refresh_token"]),
                scope=str(said["scope"]),
                expires_in=int(said["expires_in"]),
                refresh_expires_in=int(said["refresh_expires_in"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("these are no tokens of a login") from error


@dataclass(frozen=True, slots=True)
class Glance:
    """What an access token says of itself, verified by nobody.

    It serves for what costs nobody anything when it is a lie: whether to refresh, and which cookies to clear.
    """

    key_id: str
    login_id: str
    issued_at: float
    expires_at: float

    @classmethod
    def at(cls, token: str) -> Self | None:
        """Look at a token; None if it does not look like one."""
        try:
            header, claims = (_json(part) for part in token.split(".")[:2])
            return cls(str(header["kid"]), str(claims["sid"]), float(claims["iat"]), float(claims["exp"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def is_over(self, now: float) -> bool:
        """Whether the token has expired; `now` is in seconds since the epoch."""
        return now >= self.expires_at

    def is_due(self, now: float) -> bool:
        """Whether the token should be renewed: it has expired, or a tenth of its life or less is left."""
        return self.expires_at - now <= (self.expires_at - self.issued_at) / 10


def _json(part: str) -> Any:  # noqa: ANN401 -- any JSON
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
