"""The strict reader by itself: no socket, no server."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from gateway.tests.test_connection_guard import CHUNKED as POSTED
from gateway.tests.test_connection_guard import HIDDEN, SMUGGLED
from hypothesis import given
from hypothesis import strategies as st

from gateway.request_framing import RequestFraming, RequestHead
from service_chassis.problems import Problem

STREAM = (
    b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n"
    b"000a \r\n0123456789\r\n0\r\nA: b\r\n\r\n"
    b"GET /d HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
)
UNDERSTOOD = [
    ("GET", b"/a", [(b"host", b"a")], b""),
    ("POST", b"/b", [(b"host", b"a"), (b"content-length", b"5")], b"hello"),
    ("POST", b"/c", [(b"host", b"a"), (b"transfer-encoding", b"Chunked")], b"hello0123456789"),
    ("GET", b"/d", [(b"host", b"a"), (b"connection", b"upgrade")], b""),
]


def taken(framing: RequestFraming, data: bytes) -> list[RequestHead | bytes]:
    pieces = []
    while data:
        piece, data = framing.take(data)
        pieces.append(piece)
    return pieces


def requests(pieces: Iterable[RequestHead | bytes]) -> list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]]:
    requests: list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]] = []
    for piece in pieces:
        if isinstance(piece, RequestHead):
            requests.append((piece.method, piece.path, piece.fields, b""))
        elif piece:
            requests[-1] = (*requests[-1][:3], requests[-1][3] + piece)
    return requests


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_segments_make_no_difference(cuts: list[int]) -> None:
    """However a stream of requests is cut into segments, the same requests are understood."""
    framing = RequestFraming(16_384)
    edges = [0, *sorted(cuts), len(STREAM)]
    assert requests(piece for a, b in pairwise(edges) for piece in taken(framing, STREAM[a:b])) == UNDERSTOOD
    assert not framing.in_head
    assert not framing.in_body


@given(st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=10))
def test_no_bytes_make_it_fail_otherwise_than_by_a_problem(garbage: bytes, cuts: list[int]) -> None:
    """Whatever comes, in whatever segments, it is understood or refused with a 4xx; nothing else is raised."""
    data = STREAM[: cuts[0] if cuts else 0] + garbage
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    framing = RequestFraming(16_384)
    refused = 400
    try:
        for start, end in pairwise(edges):
            taken(framing, data[start:end])
    except Problem as problem:
        refused = problem.status
    assert 400 <= refused < 500


@pytest.mark.parametrize("smuggled", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_what_is_refused_at_once_is_refused_byte_by_byte(smuggled: bytes) -> None:
    """What was found fit is not looked at again, and nothing slips through between two looks."""
    framing = RequestFraming(16_384)
    heads: list[RequestHead] = []

    def take_each_byte() -> None:
        for number in smuggled + HIDDEN:
            heads.extend(each for each in taken(framing, bytes([number])) if isinstance(each, RequestHead))

    with pytest.raises(Problem) as refused:
        take_each_byte()
    assert refused.value.status == 400
    assert len(heads) == smuggled.startswith(POSTED)


def test_one_request_is_taken_at_a_time() -> None:
    """What follows a request's last byte comes back unread."""
    framing = RequestFraming(16_384)
    assert framing.take(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")[1] == b"GET"


@pytest.mark.parametrize("line", [b"A: b\r\n", b"A:" + b"b" * 9000 + b"\r\n"])
def test_trailers_have_the_same_cap(line: bytes) -> None:
    """Trailers are dropped, but not without end."""
    framing = RequestFraming(16_384)
    taken(framing, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    with pytest.raises(Problem) as refused:
        taken(framing, line * 5000)
    assert refused.value.status == 431


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class CountingBytes(bytes):
    """Bytes that count what is copied out of them."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 -- as bytes says it, by overloads
        part = super().__getitem__(place)
        if isinstance(part, int):
            return part
        type(self).copied += len(part)
        return CountingBytes(part)


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_a_chunk_costs_itself_and_not_the_segment_it_came_in(size: int) -> None:
    """Five thousand chunks in one segment are copied once, and handed on as one piece."""
    framing = RequestFraming(16_384)
    framing.take(CHUNKED)
    segment = b"%x\r\n%b\r\n" % (size, b"a" * size) * 5000
    CountingBytes.copied = 0
    understood, _ = framing.take(CountingBytes(segment))
    assert understood == b"a" * size * 5000
    assert CountingBytes.copied <= len(segment)


@pytest.mark.parametrize(("size", "count"), [(1, 10_000), (32, 19_000)])
def test_a_body_of_too_many_small_chunks_is_refused(size: int, count: int) -> None:
    """Beyond 10,000 chunks they have to hold 64 bytes on average: what a byte of body costs is bounded."""
    framing = RequestFraming(16_384)
    framing.take(CHUNKED)
    chunk = b"%x\r\n%b\r\n" % (size, b"a" * size)
    for _ in range(count // 1000):
        framing.take(chunk * 1000)
    with pytest.raises(Problem, match="too many chunks"):
        framing.take(chunk * 1000)


def test_chunks_of_a_sensible_size_are_taken_without_end() -> None:
    """The count begins anew with each request, and 64 bytes in each are enough for any number."""
    framing = RequestFraming(16_384)
    for _ in range(2):
        framing.take(CHUNKED)
        for _ in range(30):
            framing.take((b"40\r\n" + b"a" * 64 + b"\r\n") * 1000)
        framing.take(b"1\r\na\r\n" * 9_000 + b"0\r\n\r\n")
        assert not framing.in_body


def test_a_head_that_fails_at_its_end_costs_no_more_than_one_that_does_not() -> None:
    """No header makes the patterns try again and again: 100 heads of 16 KiB that fail at their last byte are quick."""
    hostile = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A:" + b" \t" * 8000 + b"\x00\r\n\r\n"
    for _ in range(100):
        with pytest.raises(Problem):
            RequestFraming(20_000).take(hostile)


def test_one_empty_line_before_a_request_is_forgiven_and_no_more() -> None:
    """Each request may have one before it; who sends only empty lines would otherwise never meet a deadline."""
    request = b"GET / HTTP/1.1\r\nHost: door\r\n\r\n"
    framing = RequestFraming(16_384)
    for _ in range(2):
        framing.take(b"\r\n" + request)
    framing.take(b"\r\n")
    with pytest.raises(Problem, match="more than one empty line"):
        framing.take(b"\r\n")
