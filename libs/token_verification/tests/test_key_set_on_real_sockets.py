"""One fetch is bounded in time and bytes: shown with real HTTP over loopback, since fakes can be too polite."""

import asyncio
import contextlib
import time

import httpx
import pytest
from libs.token_verification.tests.serving import answered_by, served

from token_verification import AccessTokenVerifier, InvalidToken, KeysUnavailable, RemoteKeySet
from token_verification.key_set_download import DownloadError, download, fetch, read
from token_verification.testing import Behaviour, FakeIssuer

DEADLINE = 0.5


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


async def fault_of(uri: str, *, byte_cap: int = 64 * 1024) -> tuple[str, float]:
    """Download, expect it to fail, and return why and after how many seconds."""
    async with httpx.AsyncClient() as http:
        start = time.monotonic()
        with pytest.raises(DownloadError) as fault:
            await download(http, uri, entity_tag=None, deadline=DEADLINE, byte_cap=byte_cap)
        return str(fault.value), time.monotonic() - start


async def test_a_good_key_set_arrives(issuer: FakeIssuer) -> None:
    """Over a real socket, with ETag and 304, the keys arrive."""
    async with served(issuer) as uri, httpx.AsyncClient() as http:
        first = await download(http, uri, entity_tag=None, deadline=3, byte_cap=64 * 1024)
        assert list(first.keys or ()) == [issuer.key_id]
        assert first.max_age == 300
        again = await download(http, uri, entity_tag=first.entity_tag, deadline=3, byte_cap=64 * 1024)
        assert again.keys is None


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
async def test_the_deadline_is_for_all_of_it(behaviour: Behaviour, issuer: FakeIssuer) -> None:
    """A server that says nothing, or drips a byte every 20 ms (so that no single read is late), is left in time."""
    issuer.behaviour = behaviour
    async with served(issuer) as uri:
        fault, seconds = await fault_of(uri)
    assert fault == f"it took longer than {DEADLINE} s"
    assert DEADLINE <= seconds < DEADLINE + 0.5


async def test_dripped_headers_are_left_in_time() -> None:
    """The deadline also covers a head that never ends."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1000):
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answered_by(drip) as uri:
        fault, seconds = await fault_of(uri)
    assert "longer" in fault
    assert seconds < DEADLINE + 0.5


async def test_an_endless_body_is_left_at_the_cap() -> None:
    """A body without an end, as fast as the socket takes it, is cut at the cap and not at the deadline."""
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while sent < 1_000_000_000:
            writer.write(b" " * 65536)
            await writer.drain()
            sent += 65536

    async with answered_by(pour) as uri:
        fault, seconds = await fault_of(uri)
    assert fault == "the answer was larger than 65536 bytes"
    assert seconds < DEADLINE
    assert sent < 50_000_000


async def test_the_cap_is_sharp(issuer: FakeIssuer) -> None:
    """A body of exactly the cap is taken, one byte more is not."""
    size = len((await _body(issuer)).content)
    async with served(issuer) as uri, httpx.AsyncClient() as http:
        assert await download(http, uri, entity_tag=None, deadline=3, byte_cap=size)
        assert (await fault_of(uri, byte_cap=size - 1))[0] == f"the answer was larger than {size - 1} bytes"


async def _body(issuer: FakeIssuer) -> httpx.Response:
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        return await http.get(issuer.jwks_uri)


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [
        ("error", "the answer was 500"),
        ("redirect", "the answer was 302"),
        ("html", "the answer was text/html, not JSON"),
        ("compressed", "the answer was compressed"),
        ("garbage", "the answer was no key set: it is not valid JSON in UTF-8"),
        ("array", "the answer was no key set: it is not a JSON object"),
        ("empty", "the answer had no usable key: it is empty"),
    ],
)
async def test_faults_are_named(behaviour: Behaviour, fault: str, issuer: FakeIssuer) -> None:
    """Each way of not answering is told apart, for whoever reads the log; a redirect is not followed."""
    issuer.behaviour = behaviour
    async with served(issuer) as uri:
        assert (await fault_of(uri))[0] == fault
    assert issuer.requests == 1


async def test_an_answer_without_a_type_is_refused() -> None:
    """What does not say that it is JSON is not taken for JSON."""

    async def bare(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()

    async with answered_by(bare) as uri:
        assert (await fault_of(uri))[0] == "the answer was of no type, not JSON"


@pytest.mark.parametrize(
    ("behaviour", "body", "fault"),
    [
        ("well", b'{"keys"', None),
        ("html", b'{"keys"', "the answer was text/html, not JSON"),
        ("compressed", b"\x1f\x8b", "the answer was compressed"),
        ("error", b"", "the answer was 500"),
        ("huge", b'{"keys"', "the answer was larger than 65536 bytes"),
    ],
)
async def test_the_curious_see_what_is_refused(
    behaviour: Behaviour, body: bytes, fault: str | None, issuer: FakeIssuer
) -> None:
    """Who inspects a server sees what it sent, as it came and within the same bounds, and why it is not taken."""
    issuer.behaviour = behaviour
    async with served(issuer) as uri, httpx.AsyncClient() as http:
        answer = await fetch(http, uri, entity_tag=None, deadline=3, byte_cap=64 * 1024, curious=True)
        assert answer.body.startswith(body)
        assert answer.fault == fault
        if fault is not None:
            with pytest.raises(DownloadError, match=fault):
                read(answer, entity_tag=None)


async def test_nobody_listens() -> None:
    """A refused connection is a failed fetch."""
    async with answered_by(lambda _: asyncio.sleep(0)) as uri:
        pass
    assert (await fault_of(uri))[0] == "it failed with ConnectError"


async def test_verification_goes_on_while_the_issuer_hangs(issuer: FakeIssuer) -> None:
    """The issuer hangs, then is gone: known keys verify in no time, and an unknown one is told within the deadline."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        async with served(issuer) as uri:
            key_set = RemoteKeySet(uri, issuer=issuer.issuer, http=http, deadline=DEADLINE, cooldown=0.0)
            await stack.enter_async_context(key_set)
            verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=issuer.audience, key_set=key_set)
            assert (await verifier.verify(issuer.token())).subject
            with pytest.raises(InvalidToken, match="unknown_kid"):
                await verifier.verify(issuer.token(header={"kid": "x"}))
            issuer.behaviour = "hang"
            start = time.monotonic()
            lost = asyncio.create_task(verifier.verify(issuer.token(header={"kid": "x"})))
            await asyncio.sleep(0.05)
            assert (await verifier.verify(issuer.token())).subject
            assert not lost.done()
            with pytest.raises(KeysUnavailable, match="longer"):
                await lost
            assert time.monotonic() - start < DEADLINE + 0.5
        assert (await verifier.verify(issuer.token())).subject
        with pytest.raises(KeysUnavailable, match="ConnectError"):
            await verifier.verify(issuer.token(header={"kid": "x"}))
