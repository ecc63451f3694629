"""How often one may try."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, event, text
from tests.postgresql_plugin import on_one_database

from auth_service.exhausted import MOST, Exhausted
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.auth.tests.conftest import Auth, Start

WRONG = "not the password"


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
async def test_an_account_has_ten_attempts_whether_or_not_it_exists(auth: Auth, email: str) -> None:
    """The eleventh attempt on an e-mail within ten minutes gets 429 with Retry-After, even with the right password."""
    await auth.register()
    assert [(await auth.log_in(email, WRONG)).status_code for _ in range(10)] == [401] * 10
    auth.clock.now += 100
    refused = await auth.log_in(email)
    assert (refused.status_code, refused.json()["reason"]) == (429, "too_many_attempts")
    assert refused.headers["retry-after"] == "500"
    assert len(auth.hasher.verified) == 10


async def test_spellings_of_one_email_share_its_attempts(auth: Auth) -> None:
    """Letter case buys no further attempts."""
    for spelling in ["ada@example.com", "ADA@example.com", "Ada@Example.COM", "aDA@example.com", "adA@example.com"] * 2:
        assert (await auth.log_in(spelling, WRONG)).status_code == 401
    assert (await auth.log_in("aDa@example.com", WRONG)).status_code == 429


async def test_fifty_attempts_at_once_are_no_more_than_ten(auth: Auth) -> None:
    """Of fifty wrong passwords tried at the same time, exactly ten are looked at."""
    await auth.register()
    answers = await asyncio.gather(*(auth.log_in(password=WRONG) for _ in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 40)
    assert len(auth.hasher.verified) == 10


async def test_two_replicas_count_together(start: Start, grown_up: Path, tmp_path: Path) -> None:
    """Two processes on one database allow as many attempts as one, also when they are made at the same time."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    async with start() as one, start() as other:
        answers = await asyncio.gather(*(auth.log_in(password=WRONG) for _ in range(20) for auth in (one, other)))
        assert [answer.status_code for answer in answers].count(401) == 10
        assert len(one.hasher.verified) + len(other.hasher.verified) == 10


async def test_attempts_outlive_a_restart_and_end_with_their_window(start: Start) -> None:
    """A restart forgets no attempt; ten minutes after the first the account is open again."""
    async with start() as auth:
        await auth.register()
        for _ in range(10):
            await auth.log_in(password=WRONG)
    async with start() as auth:
        assert (await auth.log_in()).status_code == 429
        auth.clock.now += 599
        assert (await auth.log_in()).headers["retry-after"] == "1"
        auth.clock.now += 1
        assert (await auth.log_in()).status_code == 200


async def test_a_success_gives_the_account_its_attempts_back(auth: Auth) -> None:
    """Nine slips, a success, and nine more: nobody is locked out by their own typing."""
    await auth.register()
    for _ in range(2):
        for _ in range(9):
            assert (await auth.log_in(password=WRONG)).status_code == 401
        assert (await auth.log_in()).status_code == 200


async def test_a_success_gives_the_address_nothing_back(start: Start) -> None:
    """Logging in to an account of one's own does not pay for trying other people's from the same address."""
    async with start(attempts_per_address=5) as auth:
        await auth.register()
        assert (await auth.log_in()).status_code == 200
        assert [(await auth.log_in(f"user{n}@example.com", WRONG)).status_code for n in range(4)] == [401] * 4
        assert (await auth.log_in()).status_code == 429


async def test_an_address_that_is_stopped_stops_nobody_else(start: Start) -> None:
    """What a stopped address goes on trying is not counted against the accounts it tries."""
    async with start(attempts_per_address=3) as auth:
        await auth.register(name="Ada")
        stopped = {"Forwarded": "for=192.0.2.66"}
        body = {"email": "ada@example.com", "password": WRONG}
        answers = [await auth.client.post("/login", json=body, headers=stopped) for _ in range(20)]
        assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 17
        assert (await auth.log_in()).status_code == 200


@on_one_database
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("for=192.0.2.1", "for=192.0.2.2", False),
        ("for=192.0.2.1", 'for="192.0.2.1:4711";proto=https', True),
        ("for=192.0.2.1", "proto=http; For=192.0.2.1", True),
        ("for=192.0.2.1", 'for="[::ffff:192.0.2.1]"', True),
        ('for="[2001:db8::1]"', 'for="[2001:db8::2]:80"', True),
        ('for="[2001:db8::1]"', 'for="[2001:db8:0:1::1]"', False),
        # What a client wrote itself stands before what the gateway adds.
        ("for=198.51.100.1, for=192.0.2.1", "for=198.51.100.2, for=192.0.2.1", True),
        ("for=unknown", "for=_hidden", True),
        ("for=999.1.1.1", "nonsense", True),
        ("for=192.0.2.1", "", False),
    ],
)
async def test_attempts_are_counted_by_the_address_the_gateway_names(
    start: Start, one: str, other: str, *, same: bool
) -> None:
    """`Forwarded` tells the client's address; IPv6 is counted by subscriber; what names none falls to the peer."""
    async with start(attempts_per_address=1) as auth:
        first = await auth.client.post("/login", json=_body(1), headers={"Forwarded": one})
        second = await auth.client.post("/login", json=_body(2), headers={"Forwarded": other})
        assert first.status_code == 401
        assert second.status_code == (429 if same else 401)


async def test_forwarded_can_be_disbelieved(start: Start) -> None:
    """Where others than the gateway reach the process, a setting makes the peer's own address count."""
    async with start(attempts_per_address=1, trust_forwarded=False) as auth:
        for number, expected in ((1, 401), (2, 429)):
            headers = {"Forwarded": f"for=192.0.2.{number}"}
            answer = await auth.client.post("/login", json=_body(number), headers=headers)
            assert answer.status_code == expected


async def test_counters_are_pruned_and_name_nobody(auth: Auth) -> None:
    """Counters are gone after their window, and neither an e-mail nor an address can be read in them."""
    for number in range(5):
        await auth.log_in(f"user{number}@example.com", WRONG)
    database = Database.of(auth.settings)
    async with database.reading() as connection:
        counters = list((await connection.execute(text("SELECT counted FROM attempts"))).scalars())
    assert len(counters) == 6
    assert all(len(counted) == 32 and b"user" not in counted and b"127" not in counted for counted in counters)
    auth.clock.now += 600
    await auth.log_in("later@example.com", WRONG)
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM attempts"))).scalar() == 2
    await database.close()


@pytest.fixture
def commits() -> Iterator[list[Connection]]:
    """Every transaction that wrote, to any database, and was committed meanwhile."""
    seen: list[Connection] = []

    def note(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("signet_writes") or options.get("postgresql_readonly") is False:
            seen.append(connection)

    event.listen(Engine, "commit", note)
    yield seen
    event.remove(Engine, "commit", note)


async def test_whoever_has_no_attempts_left_holds_nobody_up(start: Start, commits: list[Connection]) -> None:
    """Eighty at once from an address that is limited take no hashing place and write nothing; others log in."""
    async with start(attempts_per_address=1, hashing_queue=0) as auth:
        await auth.register()
        flood = {"Forwarded": "for=192.0.2.66"}
        for expected in (401, 429):
            assert (await auth.client.post("/login", json=_body(1), headers=flood)).status_code == expected
        commits.clear()
        *refused, other = await asyncio.gather(
            *(auth.client.post("/login", json=_body(number), headers=flood) for number in range(80)), auth.log_in()
        )
        assert [answer.status_code for answer in refused] == [429] * 80
        assert other.status_code == 200
        assert len(commits) == 2, "one that counts the other's attempt, and one that forgives it"


async def test_attempts_at_once_are_counted_at_once(start: Start, commits: list[Connection]) -> None:
    """Thirty attempts from everywhere make one or two transactions, and no queue of thirty commits."""
    async with start() as auth:
        commits.clear()
        answers = await asyncio.gather(
            *(
                auth.client.post("/login", json=_body(number), headers={"Forwarded": f"for=192.0.2.{number}"})
                for number in range(30)
            )
        )
        assert [answer.status_code for answer in answers] == [401] * 30
        assert len(commits) <= 3
        database = Database.of(auth.settings)
        async with database.reading() as connection:
            counted = (await connection.execute(text("SELECT count(*), sum(number) FROM attempts"))).one()
        await database.close()
        assert tuple(counted) == (60, 60)


async def test_attempts_given_back_at_another_replica_are_known_within_ten_seconds(
    start: Start, grown_up: Path, tmp_path: Path
) -> None:
    """What a process remembers of somebody, it asks the database about again, and Retry-After stays true meanwhile."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    async with start(attempts_per_account=2) as one:
        await one.register()
        assert [(await one.log_in(password=WRONG)).status_code for _ in range(3)] == [401, 401, 429]
        database = Database.of(one.settings)
        async with database.writing() as connection:
            await connection.execute(text("DELETE FROM attempts"))
        await database.close()
        one.clock.now += 9
        refused = await one.log_in()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "591")
        one.clock.now += 1
        assert (await one.log_in()).status_code == 200
        assert (await one.log_in()).status_code == 200


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    """Whoever was remembered first is forgotten for one more, and all are once their time is over."""
    now = 1000.0
    exhausted = Exhausted(clock=lambda: now)
    for number in range(MOST + 1):
        exhausted.remember(b"%d" % number, until=1005)
    assert [exhausted.until(b"%d" % number) for number in (0, 1, MOST)] == [None, 1005, 1005]
    assert len(exhausted._memories) == MOST
    now = 1005.0
    assert exhausted.until(b"1") is None


def _body(number: int) -> dict[str, str]:
    return {"email": f"user{number}@example.com", "password": WRONG}
