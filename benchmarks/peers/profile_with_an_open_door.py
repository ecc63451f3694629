"""Signet's profile service with a second door that is wide open, to see what verifying costs: one process, two ways in.

For nothing but measuring. All else is the service as it is run. Two processes of the same program differ by more than
what is looked for here; so whose token begins with `OPEN` is let in as everyone, by the same process.
"""

import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import profile_service.app
from benchmarks.peers.credentials import AUDIENCE, NAME, OPEN, SCOPE, SUBJECT
from profile_service.__main__ import main
from service_chassis.resource_server import ResourceServer
from token_verification import AccessToken
from token_verification.fastapi import _CALLER, _Protection

NOW = int(time.time())
EVERYONE = AccessToken(
    subject=SUBJECT, issuer="nobody", audience=(AUDIENCE,), client_id="nobody", scope=frozenset(SCOPE.split()),
    login_id="none", token_id="", auth_time=NOW, issued_at=NOW, expires_at=NOW + 600, key_id="none", name=NAME,
    actor=None,
)  # fmt: skip
_LET_IN = f"Bearer {OPEN}".encode()


class Doors:
    """Sends whoever has no open token to the protection, and all others past it."""

    def __init__(self, protection: ASGIApp) -> None:
        if not isinstance(protection, _Protection):
            raise TypeError("it does not stand right before the protection")
        self._shut = protection
        self._open = protection._app  # noqa: SLF001 -- the way past it, which nobody else may have

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look for the open token, whoever comes."""
        for name, value in scope.get("headers", ()):
            if name == b"authorization" and value.startswith(_LET_IN):
                scope[_CALLER] = EVERYONE
                await self._open(scope, receive, send)
                return
        await self._shut(scope, receive, send)


class TwoDoors(ResourceServer):
    """A resource server that protects what comes by one door, and nothing that comes by the other."""

    def protect(self, app: FastAPI, *, public: frozenset[str]) -> None:  # type: ignore[override]
        """Protect, and open a second door."""
        super().protect(app, public=public)
        app.add_middleware(Doors)


if __name__ == "__main__":
    profile_service.app.ResourceServer = TwoDoors  # type: ignore[attr-defined]
    main()
