"""RemoteKeySet: every line of what it promises, with clocks that stand still."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from token_verification import AccessTokenVerifier, InvalidToken, KeysUnavailable, RemoteKeySet
from token_verification.testing import Behaviour, FakeClock, FakeIssuer

AUDIENCE = "urn:test:api"

BAD_ANSWERS: tuple[Behaviour, ...] = (
    "down",
    "error",
    "garbage",
    "html",
    "array",
    "huge",
    "redirect",
    "compressed",
    "empty",
    "private_members",
    "weak_key",
    "encryption_key",
    "twice_the_same_kid",
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE)


@contextlib.asynccontextmanager
async def running(
    issuer: FakeIssuer, clock: FakeClock, *, patience: float = 60.0
) -> AsyncIterator[tuple[RemoteKeySet, AccessTokenVerifier]]:
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        key_set = RemoteKeySet(
            issuer.jwks_uri, issuer=issuer.issuer, http=http, patience=patience, clock=clock, sleep=clock.sleep
        )
        async with key_set:
            await clock.settle()
            yield key_set, AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=key_set)


def unknown(issuer: FakeIssuer, kid: str = "nobody") -> str:
    return issuer.token(header={"kid": kid})


async def test_refreshes_in_the_background(issuer: FakeIssuer, clock: FakeClock) -> None:
    """At 80 % of the stated max-age, give or take a tenth, the set is fetched again; no request was needed."""
    async with running(issuer, clock) as (key_set, _):
        assert issuer.requests == key_set.fetches == 1
        await clock.advance(215)
        assert issuer.requests == 1
        await clock.advance(50)
        assert issuer.requests == 2
        for _ in range(50):
            await clock.advance(265)
        pauses = set(clock.slept)
        assert all(216 <= pause <= 264 for pause in pauses)
        assert max(pauses) - min(pauses) > 10


@pytest.mark.parametrize(
    ("max_age", "shortest", "longest"),
    [(60, 43.2, 52.8), (None, 216, 264), (0, 7.2, 8.8), (86_400, 1296, 1584)],
)
async def test_goes_by_the_stated_max_age(
    max_age: int | None, shortest: float, longest: float, clock: FakeClock
) -> None:
    """The answer's max-age counts: 300 s without one, never under the cooldown, never over half the stale bound."""
    issuer = FakeIssuer(max_age=max_age)
    async with running(issuer, clock):
        assert shortest <= clock.slept[0] <= longest


async def test_retries_after_failures(issuer: FakeIssuer, clock: FakeClock) -> None:
    """After a failure it tries again in 1 s, doubling to 30 s; after a success it is back to the long pause."""
    issuer.behaviour = "down"
    async with running(issuer, clock) as (key_set, _):
        await clock.advance(1 + 2 + 4 + 8 + 16 + 30 + 30)
        assert clock.slept == [1, 2, 4, 8, 16, 30, 30, 30]
        assert key_set.fetches == 8
        issuer.behaviour = "well"
        await clock.advance(30)
        assert clock.slept[-1] >= 216
        issuer.behaviour = "down"
        await clock.advance(265)
        assert clock.slept[-1] <= 30
        assert 1 in clock.slept[8:]


async def test_a_known_key_never_waits(issuer: FakeIssuer, clock: FakeClock) -> None:
    """While the issuer hangs, tokens under known keys are verified without once yielding to the event loop."""
    async with running(issuer, clock) as (key_set, verifier):
        issuer.behaviour = "hang"
        await clock.advance(265)
        stuck = asyncio.create_task(verifier.verify(unknown(issuer)))
        await clock.settle()
        assert not stuck.done()
        with pytest.raises(StopIteration) as returned:
            verifier.verify(issuer.token()).send(None)
        assert returned.value.value.subject == "subject-1"
        assert key_set.fetches == 2
        stuck.cancel()


async def test_a_bad_signature_never_fetches(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Anyone can sign nonsense under a kid that exists: it must not reach the issuer."""
    async with running(issuer, clock) as (_, verifier):
        await clock.advance(100)
        forged = issuer.sign(
            b'{"alg":"RS256","typ":"at+jwt","kid":"%s"}' % issuer.key_id.encode(), b"{}", key=issuer.attackers_key()
        )
        for _ in range(20):
            with pytest.raises(InvalidToken, match="bad_signature"):
                await verifier.verify(forged)
        assert issuer.requests == 1


async def test_finds_a_rotated_key_at_once(issuer: FakeIssuer, clock: FakeClock) -> None:
    """A key published after the last fetch is found by the first token it signed; a retired one goes."""
    async with running(issuer, clock) as (key_set, verifier):
        before = issuer.token()
        retired = issuer.key_id
        await clock.advance(11)
        issuer.rotate()
        assert (await verifier.verify(issuer.token())).key_id == issuer.key_id
        assert (await verifier.verify(before)).key_id == retired
        assert key_set.fetches == 2
        issuer.retire(retired)
        await clock.advance(265)
        with pytest.raises(InvalidToken, match="unknown_kid"):
            await verifier.verify(before)


async def test_all_who_wait_share_one_fetch(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Many tokens under a new key at once cause one fetch and pass; that some give up disturbs nobody."""
    async with running(issuer, clock) as (key_set, verifier):
        await clock.advance(11)
        issuer.rotate()
        waiting = [asyncio.create_task(verifier.verify(issuer.token())) for _ in range(32)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[20].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result).__name__ for result in results].count("AccessToken") == 30
        assert [type(result).__name__ for result in results].count("CancelledError") == 2
        assert key_set.fetches == 2


async def test_a_refresh_that_is_due_joins_the_fetch_under_way(issuer: FakeIssuer, clock: FakeClock) -> None:
    """When the background's time comes while a request's fetch is under way, there is no second one."""
    async with running(issuer, clock) as (key_set, verifier):
        await clock.advance(200)
        issuer.behaviour = "hang"
        waiting = asyncio.create_task(verifier.verify(unknown(issuer)))
        await clock.advance(65)
        assert key_set.fetches == issuer.requests == 2
        assert not waiting.done()
        waiting.cancel()


async def test_nobody_waits_long_for_a_hanging_issuer(issuer: FakeIssuer, clock: FakeClock) -> None:
    """A caller gives up before a gateway would, with 503; the fetch goes on, and its keys are there for the next."""
    answers = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        await answers.wait()
        return httpx.Response(200, json=issuer.jwk_set)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        RemoteKeySet("http://x", issuer="i", http=http, patience=0.01, clock=clock, sleep=clock.sleep) as key_set,
    ):
        with pytest.raises(KeysUnavailable, match="takes long") as refused:
            await key_set.find(issuer.key_id)
        assert refused.value.retry_after == 3
        answers.set()
        await clock.settle()
        assert key_set.known(issuer.key_id) is not None
        assert key_set.fetches == 1


async def test_only_so_many_wait_at_a_time(issuer: FakeIssuer, clock: FakeClock) -> None:
    """While the issuer hangs, 32 of a flood of unknown kids wait; the rest has 503 at once, and places return."""
    async with running(issuer, clock) as (key_set, verifier):
        await clock.advance(11)
        issuer.behaviour = "hang"
        flood = [asyncio.create_task(verifier.verify(unknown(issuer, f"{number}"))) for number in range(200)]
        await clock.settle()
        refused = [task for task in flood if task.done()]
        assert len(refused) == 200 - 32
        assert {str(task.exception()) for task in refused} == {
            "keys_unavailable: Too many already wait for the issuer's keys."
        }
        assert (await verifier.verify(issuer.token())).subject == "subject-1"
        assert key_set.fetches == 2
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        again = asyncio.create_task(verifier.verify(unknown(issuer)))
        await clock.settle()
        assert not again.done()
        again.cancel()


@pytest.mark.parametrize(
    ("behaviour", "answer"), [("well", InvalidToken), ("down", KeysUnavailable), ("error", KeysUnavailable)]
)
async def test_a_flood_of_unknown_kids(
    behaviour: Behaviour, answer: type[Exception], issuer: FakeIssuer, clock: FakeClock
) -> None:
    """5,000 unknown kids cause one fetch per cooldown, issuer up (401) or down (503); valid requests never wait."""
    async with running(issuer, clock) as (key_set, verifier):
        issuer.behaviour = behaviour
        good = issuer.token()
        flood = [unknown(issuer, f"{number}") for number in range(250)]
        for _ in range(20):
            before = key_set.fetches
            await clock.advance(10)
            assert key_set.fetches - before <= 11  # the background's own retries, while the issuer is down
            before = key_set.fetches
            for first in range(0, len(flood), 25):
                tasks = [asyncio.create_task(verifier.verify(token)) for token in flood[first : first + 25]]
                with pytest.raises(StopIteration):
                    verifier.verify(good).send(None)
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(result) for result in results} == {answer}
            assert key_set.fetches - before <= 1
            with pytest.raises(answer):
                await verifier.verify(unknown(issuer))
            assert key_set.fetches - before <= 1
        if behaviour == "well":
            # One per cooldown, for 200 s, and the first.
            assert key_set.fetches == 21
        assert (await verifier.verify(good)).subject == "subject-1"


async def test_the_cooldown_starts_at_any_attempt(issuer: FakeIssuer, clock: FakeClock) -> None:
    """A fetch in the background counts as well: an unknown kid within 10 s of it is answered without another one."""
    async with running(issuer, clock) as (key_set, verifier):
        with pytest.raises(InvalidToken, match="unknown_kid"):
            await verifier.verify(unknown(issuer))
        assert key_set.fetches == 1
        await clock.advance(9.9)
        with pytest.raises(InvalidToken, match="unknown_kid"):
            await verifier.verify(unknown(issuer))
        assert key_set.fetches == 1
        await clock.advance(0.1)
        with pytest.raises(InvalidToken, match="unknown_kid"):
            await verifier.verify(unknown(issuer))
        assert key_set.fetches == 2


async def test_an_unknown_kid_during_an_outage_is_nobodys_fault(issuer: FakeIssuer, clock: FakeClock) -> None:
    """After a failed fetch the answer is 503 with the time until the next, not 401; 300 such cause one fetch."""
    async with running(issuer, clock) as (key_set, verifier):
        await clock.advance(20)
        issuer.behaviour = "down"
        issuer.rotate()
        for _ in range(300):
            with pytest.raises(KeysUnavailable):
                await verifier.verify(issuer.token())
        with pytest.raises(KeysUnavailable) as refused:
            await verifier.verify(issuer.token())
        assert refused.value.retry_after == 1  # the background tries again so soon
        assert key_set.fetches == 2
        assert "cannot be fetched" in refused.value.detail
        assert "https" not in refused.value.detail
        issuer.behaviour = "well"
        await clock.advance(1)
        assert (await verifier.verify(issuer.token())).key_id == issuer.key_id


async def test_outlives_the_issuer_within_the_bound(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Issuer gone: known keys go on verifying for an hour, then 503 with Retry-After, until it is back."""
    async with running(issuer, clock) as (key_set, verifier):
        issuer.behaviour = "down"
        await clock.advance(3599)
        assert (await verifier.verify(issuer.token())).subject
        assert await key_set.ready() is None
        assert key_set.age == 3599
        await clock.advance(1)
        with pytest.raises(KeysUnavailable) as refused:
            await verifier.verify(issuer.token())
        assert 1 <= refused.value.retry_after <= 30
        assert refused.value.detail.startswith("The issuer's keys are 3600 s old, 3600 s are allowed.")
        assert await key_set.ready() == refused.value.detail
        issuer.behaviour = "well"
        await clock.advance(30)
        assert (await verifier.verify(issuer.token())).subject
        assert await key_set.ready() is None


async def test_starts_without_the_issuer(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Issuer down at start: the context is entered all the same, requests get 503, and all is well once it is there."""
    issuer.behaviour = "down"
    async with running(issuer, clock) as (key_set, verifier):
        assert key_set.age is None
        with pytest.raises(KeysUnavailable, match="not been fetched yet"):
            await verifier.verify(issuer.token())
        assert "ConnectError" in (await key_set.ready() or "")
        issuer.behaviour = "well"
        await clock.advance(1)
        assert (await verifier.verify(issuer.token())).subject
        assert await key_set.ready() is None


async def test_the_first_request_waits_for_the_first_fetch(issuer: FakeIssuer) -> None:
    """A request that comes before the first fetch has ended waits for it, instead of failing or fetching again."""
    async with (
        httpx.AsyncClient(transport=issuer.transport) as http,
        RemoteKeySet(issuer.jwks_uri, issuer=issuer.issuer, http=http) as key_set,
    ):
        assert await key_set.ready() == "The issuer's keys have not been fetched yet."
        assert await key_set.find(issuer.key_id) is not None
        assert key_set.fetches == 1


@pytest.mark.parametrize("behaviour", BAD_ANSWERS)
async def test_a_bad_answer_changes_nothing(
    behaviour: Behaviour, issuer: FakeIssuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless the answer is a key set of the right shape with a usable key, the last good one stays."""
    async with running(issuer, clock) as (key_set, verifier):
        good = issuer.token()
        issuer.behaviour = behaviour
        await clock.advance(270)
        assert key_set.fetches >= 2
        assert (await verifier.verify(good)).subject == "subject-1"
        assert key_set.age is not None
        assert key_set.age >= 270
        assert "key set not refreshed" in caplog.text


async def test_a_304_renews_the_age(issuer: FakeIssuer, clock: FakeClock) -> None:
    """The ETag is sent back, and a 304 counts as the issuer's word that these are still its keys."""
    async with running(issuer, clock) as (key_set, verifier):
        await clock.advance(265)
        assert issuer.asgi.not_modified == 1
        assert (key_set.age or 0) < 50
        assert (await verifier.verify(issuer.token())).subject
        await clock.advance(10)
        issuer.rotate()
        assert (await verifier.verify(issuer.token())).subject
        assert issuer.asgi.not_modified == 1


async def test_a_304_that_was_not_asked_for_is_refused(clock: FakeClock) -> None:
    """Without a set there is nothing that could be unmodified."""
    transport = httpx.MockTransport(lambda _: httpx.Response(304))
    async with (
        httpx.AsyncClient(transport=transport) as http,
        RemoteKeySet("http://x", issuer="i", http=http, clock=clock, sleep=clock.sleep) as key_set,
    ):
        await clock.settle()
        assert "304" in (await key_set.ready() or "")


async def test_bad_entries_are_left_out_and_told_once(
    issuer: FakeIssuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A set with one bad entry beside a good one is used; the complaint is logged when it is new, not each time."""
    answer = {"keys": [{"kty": "EC", "kid": "ec\n1"}, *issuer.jwk_set["keys"]]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    async with (
        httpx.AsyncClient(transport=transport) as http,
        RemoteKeySet("http://x", issuer="i", http=http, clock=clock, sleep=clock.sleep) as key_set,
    ):
        await clock.settle()
        assert key_set.known(issuer.key_id) is not None
        await clock.advance(600)
        assert key_set.fetches > 2
        complaints = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert [record.getMessage() for record in complaints] == ["key set: key 0 (kid ec?1) has kty EC instead of RSA"]


@pytest.mark.parametrize("tag", [b"", b'"' + b"t" * 300 + b'"', b'"\xe9"'], ids=["none", "long", "not ASCII"])
async def test_without_a_usable_entity_tag_all_is_fetched(tag: bytes, issuer: FakeIssuer, clock: FakeClock) -> None:
    """No ETag, or one that is absurdly long, or that a request cannot hold: the next request is a plain one."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=issuer.jwk_set, headers=[(b"etag", tag)] if tag else [])

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        RemoteKeySet("http://x", issuer="i", http=http, clock=clock, sleep=clock.sleep),
    ):
        await clock.settle()
        await clock.advance(265)
    assert len(asked) == 2
    assert "if-none-match" not in asked[1].headers
    assert asked[1].headers["accept-encoding"] == "identity"


async def test_a_transport_that_breaks_does_not_end_the_refreshing(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Whatever the client raises, also what is no httpx error, is a failed fetch and no more."""
    broken = True

    def answer(_: httpx.Request) -> httpx.Response:
        if broken:
            raise RuntimeError("closed")
        return httpx.Response(200, json=issuer.jwk_set)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        RemoteKeySet("http://x", issuer="i", http=http, clock=clock, sleep=clock.sleep) as key_set,
    ):
        await clock.settle()
        assert "RuntimeError" in (await key_set.ready() or "")
        broken = False
        await clock.advance(1)
        assert await key_set.ready() is None


async def test_works_on_demand_without_its_context(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Without the background task an unknown key is fetched when it is asked for, under the same cooldown."""
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        key_set = RemoteKeySet(issuer.jwks_uri, issuer=issuer.issuer, http=http, clock=clock)
        assert await key_set.find(issuer.key_id) is not None
        assert await key_set.find("nobody") is None
        assert key_set.fetches == 1
        await clock.advance(3600)
        issuer.behaviour = "down"
        with pytest.raises(KeysUnavailable) as refused:
            await key_set.find(issuer.key_id)
        assert refused.value.retry_after == 10


async def test_can_be_stopped_before_it_began(issuer: FakeIssuer) -> None:
    """A context that ends before its first fetch took a step leaves nothing to wait for: asking fetches anew."""
    async with httpx.AsyncClient(transport=issuer.transport) as http:
        async with RemoteKeySet(issuer.jwks_uri, issuer=issuer.issuer, http=http) as key_set:
            pass
        assert key_set.fetches == 0
        async with asyncio.timeout(5):
            assert await key_set.find(issuer.key_id) is not None


async def test_stops_when_its_context_ends(issuer: FakeIssuer, clock: FakeClock) -> None:
    """No task is left behind; who still waits for a hanging fetch is told 503, not that the key does not exist."""
    others = asyncio.all_tasks()
    async with running(issuer, clock) as (_, verifier):
        await clock.advance(11)
        issuer.behaviour = "hang"
        waiting = asyncio.create_task(verifier.verify(unknown(issuer)))
        await clock.settle()
    with pytest.raises(KeysUnavailable, match="stopped"):
        await waiting
    assert asyncio.all_tasks() == others


async def test_a_refresh_has_no_cooldown(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Who has a cooldown of its own may look for a key at any time; it costs the requests nothing of theirs."""
    async with running(issuer, clock) as (key_set, _):
        kid = ""
        for fetches in (2, 3):
            kid = issuer.rotate()
            assert await key_set.refresh(kid) == key_set.known(kid) is not None
            assert key_set.fetches == fetches
        assert await key_set.refresh("nobody") is None
        issuer.behaviour = "down"
        assert await key_set.refresh(issuer.rotate()) is None
        assert key_set.known(kid) is not None


async def test_a_refresh_does_not_rest_on_a_fetch_that_began_before(clock: FakeClock) -> None:
    """A fetch under way may bring the set as it was: if the key is not in it, another fetch begins, and just one."""
    issuer = FakeIssuer(audience=AUDIENCE)
    before = issuer.jwk_set
    answers = [asyncio.Event() for _ in range(3)]
    asked = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        number = asked
        await answers[number - 1].wait()
        return httpx.Response(200, json=before if number < 3 else issuer.jwk_set)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        RemoteKeySet("http://x", issuer="i", http=http, clock=clock, sleep=clock.sleep) as key_set,
    ):
        joined = asyncio.create_task(key_set.refresh(issuer.key_id))
        await clock.settle()
        answers[0].set()
        assert (await joined) is not None
        assert asked == 1
        await clock.advance(11)
        slow = asyncio.create_task(key_set.find("nobody"))
        await clock.settle()
        kid = issuer.rotate()
        looking = [asyncio.create_task(key_set.refresh(kid)) for _ in range(3)]
        await clock.settle()
        answers[1].set()
        await clock.settle()
        answers[2].set()
        assert {(await each) is not None for each in looking} == {True}
        assert await slow is None
        assert asked == 3


async def test_a_refresh_ends_with_the_key_set(issuer: FakeIssuer, clock: FakeClock) -> None:
    """Who waits for a key when the key set is left gets none, and no fetch begins behind its back."""
    async with running(issuer, clock) as (key_set, _):
        issuer.behaviour = "hang"
        waiting = asyncio.create_task(key_set.refresh("nobody"))
        await clock.settle()
        joined = asyncio.create_task(key_set.refresh("nobody"))
        await clock.settle()
    assert await waiting is None
    assert await joined is None
    assert key_set.fetches == 2
    assert await key_set.refresh("nobody") is None
    assert key_set.fetches == 2
