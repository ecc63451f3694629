"""The fakes that ship with the library do what they say."""

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from token_verification.compact_jws import base64url_decoded, json_object
from token_verification.testing import FakeClock, FakeIssuer, key_id_of


async def test_serves_its_key_set() -> None:
    """Media type, caching headers, a strong ETag and 304, as the protocol has it; every request is counted."""
    issuer = FakeIssuer()
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        first = await http.get(issuer.jwks_uri)
        again = await http.get(issuer.jwks_uri, headers={"if-none-match": first.headers["etag"]})
    assert first.json() == issuer.jwk_set
    assert first.headers["content-type"] == "application/jwk-set+json"
    assert first.headers["cache-control"] == "public, max-age=300"
    assert (again.status_code, again.content) == (304, b"")
    assert issuer.requests == 2


async def test_a_drip_ends() -> None:
    """Whoever is patient gets the whole key set, byte by byte; this client counts the pieces."""
    issuer = FakeIssuer()
    issuer.behaviour = "drip"
    pieces: list[bytes] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request"}

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        pieces.append(message.get("body", b""))

    issuer._published = []
    await issuer.asgi({"type": "http", "headers": []}, receive, send)
    assert b"".join(pieces) == b'{"keys": []}'
    assert max(map(len, pieces)) == 1


async def test_ignores_other_protocols() -> None:
    """A server that tries a lifespan first finds that there is none."""
    issuer = FakeIssuer()

    async def never() -> dict[str, Any]:
        raise AssertionError

    async def nothing(_: Any) -> None:  # noqa: ANN401 -- an ASGI message
        raise AssertionError

    await issuer.asgi({"type": "lifespan"}, never, nothing)
    assert issuer.requests == 0


def test_rotates() -> None:
    """A new key signs at once; it can be kept back, and old ones stay until they are retired."""
    issuer = FakeIssuer()
    first = issuer.key_id
    second = issuer.rotate()
    hidden = issuer.rotate(publish=False)
    assert [key["kid"] for key in issuer.jwk_set["keys"]] == [first, second]
    issuer.publish()
    issuer.retire(first)
    assert [key["kid"] for key in issuer.jwk_set["keys"]] == [second, hidden]


def test_keys_belong_to_names() -> None:
    """One name, one sequence of keys, made once per process; another name, others; the attacker has its own."""
    assert FakeIssuer("https://a.test").key_id == FakeIssuer("https://a.test").key_id
    ids = {FakeIssuer("https://a.test").key_id, FakeIssuer("https://b.test").key_id}
    ids.add(key_id_of(FakeIssuer("https://a.test").attackers_key().public_key()))
    assert len(ids) == 3


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The key of RFC 7638, section 3.1, has the thumbprint given there."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1"
        "n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    numbers = RSAPublicNumbers(65537, int.from_bytes(base64url_decoded(n.encode()), "big"))
    assert key_id_of(numbers.public_key()) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


async def test_the_clock_stands_still_until_told() -> None:
    """Sleepers wake at their moments, in order; one that is cancelled is forgotten."""
    clock = FakeClock(now=100)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock()))

    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("b", 20), ("a", 10), ("c", 30))]
    await clock.advance(9)
    assert (woken, clock()) == ([], 109)
    tasks[2].cancel()
    await clock.advance(100)
    assert woken == [("a", 110), ("b", 120)]
    assert clock() == 209
    with pytest.raises(asyncio.CancelledError):
        await tasks[2]


async def test_tells_of_revocations() -> None:
    """Its feed answers at once when there is something, else when the wait is over, in pages, and what is so signed."""
    clock = FakeClock(now=1_800_000_000)
    issuer = FakeIssuer(clock=clock, sleep=clock.sleep)
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        first = issuer.revoke(sid="a")
        issuer.revoke(jti="b")
        last = issuer.revoke(kid="c")
        issuer.feed.most_rows = 2
        page = await http.get(f"{issuer.feed_uri}?after=0")
        assert page.headers["content-type"] == "application/jwt"
        assert _payload(page.text) == {
            "iss": "https://issuer.test", "iat": 1_800_000_000, "exp": 1_800_000_010, "after": 0, "seq": first + 1,
            "more": True, "revoked": [["sid", "a", 1_800_000_605], ["jti", "b", 1_800_000_605]],
        }  # fmt: skip
        rest = _payload((await http.get(f"{issuer.feed_uri}?after={first + 1}")).text)
        assert (rest["seq"], rest["more"], rest["revoked"]) == (last, False, [["kid", "c", None]])
        waiting = asyncio.create_task(http.get(f"{issuer.feed_uri}?after={last}", headers={"prefer": "wait=5"}))
        await clock.advance(4.9)
        assert not waiting.done()
        await clock.advance(0.1)
        assert _payload((await waiting).text)["revoked"] == []
    assert issuer.feed.requests == 3
    assert issuer.requests == 0


def _payload(answer: str) -> dict[str, Any]:
    return json_object(base64url_decoded(answer.split(".")[1].encode()))


def test_revokes_one_thing_at_a_time() -> None:
    """To name none, or two, is a mistake."""
    issuer = FakeIssuer()
    for named in ({}, {"sid": "a", "jti": "b"}):
        with pytest.raises(ValueError, match="name one"):
            issuer.revoke(**named)


async def test_who_is_gone_is_not_answered() -> None:
    """Whoever gives up on a question that waits is forgotten; a revocation then wakes the others."""
    issuer = FakeIssuer()
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        gone, stays = (
            asyncio.create_task(http.get(f"{issuer.feed_uri}?after=0", headers={"prefer": "wait=60"})) for _ in range(2)
        )
        await FakeClock.settle()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        seq = issuer.revoke(sid="a")
        assert _payload((await stays).text)["seq"] == seq
