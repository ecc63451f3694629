"""The feed of revocations of a fake issuer, well-behaved or not."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, Protocol, cast
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from token_verification.revocation_answer import TYPE, Kind, Revocation

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FeedBehaviour = Literal[
    "well",
    "down",
    "error",
    "hang",
    "garbage",
    "html",
    "huge",
    "redirect",
    "compressed",
    "wrong_signature",
    "unknown_key",
    "wrong_type",
    "wrong_issuer",
    "wrong_after",
    "expired",
    "long_lived",
    "replayed",
    "rolled_back",
    "access_token",
]

_END_AFTER = 10


class Issuer(Protocol):
    """What the feed has to know of its issuer."""

    @property
    def issuer(self) -> str: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def key_id(self) -> str: ...
    def token(self) -> str: ...
    def attackers_key(self) -> RSAPrivateKey: ...
    def sign(self, header: bytes, payload: bytes, *, key: RSAPrivateKey | None = None) -> str: ...


class FakeRevocationEndpoint:
    """An ASGI application that answers long polls in the manner of `behaviour`, and the log that it tells."""

    path = "/revocations"

    def __init__(self, issuer: Issuer, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.behaviour: FeedBehaviour = "well"
        self.requests = 0
        self.answered: list[tuple[int, str]] = []
        """What was asked after, and the answer, for every one that was signed; oldest first."""
        self.log: list[tuple[int, Revocation]] = []
        """Every row with its seq. To take rows out is what pruning does, and a database that is put back."""
        self.head = 0
        """The greatest seq that was given to a row. A database that is put back has an older one."""
        self.remember_for = 605
        """Seconds for which logins and tokens stay in the log."""
        self.most_rows = 10_000
        """Rows of one answer."""
        self._issuer = issuer
        self._sleep = sleep
        self._waiting: list[asyncio.Future[None]] = []

    def append(self, kind: Kind, id_: str) -> int:
        """Append a row, wake who waits, and return the seq."""
        now = self._issuer.clock()
        self.head = max(self.head + 1, int(now * 1_000_000))
        until = None if kind == "kid" else int(now) + self.remember_for
        self.log.append((self.head, Revocation(kind, id_, until)))
        self.wake()
        return self.head

    def wake(self) -> None:
        """Answer all who wait, as before a shutdown."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def answer(self, after: int, wait: int = 20) -> str:
        """Sign what a well-behaved feed says now to who asks what there is after a seq."""
        return self._sign(self.claims(after, wait))

    def claims(self, after: int, wait: int = 20) -> dict[str, object]:
        """Return what such an answer says."""
        now = int(self._issuer.clock())
        rows = [(seq, row) for seq, row in self.log if seq > after]
        told = rows[: self.most_rows]
        more = len(told) < len(rows)
        return {
            "iss": self._issuer.issuer,
            "iat": now,
            "exp": now + wait + _END_AFTER,
            "after": after,
            "seq": told[-1][0] if more else self.head,
            "more": more,
            "revoked": [list(row) for _, row in told],
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.requests += 1
        if self.behaviour == "hang":
            await disconnected(receive)
            return
        after = int(parse_qs(scope["query_string"].decode("ascii"))["after"][0])
        wait = int(dict(scope["headers"]).get(b"prefer", b"wait=0").removeprefix(b"wait="))
        if self.behaviour == "well":
            await self._something_after(after, wait)
        status, headers, body = self._respond(after, wait)
        await send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})

    async def _something_after(self, after: int, wait: int) -> None:
        if self.head != after or wait == 0:
            return
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(news)
        bell = asyncio.ensure_future(self._sleep(wait))
        try:
            await asyncio.wait({news, bell}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            bell.cancel()
            await asyncio.gather(bell, return_exceptions=True)

    def _respond(self, after: int, wait: int) -> tuple[int, dict[bytes, bytes], bytes]:
        if self.behaviour == "error":
            return 500, {}, b""
        if self.behaviour == "redirect":
            return 302, {b"location": b"/elsewhere"}, b""
        headers = {b"content-type": b"text/html" if self.behaviour == "html" else b"application/jwt"}
        body = self._body(after, wait).encode("ascii")
        if self.behaviour == "compressed":
            return 200, headers | {b"content-encoding": b"gzip"}, gzip.compress(body)
        return 200, headers, body

    def _body(self, after: int, wait: int) -> str:
        claims = self.claims(after, wait)
        now = int(self._issuer.clock())
        bodies: dict[str, Callable[[], str]] = {
            "garbage": lambda: "this is no answer",
            "huge": lambda: "A" * (8 * 1024 * 1024),
            "wrong_signature": lambda: self._sign(claims, key=self._issuer.attackers_key()),
            "unknown_key": lambda: self._sign(claims, kid=f"unknown-{self.requests}"),
            "wrong_type": lambda: self._sign(claims, typ="JWT"),
            "wrong_issuer": lambda: self._sign(claims | {"iss": "https://attacker.test"}),
            "wrong_after": lambda: self._sign(claims | {"after": after + 1}),
            "expired": lambda: self._sign(claims | {"iat": now - wait - 60, "exp": now - 60}),
            "long_lived": lambda: self._sign(claims | {"exp": now + wait + 60}),
            "replayed": lambda: self._first_answer(after),
            "rolled_back": lambda: self._sign(claims | {"seq": after - 1, "revoked": []}),
            "access_token": self._issuer.token,
        }
        return bodies.get(self.behaviour, lambda: self._sign(claims))()

    def _first_answer(self, after: int) -> str:
        """Return the oldest answer to this question, or the oldest of all."""
        return next((answer for asked, answer in self.answered if asked == after), self.answered[0][1])

    def _sign(self, claims: dict[str, object], *, key: RSAPrivateKey | None = None, **header: object) -> str:
        members = {"alg": "RS256", "typ": TYPE, "kid": self._issuer.key_id} | header
        answer = self._issuer.sign(json.dumps(members).encode("ascii"), json.dumps(claims).encode("ascii"), key=key)
        self.answered.append((cast("int", claims["after"]), answer))
        return answer


async def disconnected(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
