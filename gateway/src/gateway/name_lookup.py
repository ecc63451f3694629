"""Looking up upstreams' names so that one that hangs is nobody else's trouble, and not its own for long.

A service that is stopped loses its name, and asking for it can take the system's resolver tens of seconds. The event
loop's own look-ups share a few threads (libuv's two), so two stopped services would keep the door from a third one,
and a look-up that began before a service came back would hide it for as long as it hangs.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypedDict

_Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


class Address(TypedDict):
    """Where a service can be reached: `host` as text, and what a socket wants to know."""

    host: str
    family: socket.AddressFamily
    type: socket.SocketKind
    proto: int
    sockaddr: tuple[Any, ...]


class NameLookup:
    """The system's resolver, each question in a thread of its own, which is abandoned after `seconds`.

    Whoever asks about a name once at a time has as many threads hang for it as deadlines fit into the system's own
    patience.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, in an order that is another each time.

        The system's own order is the same each time, and would send all calls to one of several replicas.

        Raises OSError if the host has none, or if they take too long (TimeoutError).
        """

        def ask() -> _Addresses:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)

        async with asyncio.timeout(self._seconds):
            found = await asyncio.wrap_future(_in_a_thread_of_its_own(ask))
        addresses = [
            Address(host=address[0], family=family, type=kind, proto=protocol, sockaddr=address)
            for family, kind, protocol, _, address in found
        ]
        random.shuffle(addresses)
        return addresses


def _in_a_thread_of_its_own(call: Callable[[], _Addresses]) -> Future[_Addresses]:
    answer: Future[_Addresses] = Future()
    answer.set_running_or_notify_cancel()  # whoever gives up waiting does not cancel it: nothing can

    def run() -> None:
        try:
            answer.set_result(call())
        except Exception as fault:  # noqa: BLE001 -- it is raised where the answer is awaited
            answer.set_exception(fault)

    # A pool's threads would be waited for when the process ends.
    Thread(target=run, daemon=True).start()
    return answer
