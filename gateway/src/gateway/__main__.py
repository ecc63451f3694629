"""`python -m gateway`: the public door and the internal listener, in each worker in one event loop."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable

import uvloop

from gateway.app import create_app
from gateway.client_connection import client_connections
from gateway.security_headers import for_all
from gateway.settings import GatewaySettings
from service_chassis.logs import configure_logging
from service_chassis.server import bind, server
from service_chassis.settings import read_settings
from service_chassis.workers import work_in_processes


async def serve(
    settings: GatewaySettings, door: socket.socket, internal: socket.socket, serving: Callable[[], None]
) -> bool:
    """Serve on both sockets until a signal ends it; return whether the door ever opened."""
    public_app, operations_app = create_app(settings)
    public = server(
        public_app,
        http=client_connections(settings.connection_limits),
        serving=serving,
        headers=for_all(https=settings.public_url.scheme == "https"),
    )
    operations = server(operations_app, lifespan=False)
    # Signals are the public server's; the internal one ends with it, so that probes answer until the last request has.
    operations.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    internal_service = asyncio.create_task(operations.serve(sockets=[internal]))
    try:
        await public.serve(sockets=[door])
    finally:
        operations.should_exit = True
        await internal_service
    return public.started


def main() -> None:
    """Run the gateway: exit status 1 when a port is taken, 2 for wrong settings, 3 when it does not start."""
    settings = read_settings(GatewaySettings)
    configure_logging("gateway", settings.log_level)
    door = bind(settings.host, settings.port)
    internal = bind(settings.operations_host, settings.operations_port)

    def work(serving: Callable[[], None]) -> None:
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if not runner.run(serve(settings, door, internal, serving)):
                sys.exit(3)

    work_in_processes(settings.workers, work, sockets=[door, internal])


if __name__ == "__main__":
    main()
