"""One request of a client and its answer, as ASGI has them: what `client_connection` serves, one at a time."""

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from starlette.types import ASGIApp, Message

from gateway.header_fields import connection_options
from gateway.lingering import LingeringTransport
from gateway.request_framing import RequestHead

CLIENT_LEFT = "gateway.client_left"
"""The ASGI extension that says, when it is called, whether nobody waits for the answer any more."""

MOST_UNREAD = 64 * 1024
"""Bytes of a body that wait for the application before its sender is kept from sending more."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset({204, 304})
_FRAMING_FIELDS = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class ExchangeSide(Protocol):
    """The connection, as an exchange knows it."""

    transport: LingeringTransport

    def resume_reading(self) -> None:
        """Read on: the application has taken what there was of the body."""

    def answered(self) -> None:
        """Turn to what comes after: the answer is complete."""

    def unanswered(self) -> None:
        """End the connection: there is no answer, or no end of it."""

    def may_write(self) -> Awaitable[object] | None:
        """Return something to wait for while the client reads too slowly, else None."""

    def default_headers(self) -> bytes:
        """Return the lines that every answer has."""


class ClientExchange:
    """A request, from its head to the end of its answer.

    `keeps`: whether another request may follow on the connection. `started` and `complete` are about the answer.
    `disconnected`: nobody waits for it any more.
    """

    def __init__(self, side: ExchangeSide, head: RequestHead) -> None:
        self._side = side
        self._to_head = head.method == "HEAD"
        self._expects = head.expects
        self._body = bytearray()
        self._body_ended = self._body_told = False
        self._news: asyncio.Event | None = None
        self._chunked = False
        self._unsent = 0
        self.keeps = head.keeps
        self.started = self.complete = self.disconnected = False

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Have the application answer. Where it begins no answer, the client is told that; where it ends none, cut off.

        Raises what the application raises, and RuntimeError if it gives no answer: the event loop logs it.
        """
        try:
            await app(scope, self.receive, self.send)
            if not self.started and not self.disconnected:
                raise RuntimeError("the application has returned without an answer")
        finally:
            if not self.complete and not self.disconnected:
                self._side.unanswered()

    def body_came(self, piece: bytes, *, ended: bool) -> bool:
        """Take more of the body; return whether that is as much as may wait for the application."""
        self._body += piece
        self._body_ended = ended
        self._tell()
        return len(self._body) > MOST_UNREAD and not ended

    def client_left(self) -> bool:
        """Tell whether nobody waits for the answer any more; to be asked now and then costs less than to be awaited."""
        return self.disconnected

    def disconnect(self) -> None:
        """Take it that the client has left, or is told something else."""
        self.disconnected = True
        self._tell()

    async def receive(self) -> Message:
        """Return the next piece of the body, or that there is nobody any more. [ASGI HTTP, "Receive" events]"""
        if self._body_withheld() and not self.started and not self._side.transport.is_closing():
            self._expects = False
            self._side.transport.write(_CONTINUE)
        while not (self.disconnected or self.complete or self._body or (self._body_ended and not self._body_told)):
            if not self._body_ended:
                self._side.resume_reading()
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            await self._news.wait()
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        self._body_told = self._body_ended
        if not self._body_ended:
            self._side.resume_reading()
        return {"type": "http.request", "body": body, "more_body": not self._body_ended}

    def send(self, message: Message) -> Awaitable[None]:
        """Write the next piece of the answer; wait if the client reads too slowly. [ASGI HTTP, "Send" events]

        Raises RuntimeError for an answer that would be another one to the client than the application means.
        """
        waiting = None if self.disconnected else self._side.may_write()
        if waiting is not None:
            return self._send_after(waiting, message)
        self._send_now(message)
        return _SENT

    async def _send_after(self, waiting: Awaitable[object], message: Message) -> None:
        await waiting
        self._send_now(message)

    def _send_now(self, message: Message) -> None:
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            head = self._head(message["status"], message.get("headers", ()))
            self.started = True
            self._side.transport.write(head)
        elif kind == "http.response.body" and self.started and not self.complete:
            self._send_body(message.get("body", b""), ended=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} has no place here")

    def _head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the answer's head, having learned from the headers how its body is delimited.

        Their names are in lower case, as ASGI has them.
        """
        lines = [b"%b: %b\r\n" % field for field in headers]
        framing: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in _FRAMING_FIELDS:
                if name in framing or name == b"transfer-encoding":
                    raise RuntimeError("how the answer is delimited is said twice, or is not the application's to say")
                framing[name] = value
        length = framing.get(b"content-length")
        bodiless = self._to_head or status in _BODILESS
        chunked = length is None and not bodiless
        if chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        if b"close" in connection_options(framing.get(b"connection", b"")):
            self.keeps = False
        elif not self.keeps or self._body_withheld():
            self.keeps = False
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a header of the answer would become several")
        self._chunked = chunked
        self._unsent = 0 if bodiless or length is None else int(length)
        return b"%b%b%b\r\n" % (_STATUS_LINES[status], self._side.default_headers(), head)

    def _body_withheld(self) -> bool:
        """Whether the client waits for 100 before it sends its body. Told something else, it may send the body or not.

        What it sends next can be read in two ways then, and so is not read. [RFC 9110 section 10.1.1]
        """
        return self._expects and not self._body_ended

    def _send_body(self, piece: bytes, *, ended: bool) -> None:
        if self._to_head:
            piece = b""
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            if ended:
                framed += b"0\r\n\r\n"
            piece = framed
        else:
            unsent = self._unsent - len(piece)
            if unsent < 0 or (ended and unsent):
                raise RuntimeError("the answer's body is longer or shorter than its Content-Length says")
            self._unsent = unsent
        if piece:
            self._side.transport.write(piece)
        if ended:
            self.complete = True
            self._tell()
            if not self.keeps:
                self._side.transport.close()
            self._side.answered()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()


class _Sent:
    """What was sent at once: there is nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_SENT = _Sent()


def status_line(status: int) -> bytes:
    """Return an answer's first line. A status without a name of its own has none here. [RFC 9112 section 4]"""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_STATUS_LINES = {status: status_line(status) for status in range(200, 600)}
