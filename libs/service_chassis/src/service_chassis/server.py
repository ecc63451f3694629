"""Serving: uvicorn, with the choices that hold for every process."""

import asyncio
import contextlib
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

IDLE_SECONDS = 75
"""How long a connection may stand idle. Longer than a client's pool keeps one, so that it is never the server who hangs
up on a connection that a client is about to use."""

SHUTDOWN_SECONDS = 10
"""How long open requests may go on after SIGTERM."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, or end the process with status 1 and a sentence that says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        sys.stderr.write(f"Cannot listen on {host} port {port}: {error.strerror}.\n")
        sys.exit(1)
    return listener


def server(app: ASGIApp, *, http: type[asyncio.Protocol] | None = None, lifespan: bool = True) -> uvicorn.Server:
    """Return a server for an application, not yet running; `http` is the connection's protocol."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=http or "httptools",
            loop="uvloop",
            ws="none",
            lifespan="on" if lifespan else "off",
            access_log=False,  # a third of a hot path's throughput; what went wrong is logged where it did
            log_config=None,
            # Whoever connects from loopback may be anyone's proxy: a client's X-Forwarded-For is not believed.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serve an application until a signal ends it; exit with status 3 when it does not start."""
    listener = listen(host, port)
    running = server(app)
    # Ctrl-C has been obeyed by then: uvicorn raises it once more when everything has ended.
    with contextlib.suppress(KeyboardInterrupt):
        running.run(sockets=[listener])
    if not running.started:
        sys.exit(3)
