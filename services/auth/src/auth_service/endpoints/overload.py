"""Telling whoever comes to a full queue so at once, before their request costs what those need who have a place."""

from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_service.passwords import Passwords

_PATHS: Final = frozenset({"/login", "/register"})
"""Whose POST hashes, and asks for no token."""


def refuse_when_full(app: FastAPI, passwords: Passwords) -> None:
    """Answer 503 `overloaded` to a login or a registration for which there is no place, and read nothing of it.

    Call it before what counts and traces every request. [RFC 9110 section 15.6.4]
    """
    app.add_middleware(_RefuseWhenFull, passwords=passwords)


class _RefuseWhenFull:
    """ASGI middleware: a refusal from here costs a third of what one from an endpoint does."""

    def __init__(self, app: ASGIApp, *, passwords: Passwords) -> None:
        self._app = app
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise Overloaded."""
        if scope["type"] == "http" and scope["path"] in _PATHS and scope["method"] == "POST":
            scope["route"] = _Route(scope["path"])
            self._passwords.refuse_when_full()
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class _Route:
    """What the counting of requests calls it."""

    path: str
