"""Where one request ends and the next begins: read strictly, so that nobody behind us can read it otherwise.

Request smuggling lives on two readers that disagree. This reader refuses whatever could be read in two ways (RFC 9112
sections 2.2, 3, 5, 6, 7 and 11.2), and hands on only what it has understood, one request at a time. It knows no
connection and does no I/O: `client_connection` feeds it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.chunked_body import ChunkedBody, malformed
from gateway.header_fields import TOKEN, connection_options, header_fields
from service_chassis.problems import Problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The methods that pass the door; CONNECT and TRACE would make a tunnel and an echo of it."""

FREE_CHUNKS = 10_000
"""So many chunks of a body may be of any size: encoders that write token by token make them of three or four bytes."""
LEAST_CHUNK = 64
"""Bytes that there have to be in a body for each further chunk."""

_TOKEN_START = re.compile(TOKEN)
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"{1,32}+) ([\x21-\x7e]++) HTTP/([0-9])\.([0-9])\r\n")
_PATH_CHARACTER = rb"[A-Za-z0-9\-._~!$&'()*+,;=:@/]"
# A query is opaque to routing, and browsers leave more than RFC 3986 allows unescaped in it; a path decides the route.
_ORIGIN_FORM = re.compile(rb"/(?:" + _PATH_CHARACTER + rb"|%[0-9A-Fa-f]{2})*+(?:\?[!-\"$-~]*+)?")
_FRAMING_FIELDS = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"})
_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"[0-9]+")
_LARGEST_LENGTH_DIGITS = 15
_MOST_FIELDS = 100


class RequestHead(NamedTuple):
    """What a request says before its body."""

    method: str
    path: bytes
    """As it stood in the request line, without the query."""
    query: bytes
    fields: list[tuple[bytes, bytes]]
    """The header fields, names in lower case."""
    expects: bool
    """Its sender waits for 100 before the body. [RFC 9110 section 10.1.1]"""
    keeps: bool
    """Another request may follow on the connection."""


class RequestFraming:
    """The framing of all requests on one connection.

    `head_limit` caps the request line and the header fields together, in bytes; trailers have the same cap.
    """

    __slots__ = ("_chunks", "_forgiven", "_head_limit", "_left", "_pending")

    def __init__(self, head_limit: int) -> None:
        self._head_limit = head_limit
        self._forgiven = False
        self._pending = b""
        self._left = 0
        self._chunks: ChunkedBody | None = None

    @property
    def in_head(self) -> bool:
        """A head has begun and has not ended."""
        return self._pending != b""

    @property
    def forgiving(self) -> bool:
        """An empty line has come, and nothing yet of the request that it stands before."""
        return self._forgiven and not self._pending

    @property
    def in_body(self) -> bool:
        """A head has been handed on, and its body has not ended."""
        return self._left > 0 or self._chunks is not None

    def take(self, data: bytes) -> tuple[RequestHead | bytes, bytes]:
        """Return the current request's head, or some of its body; and what comes after that and was not looked at.

        The former is `b""` as long as a head has not ended. Raises `Problem` for what is refused: 400
        malformed_request, 405, 413, 417, 426, or 431 headers_too_large. The connection cannot be used after that.
        """
        if self._chunks is not None:
            return self._take_chunks(self._chunks, data)
        if self._left:
            piece, rest = data[: self._left], data[self._left :]
            self._left -= len(piece)
            return piece, rest
        return self._take_head(data)

    def _take_head(self, data: bytes) -> tuple[RequestHead | bytes, bytes]:
        seen = len(self._pending)
        received = self._pending + data if seen else data
        # RFC 9112, section 2.2: one empty line before a request is forgiven. More would be a way to send for ever
        # without ever beginning a request, and so without a deadline.
        if received.startswith(b"\r\n"):
            if self._forgiven:
                raise malformed("There is more than one empty line before the request.")
            self._forgiven = True
            received, seen = received[2:], 0
            if received.startswith(b"\r\n"):
                raise malformed("There is more than one empty line before the request.")
        end = received.find(b"\r\n\r\n")
        if (end + 4 if end >= 0 else len(received)) > self._head_limit:
            raise Problem(431, "headers_too_large", f"Request line and headers exceed {self._head_limit} bytes.")
        if end < 0:
            _refuse_hopeless(received, seen)
            self._pending = received
            return b"", b""
        self._pending = b""
        self._forgiven = False
        head, rest = received[: end + 4], received[end + 4 :]
        return self._understand(head), rest

    def _understand(self, head: bytes) -> RequestHead:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise malformed("The request line is not METHOD SP target SP HTTP/1.1.")
        fields = header_fields(head, line.end())
        if fields is None:
            raise malformed("A header line is not name, colon and value, or contains a control character.")
        method, target, major, minor = line.groups()
        if major + minor not in {b"11", b"10"}:
            raise malformed("Only HTTP/1.1 is spoken here.")
        if minor == b"0":
            raise Problem(
                426,
                "malformed_request",
                "Only HTTP/1.1 is spoken here.",
                headers={"Upgrade": "HTTP/1.1", "Connection": "Upgrade"},
            )
        if method.decode() not in METHODS:
            raise Problem(
                405, "method_not_allowed", "That method is not known here.", headers={"Allow": ", ".join(METHODS)}
            )
        if not _ORIGIN_FORM.fullmatch(target):
            raise malformed("The request target is not a path and an optional query.")
        if len(fields) > _MOST_FIELDS:
            raise Problem(431, "headers_too_large", f"There are more than {_MOST_FIELDS} header lines.")
        framing = _framing_fields(fields)
        self._delimit(framing)
        if b"upgrade" in framing:
            if framing[b"upgrade"].lower() == b"websocket":
                raise Problem(400, "invalid_request", "WebSockets are not spoken here.")
            # Any other offer may be ignored (RFC 9110, section 7.8), and some clients make one with every request.
            fields = [field for field in fields if field[0] != b"upgrade"]
        path, _, query = target.partition(b"?")
        keeps = b"close" not in connection_options(framing.get(b"connection", b""))
        return RequestHead(method.decode(), path, query, fields, b"expect" in framing, keeps)

    def _delimit(self, framing: Mapping[bytes, bytes]) -> None:
        """Learn from the fields how the body is delimited. [RFC 9112 section 6]"""
        if not _HOST.fullmatch(framing.get(b"host", b"")):
            raise malformed("There has to be one Host header: a host and an optional port.")
        length, coding = framing.get(b"content-length"), framing.get(b"transfer-encoding")
        if length is not None and coding is not None:
            raise malformed("The body is delimited both by Content-Length and by Transfer-Encoding.")
        if framing.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise Problem(417, "malformed_request", "The only expectation met here is 100-continue.")
        if length is not None:
            self._expect_length(length)
        elif coding is not None:
            if coding.lower() != b"chunked":
                raise malformed("The only transfer coding understood here is chunked.")
            self._chunks = ChunkedBody(self._head_limit, free_chunks=FREE_CHUNKS, least_chunk=LEAST_CHUNK)

    def _expect_length(self, length: bytes) -> None:
        if not _LENGTH.fullmatch(length):
            raise malformed("Content-Length is not a number.")
        if len(length) > _LARGEST_LENGTH_DIGITS:
            raise Problem(413, "body_too_large", "The body is larger than anything accepted here.")
        self._left = int(length)

    def _take_chunks(self, chunks: ChunkedBody, data: bytes) -> tuple[bytes, bytes]:
        body, rest = chunks.take(data)
        if chunks.ended:
            self._chunks = None
        return body, rest


def _framing_fields(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the fields that are about the connection and its framing; only `Connection` may come more than once."""
    framing: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _FRAMING_FIELDS:
            if name in framing:
                raise malformed(f"There is more than one {name.decode()} header.")
            framing[name] = value
        elif name == b"connection":
            framing[name] = b"%b,%b" % (framing[name], value) if name in framing else value
    return framing


def _refuse_hopeless(received: bytes, seen: int) -> None:
    """Refuse at once what no further byte can mend, rather than at the deadline; `seen` bytes were found fit before."""
    if (received and not (received == b"\r" or _TOKEN_START.match(received))) or _BARE_LINE_FEED.search(received, seen):
        raise malformed("This is not an HTTP/1.1 request.")
