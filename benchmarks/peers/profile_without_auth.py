"""Signet's profile service with its door wide open, to see what verifying costs: everyone is the same caller.

For nothing but measuring. All else is the service as it is run.
"""

import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import profile_service.app
from benchmarks.peers.credentials import AUDIENCE, NAME, SCOPE, SUBJECT
from profile_service.__main__ import main
from service_chassis.resource_server import ResourceServer
from token_verification import AccessToken
from token_verification.fastapi import _CALLER

NOW = int(time.time())
EVERYONE = AccessToken(
    subject=SUBJECT, issuer="nobody", audience=(AUDIENCE,), client_id="nobody", scope=frozenset(SCOPE.split()),
    login_id="none", token_id="", auth_time=NOW, issued_at=NOW, expires_at=NOW + 600, key_id="none", name=NAME,
    actor=None,
)  # fmt: skip


class LetIn:
    """Says of every request that it is everyone's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask nothing."""
        scope[_CALLER] = EVERYONE
        await self._app(scope, receive, send)


class OpenResourceServer(ResourceServer):
    """A resource server that protects nothing."""

    def protect(self, app: FastAPI, *, public: object) -> None:  # noqa: ARG002
        """Let everyone in."""
        app.add_middleware(LetIn)


if __name__ == "__main__":
    profile_service.app.ResourceServer = OpenResourceServer  # type: ignore[attr-defined]
    main()
