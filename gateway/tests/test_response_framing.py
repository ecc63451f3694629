"""Answers, read strictly: no socket, no server."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.header_rules import request_head
from gateway.response_framing import HEAD_LIMIT, BrokenAnswer, ResponseFraming
from service_chassis.problems import Problem


def answer(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""])


CHUNKED = answer(b"Transfer-Encoding: chunked")

WHOLE = {
    "a length": (answer(b"Content-Length: 5") + b"hello", b"hello", True),
    "a length of nothing": (answer(b"Content-Length: 0"), b"", True),
    "chunks": (
        answer(b"transfer-encoding:  Chunked ") + b"2;x=y\r\nhe\r\n03\r\nllo\r\n0\r\nA: b\r\n\r\n", b"hello", True),
    "interim answers first": (
        answer(line=b"HTTP/1.1 100 Continue") + answer(b"Link: x", line=b"HTTP/1.1 103 Early Hints") + CHUNKED
        + b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "no reason": (answer(b"Content-Length: 5", line=b"HTTP/1.1 200") + b"hello", b"hello", True),
    "204": (answer(b"Content-Length: 5", line=b"HTTP/1.1 204 No Content"), b"", True),
    "304": (answer(b"Transfer-Encoding: chunked", line=b"HTTP/1.1 304 Not Modified"), b"", True),
    "close": (answer(b"Connection: x, Close", b"Content-Length: 5") + b"hello", b"hello", False),
    "HTTP/1.0": (answer(b"Content-Length: 5", line=b"HTTP/1.0 200 OK") + b"hello", b"hello", False),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "body", "keeps"), WHOLE.values(), ids=WHOLE.keys())
@given(cuts=st.lists(st.integers(0, 200), max_size=12))
def test_segments_make_no_difference(sent: bytes, body: bytes, keeps: bool, cuts: list[int]) -> None:  # noqa: FBT001
    """However an answer is cut into segments, it has the same body, ends with its last byte and not before."""
    edges = [0, *sorted(cut % len(sent) for cut in cuts), len(sent)]
    framing = ResponseFraming(to_head=False)
    taken = b""
    for start, end in pairwise(edges):
        assert not framing.ended
        taken += framing.take(sent[start:end])
    assert (taken, framing.ended, framing.keeps, framing.surplus) == (body, True, keeps, False)


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """And only then is it whole. [RFC 9112 section 6.3]"""
    framing = ResponseFraming(to_head=False)
    assert framing.take(answer(b"A: b") + b"hel") + framing.take(b"lo") == b"hello"
    assert not framing.ended
    framing.take_end()
    assert framing.ended
    assert not framing.keeps


PARTS = (
    b"",
    b"HTTP/1.1 200 OK\r\nA: b",
    answer(b"Content-Length: 5"),
    answer(b"Content-Length: 5") + b"hell",
    CHUNKED,
    CHUNKED + b"5\r\nhello\r\n",
    CHUNKED + b"0\r\n",
)


@pytest.mark.parametrize("begun", PARTS)
def test_an_answer_that_ends_early_is_no_answer(begun: bytes) -> None:
    """A part is never taken for the whole."""
    framing = ResponseFraming(to_head=False)
    framing.take(begun)
    with pytest.raises(BrokenAnswer):
        framing.take_end()


@pytest.mark.parametrize("more", [b"x", CHUNKED])
@pytest.mark.parametrize("whole", [answer(b"Content-Length: 2") + b"ok", CHUNKED + b"2\r\nok\r\n0\r\n\r\n"])
def test_what_comes_after_an_answer_is_noticed(whole: bytes, more: bytes) -> None:
    """In the same segment or in a later one: the connection is good for nothing then."""
    together, apart = ResponseFraming(to_head=False), ResponseFraming(to_head=False)
    assert together.take(whole + more) == apart.take(whole) == b"ok"
    apart.take(more)
    assert together.surplus
    assert apart.surplus


def test_an_answer_to_head_has_no_body_whatever_it_says() -> None:
    """What it says is about the GET. [RFC 9110 section 9.3.2]"""
    framing = ResponseFraming(to_head=True)
    framing.take(answer(b"Content-Length: 5"))
    assert framing.ended
    framing.take(b"hello")
    assert framing.surplus


NONSENSE = {
    "two lengths that differ": answer(b"Content-Length: 5", b"Content-Length: 7"),
    "two lengths alike": answer(b"Content-Length: 5", b"Content-Length: 5"),
    "length and chunks": answer(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "chunks and length": answer(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "chunked twice": answer(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "gzip, chunked": answer(b"Transfer-Encoding: gzip, chunked"),
    "chunks in HTTP/1.0": answer(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK"),
    "a list of lengths": answer(b"Content-Length: 5, 5"),
    "a positive length": answer(b"Content-Length: +5"),
    "a hexadecimal length": answer(b"Content-Length: 0x5"),
    "an empty length": answer(b"Content-Length:"),
    "a length beyond all bounds": answer(b"Content-Length: 1" + b"0" * 15),
    "a blank before the colon": answer(b"Content-Length : 5"),
    "a folded line": answer(b"A: b", b" Content-Length: 5"),
    "a bare line feed": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\n",
    "a bare carriage return": answer(b"A: b\rContent-Length: 5"),
    "a NUL": answer(b"A: b\0"),
    "no colon": answer(b"A b"),
    "an upgrade": answer(b"Upgrade: x", line=b"HTTP/1.1 101 Switching Protocols"),
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/0.9": b"hello",
    "a status of two digits": answer(line=b"HTTP/1.1 20 OK"),
    "a status below 100": answer(line=b"HTTP/1.1 099 OK"),
    "a status above 599": answer(line=b"HTTP/1.1 600 OK"),
    "a chunk that is longer than its size": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "a chunk size with a sign": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"100000000\r\n",
    "trailers without end": CHUNKED + b"0\r\n" + b"A: b\r\n" * HEAD_LIMIT,
    "a head without end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * HEAD_LIMIT,
    "interim heads that hide one without end": answer(line=b"HTTP/1.1 100 C") * 9 + b"HTTP/1.1 2" + b"b" * HEAD_LIMIT,
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_can_be_read_in_two_ways_is_no_answer(nonsense: bytes) -> None:
    """Neither in one segment nor byte by byte; and nothing of its head is shown."""
    whole, dripped = ResponseFraming(to_head=False), ResponseFraming(to_head=False)
    with pytest.raises(BrokenAnswer):
        whole.take(nonsense)

    def drip() -> None:
        for start in range(0, len(nonsense), 1 if len(nonsense) < 200 else 1000):
            dripped.take(nonsense[start : start + (1 if len(nonsense) < 200 else 1000)])

    with pytest.raises(BrokenAnswer):
        drip()
    if not nonsense.startswith(CHUNKED):
        assert whole.head is None
        assert dripped.head is None


@given(st.binary(max_size=300), st.integers(0, len(CHUNKED) + 10))
def test_no_bytes_make_it_fail_otherwise(garbage: bytes, kept: int) -> None:
    """Whatever comes, it is understood or it is a broken answer; nothing else is raised."""
    framing = ResponseFraming(to_head=False)
    try:
        framing.take((CHUNKED + b"5\r\nhello\r\n")[:kept] + garbage)
        framing.take(garbage)
        framing.take_end()
    except BrokenAnswer:
        return
    assert framing.ended


def test_a_body_of_very_many_small_chunks_is_whole() -> None:
    """A service may write as it pleases: the bound on small chunks is for clients."""
    framing = ResponseFraming(to_head=False)
    body = b"".join(framing.take(part) for part in (CHUNKED, b"1\r\na\r\n" * 20_000, b"0\r\n\r\n"))
    assert (len(body), framing.ended) == (20_000, True)


@pytest.mark.parametrize(
    ("target", "field"),
    [(b"/a\r\nX: y", b"A: b"), (b"/a", b"A: b\r\nX: y"), (b"/a", b"A: b\nX: y"), (b"/a", b"A: \0"), (b"/\0", b"A: b")],
)
def test_a_request_never_has_more_lines_than_it_was_given(target: bytes, field: bytes) -> None:
    """Whatever server stands in front and lets through: no part of a request becomes a header, or a second request."""
    assert request_head("GET", b"/a", b"h:1", [b"A: b"]) == b"GET /a HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n"
    with pytest.raises(Problem):
        request_head("GET", target, b"h:1", [field])
