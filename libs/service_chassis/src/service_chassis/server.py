"""Serving: uvicorn, with the choices that hold for every process."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from service_chassis.gathered_writes import GatheringProtocol

IDLE_SECONDS = 75
"""How long a connection may stand idle. Longer than a client's pool keeps one, so that it is never the server who hangs
up on a connection that a client is about to use."""

SHUTDOWN_SECONDS = 10
"""How long open requests may go on after SIGTERM."""

GARBAGE = 10_000
"""How many more objects may have been made than freed before the youngest are looked through."""

WAKE = "wake"
"""Under this name an application's lifespan may yield a function, as in `yield {WAKE: feed.wake}`. It is called once,
in the event loop, when the server has been asked to end: whoever holds requests open until something happens lets them
go, or they would hold the end up. [ASGI lifespan, "Lifespan State"]"""


class Server(uvicorn.Server):
    """uvicorn's server, which tells the application when it is about to end, and `serving` when it serves."""

    def __init__(self, config: uvicorn.Config, *, serving: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._serving = serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started and self._serving is not None:
            _leave_what_stays()
            self._serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wake those who wait, and end when all requests are answered."""
        wake = self.lifespan.state.get(WAKE)
        if wake is not None:
            wake()
        await super().shutdown(sockets)


def _leave_what_stays() -> None:
    """Let the garbage collector look at what requests leave behind, and no more at all that the start has made.

    A full collection walks through every module's objects, for tens of milliseconds in which nobody is served. What
    requests use is freed by its count of references; the collector is for the few cycles among it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket, or end the process with status 1 and a sentence that says why there is none.

    It does not listen: the server has it listen once the application has started. Until then a client is refused, and
    may turn to another replica, where it would otherwise wait in the queue of one that cannot serve yet.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        sys.stderr.write(f"Cannot listen on {host} port {port}: {error.strerror}.\n")
        sys.exit(1)
    return bound


def server(
    app: ASGIApp,
    *,
    http: type[asyncio.Protocol] | None = None,
    lifespan: bool = True,
    serving: Callable[[], None] | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Server:
    """Return a server for an application, not yet running.

    `http` is the connection's protocol; `headers` are written to every answer, and cost no more than their bytes.
    """
    config = uvicorn.Config(
        app,
        http=http or GatheringProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on" if lifespan else "off",
        access_log=False,  # a third of a hot path's throughput; what went wrong is logged where it did
        log_config=None,
        # Whoever connects from loopback may be anyone's proxy: a client's X-Forwarded-For is not believed.
        proxy_headers=False,
        server_header=False,
        headers=list(headers),
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return Server(config, serving=serving)
