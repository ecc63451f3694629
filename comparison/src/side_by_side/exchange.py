"""One request on one connection, to the byte: what is sent, what comes back, how long it took."""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

DEADLINE = 15.0
"""Seconds after which an answer counts as none: TimeoutError."""


class Reply(NamedTuple):
    """An answer, with the bytes of both ways on the wire and the seconds between."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int
    received: int
    seconds: float
    set_cookies: tuple[str, ...] = ()

    def json(self) -> Any:  # noqa: ANN401 -- whatever was answered
        """Read the body as JSON."""
        return json.loads(self.body)


class Exchange:
    """One HTTP/1.1 connection to one process. OSError when nobody answers there."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._host = host
        self._port = port
        self._socket = socket.create_connection((host, port), timeout=DEADLINE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Return the connection, open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, *, body: object = None) -> Reply:
        """Send one request, with no header but those that are needed, and wait for its whole answer."""
        request = request_bytes(method, path, f"{self._host}:{self._port}", headers or {}, body=body)
        began = time.perf_counter()
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some()
        head, _, content = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answered = dict(fields)
        while len(content) < int(answered.get("content-length", "0")):
            content += self._some()
        seconds = time.perf_counter() - began
        total = len(head) + 4 + len(content)
        set_cookies = tuple(value for name, value in fields if name == "set-cookie")
        return Reply(int(status_line.split(" ")[1]), answered, content, len(request), total, seconds, set_cookies)

    def _some(self) -> bytes:
        some = self._socket.recv(65536)
        if not some:
            raise ConnectionResetError(f"port {self._port} hung up")
        return some


def request_bytes(method: str, path: str, host: str, headers: Mapping[str, str], *, body: object = None) -> bytes:
    """Return a request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append("Content-Type: application/json")
    if body is not None or method not in {"GET", "HEAD"}:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def ask_once(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, *, body: object = None
) -> Reply:
    """Ask over a fresh connection."""
    with Exchange(port) as exchange:
        return exchange.ask(method, path, headers, body=body)
