"""The door's reader beside a general parser of HTTP, which stands for any server that a service may run on."""

import contextlib

import httptools
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.request_framing import METHODS, RequestFraming, RequestHead
from service_chassis.problems import Problem

Read = tuple[str, bytes, bytes, list[tuple[bytes, bytes]], bytes]
"""Method, path, query, headers, body."""


def by_the_door(stream: bytes) -> tuple[list[Read], int]:
    """Return the requests that the door would serve, and how many are whole, before it refuses something or closes."""
    framing = RequestFraming(16_384)
    read: list[Read] = []
    keeps, whole = True, 0
    with contextlib.suppress(Problem):
        while stream and (keeps or framing.in_body):
            piece, stream = framing.take(stream)
            if isinstance(piece, RequestHead):
                keeps = piece.keeps
                read.append((piece.method, piece.path, piece.query, piece.fields, b""))
            elif piece:
                read[-1] = (*read[-1][:4], read[-1][4] + piece)
            whole = len(read) - framing.in_body
    return read, whole


class Parser:
    """httptools, as uvicorn uses it."""

    def __init__(self) -> None:
        self.read: list[Read] = []
        self.whole = 0
        self.refused = ""
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed(self, stream: bytes) -> None:
        try:
            self._parser.feed_data(stream)
        except httptools.HttpParserError as error:
            self.refused = str(error)

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = True

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers come by the same way
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        path, _, query = self._target.partition(b"?")
        self.read.append((self._parser.get_method().decode(), path, query, self._headers, b""))

    def on_message_complete(self) -> None:
        self.whole += 1

    def on_body(self, piece: bytes) -> None:
        self.read[-1] = (*self.read[-1][:4], self.read[-1][4] + piece)


NAMES = (b"Accept", b"Connection", b"Content-Length", b"Expect", b"Host", b"Transfer-Encoding", b"X-A")
VALUES = (b"", b"1", b"5", b"100-continue", b"a", b"chunked", b"xchunked", b"close", b"keep-alive, x", b" \t b \xff\t ")
COLONS = (*[b": "] * 8, b" :", b"\t:", b"\x0b:", b"")
FIELDS = st.builds(
    lambda name, colon, value: b"%b%b%b\r\n" % (name, colon, value),
    st.sampled_from(NAMES),
    st.sampled_from(COLONS),
    st.sampled_from(VALUES),
)
CHUNKS = st.builds(lambda piece: b"%x;a=b\r\n%b\r\n" % (len(piece), piece), st.binary(min_size=1, max_size=20))
BODIES = st.one_of(
    st.just((b"", b"")),
    st.builds(lambda body: (b"Content-Length: %d\r\n" % len(body), body), st.binary(max_size=20)),
    st.builds(
        lambda chunks: (b"Transfer-Encoding: chunked\r\n", b"".join(chunks) + b"0\r\nT: x\r\n\r\n"), st.lists(CHUNKS)
    ),
)
REQUESTS = st.builds(
    lambda method, target, fields, body: (
        f"{method} {target} HTTP/1.1\r\nHost: a\r\n".encode() + b"".join(fields) + body[0] + b"\r\n" + body[1]
    ),
    st.sampled_from(METHODS),
    st.from_regex(r"/[a-z%/.;]{0,5}(\?[!-\"$-~]{0,5})?", fullmatch=True),
    st.lists(FIELDS, max_size=3),
    BODIES,
)
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(max_size=2)), max_size=3)


@settings(max_examples=1000)
@given(st.lists(REQUESTS, min_size=1, max_size=3), CHANGES)
@example([b"GET /a? HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"], [])
def test_what_the_door_has_read_nobody_behind_it_reads_otherwise(
    requests: list[bytes], changes: list[tuple[int, int, bytes]]
) -> None:
    """Whatever was sent, broken in whatever places: each request that passes is the same to a general parser."""
    stream = b"".join(requests)
    for at, cut, put in changes:
        stream = stream[: at % (len(stream) + 1)] + put + stream[at % (len(stream) + 1) + cut :]
    assume(b"upgrade" not in stream.lower())  # where a parser stops, and the door reads on without that header
    (read, whole), parser = by_the_door(stream), Parser()
    parser.feed(stream)
    picky = "chunk" in parser.refused  # about blanks behind a chunk's size, and extensions: neither goes any further
    if picky:
        read, whole = read[: len(parser.read)], min(whole, parser.whole)
    assert whole <= parser.whole
    assert read[:-1] == parser.read[: len(read[:-1])]
    if read:
        *head, body = read[-1]
        *parsed_head, parsed_body = parser.read[len(read) - 1]
        assert head == parsed_head
        # Where one has refused, the other may go on.
        assert parsed_body.startswith(body) or (picky and body.startswith(parsed_body))
