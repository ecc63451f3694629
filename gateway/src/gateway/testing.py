"""For tests alone: a real gateway on loopback, real upstreams behind it, and a client that speaks in bytes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import uvicorn

from gateway.app import Clocks, create_app
from gateway.client_connection import ConnectionLimits, client_connections
from gateway.routes import RouteTable
from gateway.security_headers import for_all
from gateway.settings import GatewaySettings
from service_chassis.server import server

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PUBLIC_URL = "http://door.test"
"""Where browsers find the door of a test, as they believe."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Request:
    """A request as an upstream saw it: every byte of its head, and its body without framing."""

    head: bytes
    body: bytes

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    def values(self, name: str) -> list[str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [line.split(":", 1)[1].strip() for line in lines if line.lower().startswith(f"{name}:")]


@dataclass
class Response:
    """An answer as a client saw it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body
    if b"content-length:" in lowered:
        return await reader.readexactly(int(lowered.split(b"content-length:")[1].split(b"\r\n")[0]))
    return b""


@dataclass
class RawUpstream:
    """An upstream that records what it gets and answers with exactly the bytes it was given, or as `answer` does."""

    answer: bytes | Answer = OK
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    keep: bool = True
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first request."""
    free: asyncio.Event = field(default_factory=asyncio.Event)
    """Set unless a test clears it: until then, requests are taken and not answered."""

    def __post_init__(self) -> None:
        self.free.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                if callable(self.answer):
                    await self.answer(reader, writer)
                    break
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(Request(head, await read_body(reader, head)))
                self.asked.set()
                await self.free.wait()
                writer.write(self.answer)
                await writer.drain()
                if not self.keep:
                    break
        except (OSError, asyncio.IncompleteReadError):
            self.lost.set()
        finally:
            writer.close()


class Client:
    """One connection to the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, to_head: bool = False) -> Response:
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [(line.split(":", 1)[0].lower(), line.split(":", 1)[1].strip()) for line in lines[1:] if line]
        bodiless = to_head or status in {100, 204, 304}
        return Response(status, headers, b"" if bodiless else await read_body(self.reader, head))

    async def ask(self, data: bytes, *, to_head: bool = False) -> Response:
        await self.send(data)
        return await self.response(to_head=to_head)

    async def is_closed(self) -> bool:
        """Whether the door ends the connection without another word."""
        with contextlib.suppress(ConnectionResetError):
            return await self.reader.read(1) == b""
        return True


@dataclass
class Door:
    """The public port of a running gateway."""

    port: int
    server: uvicorn.Server

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(self, data: bytes, *, to_head: bool = False) -> Response:
        async with self.client() as client:
            return await client.ask(data, to_head=to_head)

    async def get(self, target: str, headers: str = "") -> Response:
        return await self.ask(get(target, headers))


def get(target: str, headers: str = "", *, method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: door.test\r\n{headers}\r\n".encode("latin-1")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Street:
    """Opens doors and upstreams, and closes them when the test ends."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack

    def later(self, close: Callable[[], object]) -> None:
        """Have this called when the test ends."""
        self._stack.callback(close)

    async def upstream(
        self, answer: bytes | Answer = OK, *, keep: bool = True, host: str = "127.0.0.1", port: int = 0
    ) -> tuple[RawUpstream, str]:
        upstream = RawUpstream(answer, keep=keep)
        listening = await asyncio.start_server(upstream.serve, host, port, limit=2**20)
        self._stack.callback(listening.close)
        return upstream, f"http://{host}:{listening.sockets[0].getsockname()[1]}"

    async def app(self, app: object) -> str:
        """Serve an ASGI application as the services are served."""
        return f"http://127.0.0.1:{(await self._run(server(app, lifespan=False))).port}"  # type: ignore[arg-type]

    async def connections(self, app: object) -> Door:
        """Serve an ASGI application by the door's connections, without what the gateway is else."""
        return await self._run(server(app, http=client_connections(ConnectionLimits()), lifespan=False))  # type: ignore[arg-type]

    async def door(
        self,
        *,
        auth: str = "",
        profile: str = "",
        orders: str = "",
        routes: RouteTable | None = None,
        clocks: Clocks | None = None,
        **changes: object,
    ) -> Door:
        if unknown := changes.keys() - GatewaySettings.model_fields.keys():
            raise TypeError(f"there are no such settings: {unknown}")
        nowhere = f"http://127.0.0.1:{closed_port()}"
        settings = GatewaySettings.model_validate(
            {
                "port": 1,
                "operations_port": 2,
                "public_url": PUBLIC_URL,
                "auth_url": auth or nowhere,
                "profile_url": profile or nowhere,
                "orders_url": orders or nowhere,
                **changes,
            }
        )
        app, _ = create_app(settings, routes=routes, clocks=clocks)
        headers = for_all(https=settings.public_url.scheme == "https")
        return await self._run(server(app, http=client_connections(settings.connection_limits), headers=headers))

    async def _run(self, running: uvicorn.Server) -> Door:
        # uvicorn's parts without its ticking loop: a test that opens a door costs milliseconds, not tenths of a second.
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        running.config.load()
        running.lifespan = running.config.lifespan_class(running.config)
        await running.startup(sockets=[listening])
        await running.on_tick(0)
        self._stack.push_async_callback(self._stop, running)
        return Door(listening.getsockname()[1], running)

    async def _stop(self, running: uvicorn.Server) -> None:
        for listening in running.servers:
            listening.close()
        for connection in list(running.server_state.connections):
            connection.transport.abort()
        for task in list(running.server_state.tasks):
            task.cancel()
        await asyncio.gather(*running.server_state.tasks, return_exceptions=True)
        await running.lifespan.shutdown()
