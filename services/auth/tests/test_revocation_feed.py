"""`GET /revocations`: what was revoked after a seq, signed, at once or as soon as there is something."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest
import structlog
from fastapi.routing import APIRoute
from services.auth.tests.conftest import PASSWORD
from sqlalchemy import text
from tests.postgresql_plugin import on_one_database

import token_verification
from auth_service.endpoints.revocations import _preferred_wait
from auth_service.first_administrator import create_first_administrator
from auth_service.revocation_feed import RevocationNews
from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.database import Database, StorageUnavailable
from token_verification.revocation_answer import LAST_SEQ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from services.auth.tests.conftest import Auth, Start
    from starlette.types import Receive, Scope, Send

LOGIN = RevocationKind.LOGIN


@pytest.fixture
async def elsewhere(auth: Auth) -> AsyncIterator[RevocationLog]:
    """Give the log as another process on the same database has it."""
    database = Database.of(auth.settings)
    yield RevocationLog(database, remember_for=605, clock=auth.clock)
    await database.close()


async def append(log: RevocationLog, *ids: str) -> int:
    """Append in a transaction of its own."""
    async with log.writing() as connection:
        return await log.append(connection, LOGIN, ids)


async def ask(auth: Auth, after: int, wait: int | None = None) -> httpx.Response:
    """Ask what there is after a seq."""
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}
    return await auth.client.get("/revocations", params={"after": after}, headers=headers)


async def said(auth: Auth, answer: httpx.Response) -> dict[str, Any]:
    """Return an answer's claims, having verified it with the published keys."""
    assert answer.status_code == 200, answer.text
    keys = (await auth.client.get("/.well-known/jwks.json")).json()
    kid = jwt.get_unverified_header(answer.text)["kid"]
    key = jwt.PyJWKSet.from_dict(keys)[kid]
    return dict(
        jwt.decode(
            answer.text,
            key,
            algorithms=["RS256"],
            issuer=auth.settings.issuer,
            options={"verify_exp": False, "verify_iat": False},
        )
    )


async def signatures(auth: Auth) -> float:
    """Return how many answers were signed."""
    return await figure(auth, "revocation_feed_signatures_total")


async def figure(auth: Auth, name: str) -> float:
    """Return a figure of the process."""
    (line,) = [line for line in (await auth.client.get("/metrics")).text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


async def everybody_waits(auth: Auth, number: int) -> None:
    """Return when so many wait."""
    async with asyncio.timeout(30):
        while await figure(auth, "revocation_feed_waiting") != number:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.02)


@on_one_database
async def test_an_answer_is_what_the_protocol_says(auth: Auth, elsewhere: RevocationLog) -> None:
    """Exactly these members, in the header and in the claims; signed with the active key; nobody may store it."""
    seq = await append(elsewhere, "a", "b")
    answer = await ask(auth, 0, wait=20)
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["preference-applied"] == "wait=20"
    header = jwt.get_unverified_header(answer.text)
    assert header == {"alg": "RS256", "typ": "revocations+jwt", "kid": header["kid"]}
    now = int(auth.clock())
    assert await said(auth, answer) == {
        "iss": auth.settings.issuer,
        "iat": now,
        "exp": now + 20 + 10,
        "after": 0,
        "seq": seq,
        "more": False,
        "revoked": [["sid", "a", now + 606], ["sid", "b", now + 606]],
    }


@on_one_database
async def test_a_key_is_revoked_for_good(auth: Auth, elsewhere: RevocationLog) -> None:
    """Its row says null, where others say until when."""
    async with elsewhere.writing() as connection:
        await elsewhere.append(connection, RevocationKind.KEY, ["k"])
    assert (await said(auth, await ask(auth, 0)))["revoked"] == [["kid", "k", None]]


async def test_who_does_not_want_to_wait_does_not(auth: Auth, elsewhere: RevocationLog) -> None:
    """Without a preference the answer is what the log says now, whoever appended it, and be it nothing."""
    beginning = await said(auth, await ask(auth, 0))
    assert (beginning["revoked"], beginning["more"]) == ([], False)
    for number in range(3):
        seq = await append(elsewhere, str(number))
        answer = await ask(auth, seq - 1)
        assert "preference-applied" not in answer.headers
        assert [row[1] for row in (await said(auth, answer))["revoked"]] == [str(number)]
        assert (await said(auth, await ask(auth, seq)))["revoked"] == []


@on_one_database
async def test_a_new_follower_never_waits(auth: Auth) -> None:
    """All there is, is known at once also when there is nothing; only then does a follower wait."""
    seq = (await said(auth, await asyncio.wait_for(ask(auth, 0, wait=30), 20)))["seq"]
    assert seq > 0


async def test_all_who_wait_get_one_answer_as_soon_as_there_is_something(auth: Auth, elsewhere: RevocationLog) -> None:
    """What another process appends lets everybody go, with the same bytes and one signature."""
    seq = (await said(auth, await ask(auth, 0)))["seq"]
    before = await signatures(auth)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(ask(auth, seq, wait=30)) for _ in range(50)]
        await everybody_waits(auth, 50)
        await append(elsewhere, "a")
    answers = {task.result().text for task in waiting}
    assert len(answers) == 1
    assert [row[1] for row in (await said(auth, waiting[0].result()))["revoked"]] == ["a"]
    assert await signatures(auth) == before + 1
    assert await figure(auth, "revocation_feed_waiting") == 0


@on_one_database
async def test_a_wait_ends_empty(start: Start) -> None:
    """No longer than the process lets anyone wait; what was asked is then known up to where it was asked."""
    async with start(feed_longest_wait=1) as auth:
        seq = (await said(auth, await ask(auth, 0)))["seq"]
        answer = await asyncio.wait_for(ask(auth, seq, wait=3600), 20)
        assert answer.headers["preference-applied"] == "wait=1"
        claims = await said(auth, answer)
        assert (claims["after"], claims["seq"], claims["revoked"]) == (seq, seq, [])
        assert claims["exp"] == claims["iat"] + 1 + 10


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (["wait=20"], 20),
        (['Wait = "7"'], 7),
        (["respond-async, wait=10; x=y, wait=5"], 10),
        (["respond-async", "wait=0"], 0),
        (["wait=-1"], None),
        (["wait=ten"], None),
        (["wait=1.5"], None),
        (['wait="1'], None),
        (["no-wait=3"], None),
        (["wait=٣"], None),
        ([], None),
    ],
)
def test_the_preference_is_read_as_the_rfc_writes_it(prefer: list[str], seconds: int | None) -> None:
    """In any case, quoted, among others, the first counts; what cannot be understood is as if it were not there."""
    assert _preferred_wait(prefer) == seconds


@on_one_database
async def test_what_is_no_seq_is_refused(auth: Auth) -> None:
    """A seq has one spelling."""
    for after in ("", "-1", "+1", "1.0", "0x1", " 1", "1_0", "01", str(2**63), "1" * 20, "sid", "٣"):
        refused = await auth.client.get("/revocations", params={"after": after})
        assert (refused.status_code, refused.json()["reason"]) == (422, "invalid_parameters"), after
        assert refused.json()["errors"][0]["field"] == "after"
    assert (await auth.client.get("/revocations")).status_code == 422


@on_one_database
async def test_a_followers_question_takes_the_short_way(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs no routing; one spelt otherwise takes the usual way, to the same bytes. Both are counted alike."""
    routed: list[str] = []
    route = APIRoute.handle

    async def watched(self: APIRoute, scope: Scope, receive: Receive, send: Send) -> None:
        routed.append(self.path)
        await route(self, scope, receive, send)

    monkeypatch.setattr(APIRoute, "handle", watched)
    short = await auth.client.get("/revocations?after=0")
    assert routed == []
    for spelt in ("/revocations?after=%30", "/revocations?after=0&more=1"):
        usual = await auth.client.get(spelt)
        assert (usual.content, usual.headers["content-type"]) == (short.content, "application/jwt")
    assert (await auth.client.head("/revocations?after=0")).headers["cache-control"] == "no-store"
    assert (await auth.client.post("/revocations?after=0")).status_code == 401
    assert routed == ["/revocations"] * 3
    assert {"x-request-id", "cache-control"} <= short.headers.keys()
    assert await figure(auth, 'http_requests_total{method="GET",route="/revocations",status="200"}') == 3


@on_one_database
async def test_who_asks_the_same_waits_together(auth: Auth) -> None:
    """However many wait, it is one task; who leaves disturbs nobody, and the last one to leave ends it."""
    seq = (await said(auth, await ask(auth, 0)))["seq"]
    waiting = [asyncio.create_task(ask(auth, seq, wait=30)) for _ in range(20)]
    await everybody_waits(auth, 20)

    def waits() -> int:
        return sum("_answer_later" in repr(task) for task in asyncio.all_tasks())

    assert waits() == 1
    for task in waiting[1:]:
        task.cancel()
    await everybody_waits(auth, 1)
    assert waits() == 1
    waiting[0].cancel()
    await everybody_waits(auth, 0)
    assert waits() == 0


@on_one_database
async def test_who_is_ahead_of_the_log_is_told_where_it_ends(auth: Auth, elsewhere: RevocationLog) -> None:
    """At once, up to the last seq there can be, and once a minute in the log: the database was put back."""
    seq = await append(elsewhere, "a")
    with structlog.testing.capture_logs() as logged:
        for after in (seq + 1, LAST_SEQ):
            claims = await said(auth, await asyncio.wait_for(ask(auth, after, wait=30), 20))
            assert (claims["after"], claims["seq"], claims["revoked"]) == (after, seq, [])
        told = [line for line in logged if line["event"] == "revocation_follower_ahead"]
        assert [(line["after"], line["head"], line["log_level"]) for line in told] == [(seq + 1, seq, "warning")]
    assert [row[1] for row in (await said(auth, await ask(auth, 0, wait=30)))["revoked"]] == ["a"]


@on_one_database
async def test_an_answer_is_no_access_token(auth: Auth) -> None:
    """Whoever has an answer has nothing that opens a door, though the same key signed it."""
    answer = (await ask(auth, 0)).text
    refused = await auth.client.get("/nothing", headers={"Authorization": f"Bearer {answer}"})
    assert (refused.status_code, refused.json()["reason"]) == (401, "wrong_type")


@on_one_database
async def test_answers_are_not_signed_in_the_event_loop(auth: Auth, signed_in: set[int]) -> None:
    """A signature, and ten thousand rows in JSON, are a thread's work."""
    await ask(auth, 0)
    assert signed_in
    assert threading.get_ident() not in signed_in


@on_one_database
async def test_an_answer_is_shared_for_a_second(auth: Auth) -> None:
    """Whoever asks the same within that time gets the same, also where a second of the clock ends in it."""
    auth.clock.now += 0.9
    first = await ask(auth, 1)
    auth.clock.now += 0.9
    assert (await ask(auth, 1)).text == first.text
    auth.clock.now += 0.1
    later = await said(auth, await ask(auth, 1))
    assert later["iat"] == (await said(auth, first))["iat"] + 1
    assert await signatures(auth) == 2


@on_one_database
async def test_who_comes_when_all_places_are_taken_is_told_so(start: Start, auth: Auth) -> None:
    """503 with Retry-After, while whoever does not wait, or has something to get, is served."""
    async with start(feed_places=1) as small:
        seq = (await said(small, await ask(small, 0)))["seq"]
        waiting = asyncio.create_task(ask(small, seq, wait=30))
        await everybody_waits(small, 1)
        refused = await ask(small, seq, wait=30)
        assert (refused.status_code, refused.json()["reason"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await ask(small, seq)).status_code == 200
        assert (await ask(small, 0, wait=30)).status_code == 200
        waiting.cancel()


@on_one_database
async def test_who_goes_away_gives_their_place_back(auth: Auth) -> None:
    """A follower whose connection ends is not waited for."""
    seq = (await said(auth, await ask(auth, 0)))["seq"]
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/revocations", "raw_path": b"/revocations",
        "root_path": "", "scheme": "http", "query_string": f"after={seq}".encode(), "client": None, "server": None,
        "headers": [(b"host", b"auth.test"), (b"prefer", b"wait=30")],
    }  # fmt: skip

    async def drop(_: object) -> None:
        pass

    serving = asyncio.create_task(auth.app(scope, messages.get, drop))
    await everybody_waits(auth, 1)
    messages.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(20):
        await serving
        await everybody_waits(auth, 0)


@on_one_database
async def test_the_end_of_the_process_lets_everybody_go(auth: Auth) -> None:
    """With a whole answer, empty and signed; whoever asks after that is answered at once."""
    seq = (await said(auth, await ask(auth, 0)))["seq"]
    waiting = [asyncio.create_task(ask(auth, seq, wait=30)) for _ in range(3)]
    await everybody_waits(auth, 3)
    auth.wake()
    async with asyncio.timeout(20):
        for answer in [*await asyncio.gather(*waiting), await ask(auth, seq, wait=30)]:
            claims = await said(auth, answer)
            assert (claims["seq"], claims["revoked"]) == (seq, [])


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_an_answer_that_could_not_be_made_is_not_kept(auth: Auth, elsewhere: RevocationLog) -> None:
    """A log that cannot be read is 503; the next who asks the same is answered when that is over."""
    await append(elsewhere, "a")
    database = Database.of(auth.settings)
    async with database.writing() as connection:
        await connection.execute(text("LOCK TABLE revocations IN ACCESS EXCLUSIVE MODE"))
        refused = await ask(auth, 0)
        assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
    await database.close()
    assert (await said(auth, await ask(auth, 0)))["revoked"][0][1] == "a"


async def test_a_key_is_revoked_by_an_answer_of_its_successor(
    auth: Auth, elsewhere: RevocationLog, start: Start
) -> None:
    """Another key signs the answer that announces it, also at a replica that knew nothing of it a moment before."""
    await create_first_administrator(auth.settings, email="root@example.com", name="Root", password=PASSWORD)
    seq = (await said(auth, await ask(auth, 0)))["seq"]
    async with start(clock=auth.clock) as other:
        token = (await other.log_in("root@example.com", resource="urn:signet:auth")).json()["access_token"]
        waiting = asyncio.create_task(ask(auth, seq, wait=30))
        await everybody_waits(auth, 1)
        kid = jwt.get_unverified_header((await ask(auth, 0)).text)["kid"]  # auth has just looked which key signs
        authorization = {"Authorization": f"Bearer {token}"}
        changed = await other.client.post(f"/admin/keys/{kid}/compromise", headers=authorization)
        assert changed.status_code == 200, changed.text
    answer = await asyncio.wait_for(waiting, 20)
    assert jwt.get_unverified_header(answer.text)["kid"] != kid
    assert (await said(auth, answer))["revoked"] == [["kid", kid, None]]


async def test_the_library_follows(auth: Auth, elsewhere: RevocationLog) -> None:
    """What any process appends, a resource server that follows this one knows without asking."""
    issuer = auth.settings.issuer
    url = "http://auth.test/.well-known/jwks.json"
    async with (
        token_verification.RemoteKeySet(url, issuer=issuer, http=auth.client, wall_clock=auth.clock) as key_set,
        token_verification.RevocationFeed(
            "http://auth.test/revocations",
            issuer=issuer,
            key_set=key_set,
            http=auth.client,
            journal=None,
            wall_clock=auth.clock,
        ) as feed,
        asyncio.timeout(30),
    ):
        while await feed.ready() is not None:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.02)
        assert not feed.login_has_ended("a")
        seq = await append(elsewhere, "a", "b")
        while feed.seq < seq:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.02)
        assert [feed.login_has_ended(name) for name in "abc"] == [True, True, False]


class LogInMemory:
    """A log that is as long as it is said to be, and counts who looks."""

    def __init__(self) -> None:
        self.grown = asyncio.Event()
        self.length = 1
        self.looks = 0
        self.away = False

    async def head(self) -> int:
        self.looks += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise StorageUnavailable
        return self.length

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[LogInMemory]:
        yield self

    async def wait(self) -> None:
        await asyncio.Event().wait()

    def news(self, *, gathering: float = 0.01) -> RevocationNews:
        return RevocationNews(cast("RevocationLog", self), gathering=gathering, places=10)


async def test_who_looks_at_the_same_time_looks_together() -> None:
    """A look that began before somebody came may be too early for them; the next one is everybody's."""
    log = LogInMemory()
    news = log.news()
    first = asyncio.create_task(news.look())
    await asyncio.sleep(0)
    log.length = 7
    await asyncio.gather(first, *(news.look() for _ in range(100)))
    assert (news.head, log.looks) == (7, 2)
    log.away = True
    refused = await asyncio.gather(*(news.look() for _ in range(100)), return_exceptions=True)
    assert {type(each) for each in refused} == {StorageUnavailable}
    assert log.looks <= 4


async def test_what_is_revoked_together_goes_out_together() -> None:
    """Between two looks there is a pause, however often the log grows meanwhile."""
    log = LogInMemory()
    async with log.news(gathering=0.5).running():
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            log.length += 1
            log.grown.set()
            await asyncio.sleep(0.005)
        assert log.looks <= 2 + (asyncio.get_running_loop().time() - began) / 0.5  # on a machine that stood still


async def test_a_log_that_is_away_is_looked_for_until_it_is_back() -> None:
    """Readiness says that it is away; whoever waits is let go by what was appended meanwhile."""
    log = LogInMemory()
    news = log.news()
    assert await news.ready() is not None
    async with news.running(), asyncio.timeout(30):
        while await news.ready() is not None:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.01)
        log.away = True
        log.length = 2
        log.grown.set()
        waiting = asyncio.create_task(news.wait(1, 60))
        while await news.ready() is None:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.01)
        assert not waiting.done()
        log.away = False
        await waiting
        assert await news.ready() is None
