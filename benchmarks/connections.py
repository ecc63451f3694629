"""A connection to one worker: bare, so that what is measured is the service and not the client."""

import asyncio
import json
from typing import Any, NamedTuple, Self


class Reply(NamedTuple):
    """An answer: its status and its body."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 -- whatever was answered
        """Read the body as JSON."""
        return json.loads(self.body)


class Connection:
    """One HTTP/1.1 connection that is kept: all that is asked on it is answered by the same process."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()

    async def ask(
        self, method: str, path: str, *, token: str | None = None, body: object = None, deadline: float = 30.0
    ) -> Reply:
        """Send a request and wait for its whole answer; one at a time. TimeoutError after `deadline` seconds."""
        assert self._reader is not None
        assert self._writer is not None
        content = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(content)}"]
        if token is not None:
            head.append(f"Authorization: Bearer {token}")
        if body is not None:
            head.append("Content-Type: application/json")
        self._writer.write("\r\n".join([*head, "", ""]).encode("ascii") + content)
        async with asyncio.timeout(deadline):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next(
                (int(line.partition(":")[2]) for line in answer.split("\r\n") if line.startswith("content-length:")), 0
            )
            return Reply(int(answer.split(" ", 2)[1]), await self._reader.readexactly(length))


async def one_to_each_worker(host: str, port: int, workers: int, *, attempts: int = 500) -> dict[str, Connection]:
    """Return an open connection to every worker behind a port, by the worker's name (its process id).

    Which worker gets a new connection is the kernel's choice: fresh ones are opened until each has got one.
    RuntimeError when that does not come about.
    """
    found: dict[str, Connection] = {}
    for _ in range(attempts):
        connection = await Connection(host, port).__aenter__()
        worker = str((await connection.ask("GET", "/readyz")).json()["worker"])
        if worker in found:
            await connection.__aexit__()
        else:
            found[worker] = connection
        if len(found) == workers:
            return found
    raise RuntimeError(f"after {attempts} connections to port {port}, {len(found)} of {workers} workers were met")
