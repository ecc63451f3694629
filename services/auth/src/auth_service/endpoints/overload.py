"""Telling whoever comes to a full queue so at once, before their request costs what those need who have a place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_service.passwords import Overloaded, Passwords
from service_chassis.problems import problem_response

_PATHS: Final = frozenset({"/login", "/register"})
"""Whose POST hashes, and asks for no token."""

_SAID_EVERY: Final = 1.0
"""Seconds: in a flood a line for each refusal would take longer than the refusals, and say no more."""

_log = structlog.get_logger()


def refuse_when_full(app: FastAPI, passwords: Passwords, *, clock: Callable[[], float]) -> None:
    """Answer 503 `overloaded` to a login or a registration for which there is no place, and read nothing of it.

    `clock` is in seconds. Call it before what counts and traces every request. [RFC 9110 section 15.6.4]
    """
    app.add_middleware(_RefuseWhenFull, passwords=passwords, clock=clock)


class _RefuseWhenFull:
    """ASGI middleware: a refusal from here costs a fraction of what one from an endpoint does."""

    def __init__(self, app: ASGIApp, *, passwords: Passwords, clock: Callable[[], float]) -> None:
        self._app = app
        self._passwords = passwords
        self._clock = clock
        self._unsaid = 0
        self._said_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["path"] in _PATHS and scope["method"] == "POST":
            try:
                self._passwords.refuse_when_full()
            except Overloaded as refusal:
                scope["route"] = _Route(scope["path"])
                self._say()
                await problem_response(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _say(self) -> None:
        """Log how many were refused since that was said last, which is a second ago or more."""
        self._unsaid += 1
        if abs(self._clock() - self._said_at) >= _SAID_EVERY:  # a clock that was set back is no reason for silence
            _log.warning("hashing_queue_full", refused=self._unsaid)
            self._unsaid, self._said_at = 0, self._clock()


@dataclass(frozen=True)
class _Route:
    """What the counting of requests calls it."""

    path: str
