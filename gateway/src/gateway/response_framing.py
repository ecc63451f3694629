"""Where a service's answer ends: read strictly, so that no answer is taken for a part of another.

It knows no connection and does no I/O: `upstream_connection` feeds it.
"""

import re
from typing import NamedTuple

from gateway.chunked_body import ChunkedBody
from gateway.header_fields import header_fields
from service_chassis.problems import Problem

HEAD_LIMIT = 32 * 1024
"""Bytes of an answer's head, and of its trailers."""

_BEGINNING = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n")
_FRAMING_FIELDS = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_LENGTH = re.compile(rb"[0-9]{1,15}")


class BrokenAnswer(Exception):  # noqa: N818 -- it names what came, and nothing else is raised for it
    """What came is not an answer of HTTP/1.1, or not the whole of one."""


class AnswerHead(NamedTuple):
    """An answer's status and its header fields, names in lower case."""

    status: int
    fields: list[tuple[bytes, bytes]]


class ResponseFraming:
    """The framing of one answer. `to_head` says that it answers HEAD, and so has no body whatever it says of one."""

    __slots__ = ("_chunks", "_left", "_pending", "_to_head", "_until_close", "ended", "head", "keeps", "surplus")

    def __init__(self, *, to_head: bool) -> None:
        self._to_head = to_head
        self._pending = b""
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._until_close = False
        self.head: AnswerHead | None = None
        self.ended = False
        """The whole of the answer has come."""
        self.keeps = True
        """Another request may follow on the connection, as far as the answer says."""
        self.surplus = False
        """More came than the answer: nobody asked for it, and whose answer it would be taken for is anyone's guess."""

    def take(self, data: bytes) -> bytes:
        """Take what has come; return what of it is body. Raises `BrokenAnswer`."""
        if self.head is None:
            data = self._take_head(data)
            if self.head is None:
                return b""
        if self.ended:
            self.surplus = self.surplus or data != b""
            return b""
        if self._chunks is not None:
            try:
                body, rest = self._chunks.take(data)
            except Problem as problem:
                raise BrokenAnswer(problem.detail) from None
            self.ended = self._chunks.ended
        elif self._until_close:
            return data
        else:
            body, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
            self._left -= len(body)
            self.ended = not self._left
        self.surplus = rest != b""
        return body

    def take_end(self) -> None:
        """Take it that nothing more comes. Raises `BrokenAnswer` if the answer has not ended by that."""
        if self._until_close and self.head is not None:
            self.ended = True
        if not self.ended:
            raise BrokenAnswer("The answer breaks off.")

    def _take_head(self, data: bytes) -> bytes:
        """Find the head; return what comes after it. Interim answers are passed over. [RFC 9110 section 15.2]"""
        received = self._pending + data if self._pending else data
        while received:
            if not received.startswith(_BEGINNING[: len(received)]):
                raise BrokenAnswer("It does not begin like an answer.")
            end = received.find(b"\r\n\r\n", 0, HEAD_LIMIT)
            if end < 0:
                if len(received) >= HEAD_LIMIT:
                    raise BrokenAnswer("The head is too long.")
                break
            head, received = received[: end + 4], received[end + 4 :]
            self._understand(head)
            if self.head is not None:
                self._pending = b""
                return received
        self._pending = received
        return b""

    def _understand(self, head: bytes) -> None:
        line = _STATUS_LINE.match(head)
        fields = None if line is None else header_fields(head, line.end())
        if line is None or fields is None:
            raise BrokenAnswer("The head is not made of a status line and header lines.")
        status = int(line[2])
        if status < 200:
            if status == 101:
                raise BrokenAnswer("It agrees to an upgrade that nobody asked for.")
            return
        length = coding = None
        for name, value in fields:
            if name not in _FRAMING_FIELDS:
                continue
            if name == b"connection":
                self.keeps = self.keeps and b"close" not in value.lower()
            elif length is not None or coding is not None:
                raise BrokenAnswer("The body is delimited in two ways.")
            elif name == b"content-length":
                length = value
            else:
                coding = value
        self._frame(status, length, coding, old=line[1] == b"0")
        self.head = AnswerHead(status, fields)

    def _frame(self, status: int, length: bytes | None, coding: bytes | None, *, old: bool) -> None:
        """Learn how the body is delimited; `old`: in HTTP/1.0, which knows no chunks. [RFC 9112 section 6.3]"""
        self.keeps = self.keeps and not old
        if length is not None and not _LENGTH.fullmatch(length):
            raise BrokenAnswer("Content-Length is not a number.")
        if coding is not None and (old or coding.lower() != b"chunked"):
            raise BrokenAnswer("The only transfer coding understood here is chunked.")
        if self._to_head or status in {204, 304}:
            self.ended = True
        elif coding is not None:
            self._chunks = ChunkedBody(HEAD_LIMIT)
        elif length is not None:
            self._left = int(length)
            self.ended = not self._left
        else:
            self._until_close = True
            self.keeps = False
