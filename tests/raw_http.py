"""Requests byte by byte: what no HTTP library would send, and many at once."""

import asyncio
import json
import socket
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class RawAnswer(NamedTuple):
    """An answer as it came; names of headers in lower case, of several values the last."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes
    seconds: float

    @property
    def problem(self) -> dict[str, Any]:
        """The body as a problem document."""
        document: dict[str, Any] = json.loads(self.body)
        return document


def request_bytes(
    method: str, target: str, headers: Iterable[tuple[bytes, bytes]] = (), *, host: str = "localhost"
) -> bytes:
    """Write a request without a body, with these headers exactly."""
    lines = [f"{method} {target} HTTP/1.1".encode(), f"Host: {host}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def raw_exchange(url: str, request: bytes, *, timeout: float = 20) -> RawAnswer:
    """Send bytes on a connection of their own and return the one answer."""
    parts = urlsplit(url)
    began = perf_counter()
    with socket.create_connection((parts.hostname, parts.port), timeout) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            headers: dict[bytes, bytes] = {}
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get(b"content-length", b"0")))
    return RawAnswer(status, headers, body, perf_counter() - began)


class FloodAnswer(NamedTuple):
    """What is kept of one of many answers."""

    status: int
    reason: str
    seconds: float


async def flood(url: str, requests: Iterable[bytes], *, connections: int) -> list[FloodAnswer]:
    """Send all requests over so many kept connections, each as soon as its connection is free."""
    parts = urlsplit(url)
    waiting = iter(requests)
    answers: list[FloodAnswer] = []

    async def send_some() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            for request in waiting:
                began = perf_counter()
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                status = int(head.split(b" ", 2)[1])
                reason = json.loads(body)["reason"] if status >= 400 else ""
                answers.append(FloodAnswer(status, reason, perf_counter() - began))
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as senders:
        for _ in range(connections):
            senders.create_task(send_some())
    return answers
