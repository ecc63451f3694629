"""What an upstream gets and what a client gets back: the traps that real proxies were seen to fall into."""

import gzip
import json

import pytest

from gateway.header_fields import connection_options, remembered_options
from gateway.testing import OK, RawUpstream, Street, get

POST = "POST /api/orders HTTP/1.1\r\nHost: door.test\r\n"


def answer(*fields: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"HTTP/1.1 {status}", *fields))
    return head.encode("latin-1") + b"\r\n" + body


async def forwarded(street: Street, headers: str, target: str = "/api/orders") -> tuple[RawUpstream, list[str]]:
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    assert (await door.get(target, headers)).status == 200
    return upstream, upstream.requests[0].head.decode("latin-1").lower().split("\r\n")


TARGETS = (
    "/api/orders/a%2Fb/%41/x",
    "/api/orders/a%2fb/%7e/%C3%A9",
    "/api/orders//x///y/",
    "/api/orders/a;b=c,d/@:!$&'()*+=",
    '/api/orders/x?q=%2e%2e/../%2F+%20&&a=[1]|{}"<>^`\\&?=?',
    "/api/orders/%FF?%zz=%",
    "/api/orders?cursor=a%2Bb%3D%3D",
)


@pytest.mark.parametrize("target", TARGETS)
async def test_path_and_query_arrive_byte_for_byte(street: Street, target: str) -> None:
    """No decoding, encoding, folding or cleaning up on the way."""
    upstream, _ = await forwarded(street, "", target)
    assert upstream.requests[0].target == target.encode()


async def test_cookies_stay_at_the_door_both_ways_and_are_never_anothers(street: Street) -> None:
    """A cookie that an upstream sets reaches nobody: not its client, nor the upstream with the next user's request."""
    upstream, url = await street.upstream(answer("Set-Cookie: sid=of-alice; Path=/", "Content-Length: 0"))
    # By name: cookie jars leave a bare address's cookies alone, and deployed services have names.
    door = await street.door(orders=url.replace("127.0.0.1", "localhost"))
    for user in ("alice", "bob"):
        response = await door.get("/api/orders", f"Cookie: own={user}\r\nAuthorization: Bearer {user}\r\n")
        assert response.values("set-cookie") == []
    assert [request.values("cookie") for request in upstream.requests] == [[], []]
    assert [request.values("authorization") for request in upstream.requests] == [["Bearer alice"], ["Bearer bob"]]


async def test_a_client_cannot_pose_as_the_gateway_or_as_somebody_else(street: Street) -> None:
    """Who connected is what the gateway saw: X-Forwarded-*, Forwarded and X-User-* of a client count for nothing."""
    claims = (
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Real-IP: 6.6.6.6\r\n"
        "Forwarded: for=6.6.6.6\r\nX-User-Id: 1\r\nX-User: admin\r\nVia: 1.1 evil\r\nX-Original-URL: /metrics\r\n"
        "X-HTTP-Method-Override: DELETE\r\nX_Forwarded_For: 6.6.6.6\r\n"
    )
    upstream, lines = await forwarded(street, claims)
    assert upstream.requests[0].values("forwarded") == ['for=127.0.0.1;host="door.test";proto=http']
    assert "6.6.6.6" not in "".join(lines)
    assert not [line for line in lines if line.startswith(("x-forwarded", "x-user", "x-real", "via", "x-http", "x-o"))]


async def test_nothing_is_invented(street: Street) -> None:
    """A request without headers reaches the upstream with the gateway's own and no others."""
    upstream, lines = await forwarded(street, "")
    names = sorted(line.split(":")[0] for line in lines[1:] if line)
    assert names == ["forwarded", "host", "traceparent", "x-request-id"]
    assert upstream.requests[0].values("host") != ["door.test"]


async def test_what_a_service_needs_to_know_arrives_unchanged(street: Street) -> None:
    """The headers on the allow-list go through as they are, more than once if they came more than once."""
    sent = {
        "accept": ["text/html;q=0.5", "application/json"],
        "accept-encoding": ["br, gzip"],
        "authorization": ["Bearer a.b.c-_~+/=="],
        "if-match": ['"1", W/"2"'],
        "idempotency-key": ["k-1"],
        "prefer": ["wait=1"],
        "user-agent": ["né/1"],
    }
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    fields = "".join(f"{name}: {value}\r\n" for name, values in sent.items() for value in values)
    request = get("/api/orders").removesuffix(b"\r\n") + fields.encode() + b"\r\n"
    assert (await door.ask(request)).status == 200
    head = upstream.requests[0].head.decode().encode("latin-1", "replace")  # the door passes UTF-8 on as UTF-8
    assert b"n\xe9/1" in head
    del sent["user-agent"]
    assert {name: upstream.requests[0].values(name) for name in sent} == sent


async def test_headers_named_in_connection_stop_here(street: Street) -> None:
    """Hop-by-hop headers, and those a Connection header declares to be so, are about this hop alone, both ways."""
    upstream, url = await street.upstream(
        answer("Connection: keep-alive, X-Inner, ETag", "X-Inner: 1", 'ETag: "1"', "X-Outer: 2", "Content-Length: 0")
    )
    door = await street.door(orders=url)
    named = (
        "Connection: keep-alive, Accept\r\nConnection: If-Match\r\nAccept: a/b\r\nIf-Match: *\r\nRange: bytes=0-\r\n"
        "Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n"
    )
    response = await door.get("/api/orders", named)
    lines = upstream.requests[0].head.decode().lower()
    for name in ("connection", "accept", "if-match", "keep-alive", "te", "proxy-authorization", "proxy-connection"):
        assert f"\r\n{name}:" not in lines
    assert upstream.requests[0].values("range") == ["bytes=0-"]
    assert response.values("x-outer") == ["2"]
    assert response.values("x-inner") == response.values("etag") == response.values("connection") == []


def test_what_somebody_lists_in_connection_is_not_kept() -> None:
    """Only short values are remembered: one of 16 KiB may have thousands of names, and anyone can send many such."""
    before = remembered_options.cache_info().currsize
    names = {b"%x" % number for number in range(3000)}
    assert connection_options(b",".join(names)) == names
    assert connection_options(b"close, Keep-Alive") == {b"close", b"keep-alive"}
    assert remembered_options.cache_info().currsize <= before + 1


async def test_several_authorization_headers_are_400(street: Street) -> None:
    """Nobody has to guess which of them a service believed."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.get("/api/orders", "Authorization: Bearer a\r\nauthorization: Bearer b\r\n")
    assert response.status == 400
    assert json.loads(response.body)["reason"] == "invalid_request"
    assert b"Bearer" not in response.body
    assert upstream.connections == 0


async def test_a_header_that_is_no_text_is_400(street: Street) -> None:
    """It could not be passed on as it is, and is not changed either."""
    door = await street.door()
    response = await door.get("/api/orders", "User-Agent: \xff\xfe\r\n")
    assert response.status == 400
    assert json.loads(response.body)["reason"] == "malformed_request"


async def test_compressed_answers_stay_compressed(street: Street) -> None:
    """The client's Accept-Encoding was meant for the service; its answer is the client's to unpack."""
    packed = gzip.compress(b"hello" * 1000)
    _, url = await street.upstream(
        answer("Content-Encoding: gzip", f"Content-Length: {len(packed)}", 'ETag: "z"', body=packed)
    )
    door = await street.door(orders=url)
    response = await door.get("/api/orders", "Accept-Encoding: gzip\r\n")
    assert response.body == packed
    assert response.values("content-encoding") == ["gzip"]
    assert response.values("content-length") == [str(len(packed))]


async def test_redirects_are_the_clients_to_follow(street: Street) -> None:
    """The gateway goes nowhere by itself; and an address inside is cut to what the client can use."""
    upstream, url = await street.upstream()
    upstream.answer = answer(f"Location: {url}/api/orders/7?a=b", "Content-Length: 0", status="307 Temporary Redirect")
    door = await street.door(orders=url)
    response = await door.get("/api/orders")
    assert response.status == 307
    assert response.values("location") == ["/api/orders/7?a=b"]
    upstream.answer = answer("Location: https://elsewhere.test/", "Content-Length: 0", status="302 Found")
    assert (await door.get("/api/orders")).values("location") == ["https://elsewhere.test/"]
    assert len(upstream.requests) == 2


async def test_what_a_service_runs_on_is_its_secret(street: Street) -> None:
    """`Server` is dropped; status, headers and repeated headers otherwise come as they are."""
    _, url = await street.upstream(
        answer("Server: x/1", "Link: <a>", "Link: <b>", "Content-Length: 2", status="418 Teapot", body=b"{}")
    )
    door = await street.door(orders=url)
    response = await door.get("/api/orders")
    assert response.status == 418
    assert response.values("server") == []
    assert response.values("link") == ["<a>", "<b>"]
    assert response.values("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize(
    ("method", "answered"),
    [
        ("HEAD", answer("Content-Length: 1234", 'ETag: "1"')),
        ("HEAD", answer("Transfer-Encoding: chunked")),
        ("GET", answer(status="204 No Content")),
        ("GET", answer("Content-Length: 1234", status="304 Not Modified")),
        ("GET", answer(status="103 Early Hints") + answer(status="100 Continue") + answer("Content-Length: 0")),
    ],
    ids=["HEAD", "HEAD with chunks", "204", "304 with a length", "1xx before the answer"],
)
async def test_answers_without_a_body_leave_both_connections_usable(
    street: Street, method: str, answered: bytes
) -> None:
    """The next answer on the same two connections begins where it should."""
    upstream, url = await street.upstream(answered)
    door = await street.door(orders=url)
    async with door.client() as client:
        for _ in range(2):
            response = await client.ask(get("/api/orders", method=method), to_head=method == "HEAD")
            assert response.body == b""
    assert upstream.connections == 1


async def test_a_head_keeps_the_length_it_is_about(street: Street) -> None:
    """HEAD is asked to learn the length."""
    _, url = await street.upstream(answer("Content-Length: 1234"))
    door = await street.door(orders=url)
    assert (await door.ask(get("/api/orders", method="HEAD"), to_head=True)).values("content-length") == ["1234"]


async def test_upstream_connections_are_kept_and_shared(street: Street) -> None:
    """Ten requests of ten clients need one connection behind the door."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    for _ in range(10):
        assert (await door.get("/api/orders")).status == 200
    assert upstream.connections == 1


async def test_a_trace_goes_on_and_the_answer_carries_the_request_id(street: Street) -> None:
    """The W3C trace id and the request id are the same on both sides; the span is the gateway's."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.get(
        "/api/orders", f"traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ntracestate: a=b\r\nX-Request-Id: mine-1\r\n"
    )
    (traceparent,) = upstream.requests[0].values("traceparent")
    assert traceparent.split("-")[1] == trace
    assert traceparent.split("-")[2] != "00f067aa0ba902b7"
    assert upstream.requests[0].values("tracestate") == ["a=b"]
    assert upstream.requests[0].values("x-request-id") == response.values("x-request-id") == ["mine-1"]


async def test_a_request_id_that_could_break_a_log_is_replaced(street: Street) -> None:
    """Nothing a client writes there is echoed unless it is harmless."""
    door = await street.door()
    response = await door.get("/nowhere", 'X-Request-Id: <script>"\r\n')
    assert "<" not in response.values("x-request-id")[0]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nanything",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\x00\r\n\r\n",
    ],
    ids=["SSH", "two lengths", "negative length", "length and chunks", "101", "endless header", "NUL"],
)
async def test_an_upstream_that_makes_no_sense_is_502(street: Street, nonsense: bytes) -> None:
    """Nothing of it is passed on."""
    _, url = await street.upstream(nonsense, keep=False)
    door = await street.door(orders=url)
    response = await door.get("/api/orders")
    assert response.status == 502
    assert json.loads(response.body)["reason"] == "upstream_unreachable"


async def test_an_answer_cannot_be_taken_for_the_next_ones(street: Street) -> None:
    """Bytes after an answer's end spoil its connection: the next request, another user's, gets its own answer."""
    upstream, url = await street.upstream(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
    door = await street.door(orders=url)
    assert (await door.get("/api/orders")).body == b"ok"
    upstream.answer = OK
    assert (await door.get("/api/orders")).body == b"ok"


async def test_a_method_goes_on_with_its_body(street: Street) -> None:
    """Which methods there are is the service's business, within those that pass the door."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        body = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        request = get("/api/orders", method=method).removesuffix(b"\r\n") + body
        assert (await door.ask(request)).status == 200
    assert [request.body for request in upstream.requests] == [b"{}"] * 4
    assert [request.values("content-type") for request in upstream.requests] == [["application/json"]] * 4
