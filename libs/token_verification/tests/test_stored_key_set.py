"""The last good key set on disk."""

import asyncio
import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from token_verification import AccessTokenVerifier, KeysUnavailable, RemoteKeySet, stored_key_set
from token_verification.testing import FakeClock, FakeIssuer


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def wall() -> FakeClock:
    return FakeClock(1_800_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.json"


class Process:
    """One life of a service: from start to stop, with its own monotonic clock."""

    def __init__(self, issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
        self.clock = FakeClock(now=id(self) % 1000)
        self.http = httpx.AsyncClient(transport=issuer.transport)
        self.key_set = RemoteKeySet(
            issuer.jwks_uri,
            issuer=issuer.issuer,
            http=self.http,
            stored_at=path,
            clock=self.clock,
            wall_clock=wall,
            sleep=self.clock.sleep,
        )
        self.verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=issuer.audience, key_set=self.key_set)

    async def __aenter__(self) -> Self:
        await self.key_set.__aenter__()
        await self.clock.settle()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.key_set.__aexit__(None, None, None)
        await self.http.aclose()


async def test_a_restart_during_an_outage_goes_on(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """A service that restarts while its issuer is away verifies with what it had, until the set is an hour old."""
    async with Process(issuer, path, wall):
        pass
    issuer.behaviour = "down"
    wall.now += 3000
    async with Process(issuer, path, wall) as restarted:
        assert (await restarted.verifier.verify(issuer.token())).subject
        assert restarted.key_set.age == 3000
        assert await restarted.key_set.ready() is None
        await restarted.clock.advance(599)
        assert (await restarted.verifier.verify(issuer.token())).subject
        await restarted.clock.advance(1)
        with pytest.raises(KeysUnavailable):
            await restarted.verifier.verify(issuer.token())
    # A second restart does not make the set any younger.
    wall.now += 600
    async with Process(issuer, path, wall) as restarted:
        with pytest.raises(KeysUnavailable):
            await restarted.verifier.verify(issuer.token())


async def test_the_issuer_is_asked_again_at_once(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """A stored set is a stopgap: a start fetches in any case, and the stored set never answers for the issuer."""
    async with Process(issuer, path, wall):
        pass
    issuer.rotate()
    async with Process(issuer, path, wall) as restarted:
        assert restarted.key_set.fetches == 1
        assert (await restarted.verifier.verify(issuer.token())).key_id == issuer.key_id
    assert len(json.loads(path.read_text())["keys"]) == 2


async def test_a_304_renews_the_file(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """The file holds when the issuer last spoke, not when the keys last changed."""
    async with Process(issuer, path, wall) as process:
        wall.now += 265
        await process.clock.advance(265)
        assert issuer.asgi.not_modified == 1
    assert json.loads(path.read_text())["fetched_at"] == wall.now


async def test_the_file_is_its_owners_alone(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """Mode 0600, only public members, and no temporary file beside it."""
    async with Process(issuer, path, wall):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    document = json.loads(path.read_text())
    assert document["issuer"] == issuer.issuer
    assert [set(key) for key in document["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}]


def _with(**members: object) -> Callable[[dict[str, Any]], bytes]:
    return lambda document: json.dumps(document | members).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda _: b"", "it is not valid JSON in UTF-8"),
        (lambda document: json.dumps(document).encode()[:-9], "it is not valid JSON in UTF-8"),
        (lambda _: b"\x00\xff" * 100, "it is not valid JSON in UTF-8"),
        (lambda _: b"[]", "it is not a JSON object"),
        (lambda _: b" " * 300_000, "it is larger than 262144 bytes"),
        (_with(issuer="https://other.test"), "it is from another issuer"),
        (_with(issuer=None), "it is from another issuer"),
        (_with(fetched_at=None), "it does not say when it was fetched"),
        (_with(fetched_at=True), "it does not say when it was fetched"),
        (_with(fetched_at="now"), "it does not say when it was fetched"),
        (_with(fetched_at=1_800_000_006), "it was fetched 6 s in the future"),
        (_with(fetched_at=1_799_996_400), "it is 3600 s old"),
        (_with(fetched_at=0), "it is 1800000000 s old"),
        (_with(keys=[]), "it has no usable key"),
        (_with(keys=None), "it has no list of keys"),
        (_with(keys=[{"kty": "oct", "k": "AAAA"}]), "it has no usable key"),
    ],
    ids=[
        "empty", "cut-off", "binary", "array", "huge", "foreign", "no-issuer", "no-time", "true", "text",
        "future", "too-old", "ancient", "no-keys", "no-list", "bad-key",
    ],
)  # fmt: skip
async def test_a_bad_file_is_ignored(  # noqa: PLR0917 -- fixtures
    change: Callable[[dict[str, Any]], bytes],
    why: str,
    issuer: FakeIssuer,
    path: Path,
    wall: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Damaged, foreign, too old or from the future: a line in the log, and the start is one without a file."""
    async with Process(issuer, path, wall):
        pass
    path.write_bytes(change(json.loads(path.read_text())))
    issuer.behaviour = "down"
    async with Process(issuer, path, wall) as restarted:
        with pytest.raises(KeysUnavailable, match="not been fetched yet"):
            await restarted.verifier.verify(issuer.token())
    assert f"stored key set not used: {why}" in caplog.text


async def test_a_fifo_does_not_hang_the_start(path: Path, wall: FakeClock) -> None:
    """What is no regular file is refused at once, not when somebody writes to it."""
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    loading = asyncio.to_thread(stored_key_set.load, path, issuer="any", now=wall(), keep_for=3600)
    try:
        with pytest.raises(ValueError, match="it is not a regular file"):
            await asyncio.wait_for(loading, 10)
    finally:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # lets a thread go that does wait


def _give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, 4711, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (_give_away, "it belongs to another user"),
        (lambda path, _: path.chmod(0o620), "others may write to it (mode 0620)"),
        (lambda path, _: path.chmod(0o602), "others may write to it (mode 0602)"),
    ],
    ids=["owner", "group", "world"],
)
async def test_a_file_that_others_can_have_written_is_ignored(  # noqa: PLR0917 -- fixtures
    tamper: Callable[[Path, pytest.MonkeyPatch], None],
    why: str,
    issuer: FakeIssuer,
    path: Path,
    wall: FakeClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who may write the file decides whose tokens are good: the service itself and root, and nobody else."""
    async with Process(issuer, path, wall):
        pass
    tamper(path, monkeypatch)
    issuer.behaviour = "down"
    async with Process(issuer, path, wall) as restarted:
        with pytest.raises(KeysUnavailable, match="not been fetched yet"):
            await restarted.verifier.verify(issuer.token())
    assert f"stored key set not used: {why}" in caplog.text


async def test_infinite_times_are_no_times(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """JSON can spell infinity as a number; a file from then is ignored."""
    async with Process(issuer, path, wall):
        pass
    path.write_text(path.read_text().replace("1800000000", "1e999"))
    with pytest.raises(ValueError, match="does not say"):
        stored_key_set.load(path, issuer=issuer.issuer, now=wall(), keep_for=3600)


async def test_a_small_step_of_the_wall_clock_is_forgiven(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """A clock that was set back by a few seconds makes no good file a bad one."""
    async with Process(issuer, path, wall):
        pass
    issuer.behaviour = "down"
    wall.now -= 5
    async with Process(issuer, path, wall) as restarted:
        assert restarted.key_set.age == 0


async def test_no_file_is_no_news(
    issuer: FakeIssuer, path: Path, wall: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The first start of all says nothing about a missing file."""
    async with Process(issuer, path, wall):
        assert caplog.text == ""


async def test_an_unreadable_file_is_no_crash(
    issuer: FakeIssuer, path: Path, wall: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory in the file's place is neither read nor replaced: the log says so, and verification goes on."""
    path.mkdir(parents=True)
    (path / "something").touch()
    async with Process(issuer, path, wall) as process:
        assert (await process.verifier.verify(issuer.token())).subject
    assert "stored key set not used" in caplog.text
    assert "key set not stored" in caplog.text
    assert list(path.parent.iterdir()) == [path]


async def test_a_full_disk_is_no_outage(
    issuer: FakeIssuer, path: Path, wall: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No space left: the old file stays whole, nothing is left beside it, and verification goes on."""
    async with Process(issuer, path, wall):
        pass
    before = path.read_bytes()
    issuer.rotate()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    async with Process(issuer, path, wall) as process:
        assert (await process.verifier.verify(issuer.token())).subject
    assert "key set not stored: No space left on device" in caplog.text
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


async def test_workers_share_the_file(issuer: FakeIssuer, path: Path, wall: FakeClock) -> None:
    """Several workers that write at the same time leave one whole file."""
    workers = [Process(issuer, path, wall) for _ in range(8)]
    for worker in workers:
        await worker.__aenter__()
    for worker in workers:
        wall.now += 1
        await worker.clock.advance(265)
    for worker in workers:
        await worker.__aexit__()
    keys, _ = stored_key_set.load(path, issuer=issuer.issuer, now=wall(), keep_for=3600)
    assert list(keys) == [issuer.key_id]
    assert list(path.parent.iterdir()) == [path]
