"""The services behind the door, and the pool of connections to them."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from gateway.connection_pool import ConnectionPool
from gateway.header_rules import RawHeaders, request_head
from gateway.response_framing import BrokenAnswer
from gateway.turns import Turns
from service_chassis.problems import Problem

_SAID_EVERY: Final = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """What a call to an upstream may cost. Seconds, but `calls` and `body_bytes`."""

    calls: int = 256
    """Calls to one upstream at a time; more of them wait, and the other upstreams are none the poorer."""
    queue_seconds: float = 0.4
    """How long a call waits for its turn; above it 503. And how long a call whose turn it is may wait for its client
    while others wait for a turn; above it 408, or a broken connection if the answer has begun."""
    connect_seconds: float = 1.0
    """For looking up an upstream's name, and as long again for connecting; above it 504."""
    names_seconds: float = 1.0
    """How long addresses are used before their name is looked up again. When containers restart, one may get the
    address that another had, and would get its requests, with the passwords in them."""
    answer_seconds: float = 2.4
    """From the last byte of the request until the answer's head, and between two pieces of its body; above it 504, or a
    broken connection if the answer has begun."""
    body_bytes: int = 1024 * 1024
    """Of a request; above it 413."""
    upload_held_bytes: int = 64 * 1024
    """How much of a body has to be here before the upstream is called, unless it ends before: what the services take,
    so that a client that sends slowly costs them nothing."""
    uploads_held_bytes: int = 32 * 1024 * 1024
    """Of all bodies together; above it whoever has been sending longest gets 408."""
    upload_pause_seconds: float = 10.0
    """Between two pieces of a client's body; above it 408."""
    upload_seconds: float = 60.0
    """For the whole of a client's body; above it 408."""
    download_pause_seconds: float = 30.0
    """How long a client may take nothing of an answer; above it the connection is cut."""
    exchange_seconds: float = 300.0
    """For all of it; above it the connection is cut."""
    idle_seconds: float = 4.0
    """How long a pooled connection may stand idle. It has to be shorter than the upstream's own patience (5 s with a
    bare uvicorn): else calls meet connections that are being closed, and a POST among them cannot be sent again."""


class OwnCookie(Protocol):
    """A cookie that a service has of its own, and that passes the door: no service of the product has any."""

    def inwards(self, headers: RawHeaders) -> list[bytes]:
        """Return the header lines for the service, of all headers that its client sent."""

    def outwards(self, fields: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Return the headers for its client, of all that the service answered."""


class Upstream:
    """One service: its name, its internal origin such as `http://127.0.0.1:8002`, its connections and its turns."""

    def __init__(
        self,
        name: str,
        origin: str,
        limits: UpstreamLimits,
        *,
        own_cookie: OwnCookie | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.own_cookie = own_cookie
        self.origin = origin.rstrip("/")
        self.raw_origin = self.origin.encode()
        self.authority = self.raw_origin.partition(b"://")[2]
        self.pool = ConnectionPool(
            self.origin,
            connect_seconds=limits.connect_seconds,
            names_seconds=limits.names_seconds,
            idle_seconds=limits.idle_seconds,
        )
        self.turns = Turns(limits.calls, limits.queue_seconds)
        self._clock = clock
        self._unsaid = 0
        self._say_at = -math.inf

    async def fetch(self, path: str, *, most: int) -> bytes:
        """Return the body of what the service answers to a GET of the gateway's own.

        Raises `BrokenAnswer` for another status than 200 or more bytes than `most`, OSError if it cannot be reached.
        """
        connection = await self.pool.open()
        try:
            connection.ask(request_head("GET", path.encode(), self.authority, ()), to_head=False)
            if (await connection.head()).status != 200:
                raise BrokenAnswer("The answer is not 200.")
            body = bytearray()
            while not connection.ended:
                body += await connection.piece()
                if len(body) > most:
                    raise BrokenAnswer("The answer is too long.")
        finally:
            self.pool.give_back(connection)
        return bytes(body)

    def failed(self, fault: BrokenAnswer | OSError) -> Problem:
        """Return the answer to a failed call: 504 when the service kept silent, 502 when it was gone or made no sense.

        The log is told, with how many calls have failed since it was: once a second at most, for in an outage a line
        for each of them would say no more.
        """
        self._unsaid += 1
        now = self._clock()
        if now >= self._say_at:
            _log.warning(
                "upstream_failed", upstream=self.name, fault=str(fault) or type(fault).__name__, calls=self._unsaid
            )
            self._unsaid, self._say_at = 0, now + _SAID_EVERY
        if isinstance(fault, TimeoutError):
            return Problem(504, "upstream_timeout", f"The {self.name} service did not answer in time.")
        return Problem(502, "upstream_unreachable", f"The {self.name} service cannot be reached, or broke off.")
