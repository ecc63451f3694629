"""The connections to one service: which stand idle, and how new ones are made."""

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from gateway.name_lookup import Address, NameLookup
from gateway.upstream_connection import UpstreamConnection

_NEXT_ADDRESS_SECONDS = 0.25
"""How long one address is tried alone before the next is tried beside it. [RFC 8305 section 5]"""


class ConnectionPool:
    """Connections to one origin, such as `http://127.0.0.1:8002`. Only used inside an event loop.

    What stood idle for `idle_seconds` is closed, by itself and before it can meet a request. `connect_seconds` are for
    looking up a name, and as long again for connecting; addresses are used for `names_seconds`.
    """

    def __init__(self, origin: str, *, connect_seconds: float, names_seconds: float, idle_seconds: float) -> None:
        url = urlsplit(origin)
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._connect_seconds = connect_seconds
        self._names_seconds = names_seconds
        self._idle_seconds = idle_seconds
        self._names = NameLookup(connect_seconds)
        self._asking: asyncio.Task[None] | None = None
        self._addresses: Sequence[Address] = ()
        self._addresses_until = 0.0
        self._idle: deque[UpstreamConnection] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def take(self) -> UpstreamConnection | None:
        """Return the idle connection that was used last, None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                if self._loop is not None and self._loop.time() - connection.idle_since < self._idle_seconds:
                    return connection
                connection.close()
        return None

    async def open(self) -> UpstreamConnection:
        """Return a new connection. Raises OSError if there is none to be had, TimeoutError if not in time."""
        loop = self._loop = asyncio.get_running_loop()
        addresses = await self._current_addresses()
        async with asyncio.timeout(self._connect_seconds):
            try:
                connected = await start_connection(
                    [(each["family"], each["type"], each["proto"], "", each["sockaddr"]) for each in addresses],
                    happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                    loop=loop,
                )
            except OSError as fault:
                # The library's frame holds the error whose traceback holds the frame, and with it whoever called.
                raise fault.with_traceback(None) from None
            try:
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(loop),
                    sock=connected,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
            except BaseException:
                connected.close()
                raise
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next call if it is good for one, else close it."""
        if not connection.reusable:
            connection.close()
            return
        connection.rest()
        self._idle.append(connection)
        if self._sweep is None and self._loop is not None:
            self._sweep = self._loop.call_later(self._idle_seconds, self._close_idle)

    def close(self) -> None:
        """Close what stands idle, and ask for nothing more."""
        if self._asking is not None:
            self._asking.cancel()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._idle:
            self._idle.pop().close()

    def _close_idle(self) -> None:
        self._sweep = None
        if self._loop is None:
            return
        now = self._loop.time()
        # Whoever is used least stands at the left: the one that is used last is taken first.
        while self._idle and now - self._idle[0].idle_since >= self._idle_seconds:
            self._idle.popleft().close()
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0].idle_since + self._idle_seconds, self._close_idle)

    async def _current_addresses(self) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._addresses_until:
            # One question for all who wait: a name that hangs costs one thread in each `connect_seconds`, no more.
            if self._asking is None:
                self._asking = loop.create_task(self._ask())
                self._asking.add_done_callback(self._asked)
            await asyncio.shield(self._asking)
        return random.sample(self._addresses, len(self._addresses))  # each replica is the first one now and then

    async def _ask(self) -> None:
        try:
            self._addresses = await self._names.resolve(self._host, self._port)
        finally:
            self._asking = None
        self._addresses_until = asyncio.get_running_loop().time() + self._names_seconds

    @staticmethod
    def _asked(asking: "asyncio.Task[None]") -> None:
        if not asking.cancelled():
            asking.exception()  # they are told who wait for it, and they may all have left
