"""The key set endpoint of a fake issuer, well-behaved or not."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from token_verification.fake_revocation_endpoint import FakeRevocationEndpoint, Message, Receive, Send, disconnected

_Headers = list[tuple[bytes, bytes]]


class Issuer(Protocol):
    """What the endpoint has to know of its issuer."""

    @property
    def behaviour(self) -> str: ...
    @property
    def jwk_set(self) -> dict[str, Any]: ...
    @property
    def private_key(self) -> RSAPrivateKey: ...


class FakeKeySetEndpoint:
    """An ASGI application: it answers with its issuer's key set, in the manner of `behaviour`.

    Whatever the path, but for that of the issuer's `feed`, which answers for itself.
    """

    def __init__(self, issuer: Issuer, max_age: int | None, feed: FakeRevocationEndpoint) -> None:
        self._issuer = issuer
        self._max_age = max_age
        self._feed = feed
        self.requests = 0
        self.not_modified = 0
        self.transport: httpx.AsyncBaseTransport = _Transport(self, issuer, feed)

    async def __call__(
        self,
        scope: Message,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] != "http":
            return
        if scope.get("path") == self._feed.path:
            await self._feed(scope, receive, send)
            return
        self.requests += 1
        behaviour = self._issuer.behaviour
        if behaviour == "hang":
            await disconnected(receive)
            return
        status, headers, body = self._answer(behaviour, dict(scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if behaviour == "drip":
            await _drip(body, receive, send)
        else:
            await send({"type": "http.response.body", "body": body})

    def _answer(self, behaviour: str, asked: dict[bytes, bytes]) -> tuple[int, _Headers, bytes]:
        if behaviour == "error":
            return 500, [], b""
        if behaviour == "redirect":
            return 302, [(b"location", b"/elsewhere")], b""
        headers = [(b"content-type", b"text/html" if behaviour == "html" else b"application/jwk-set+json")]
        body = self._body(behaviour)
        if behaviour == "compressed":
            headers.append((b"content-encoding", b"gzip"))
        if behaviour == "well":
            tag = b'"' + hashlib.sha256(body).hexdigest().encode("ascii") + b'"'
            headers.append((b"etag", tag))
            if self._max_age is not None:
                headers.append((b"cache-control", f"public, max-age={self._max_age}".encode("ascii")))
            if asked.get(b"if-none-match") == tag:
                self.not_modified += 1
                return 304, headers, b""
        return 200, headers, body

    def _body(self, behaviour: str) -> bytes:
        key_set = self._issuer.jwk_set
        good = json.dumps(key_set).encode("ascii")
        bodies: dict[str, Callable[[], bytes]] = {
            "garbage": lambda: b"\x00 this is no JSON",
            "array": lambda: json.dumps(key_set["keys"]).encode("ascii"),
            "huge": lambda: good + b" " * (1024 * 1024),
            "compressed": lambda: gzip.compress(good),
            "empty": lambda: b'{"keys":[]}',
            "private_members": lambda: _changed(key_set, d=str(self._issuer.private_key.private_numbers().d)),
            "weak_key": lambda: _changed(key_set, n=key_set["keys"][0]["n"][:171]),
            "encryption_key": lambda: _changed(key_set, use="enc"),
            "twice_the_same_kid": lambda: json.dumps({"keys": key_set["keys"] * 2}).encode("ascii"),
        }
        return bodies.get(behaviour, lambda: good)()


async def _drip(body: bytes, receive: Receive, send: Send) -> None:
    """Send a byte every 20 ms for as long as someone listens: no single read is ever late."""
    gone = asyncio.ensure_future(disconnected(receive))
    for place in range(len(body)):
        await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
        if (await asyncio.wait([gone], timeout=0.02))[0]:
            return
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})


def _changed(key_set: dict[str, Any], **members: str) -> bytes:
    return json.dumps({"keys": [key | members for key in key_set["keys"]]}).encode("ascii")


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, endpoint: FakeKeySetEndpoint, issuer: Issuer, feed: FakeRevocationEndpoint) -> None:
        self._endpoint = endpoint
        self._issuer = issuer
        self._feed = feed
        self._inner = httpx.ASGITransport(endpoint)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked: FakeKeySetEndpoint | FakeRevocationEndpoint = self._endpoint
        behaviour = self._issuer.behaviour
        if request.url.path == self._feed.path:
            asked, behaviour = self._feed, self._feed.behaviour
        if behaviour == "down":
            asked.requests += 1
            raise httpx.ConnectError("connection refused", request=request)
        return await self._inner.handle_async_request(request)
