"""Rotations and compromises as they are committed: by several processes, through faults, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from services.auth.tests.key_replicas import START, TIMES, Clock, QuickMaker, Replica, replicas
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from auth_service.database import signing_keys
from auth_service.signing_keys import EXCLUSIVE, KeysUnavailable, RotationTooEarly, UnknownKey, label
from service_chassis.database import StorageUnavailable
from service_chassis.key_change import SealedColumn, change_key_encryption_key
from service_chassis.sealing import KeyEncryptionKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from tests.postgresql_plugin import NewDatabase


@pytest.fixture
def url(new_database: NewDatabase, tmp_path: Path) -> str:
    """Give the URL of a database."""
    return new_database(tmp_path / "auth.db", "auth_service")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pair(url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[list[Replica]]:
    """Give two processes of one issuer."""
    async with replicas(url, tmp_path / "kek", 2, clock=clock) as made:
        yield made


def kids(replica: Replica) -> list[str]:
    return [key["kid"] for key in json.loads(replica.keys.key_set.body)["keys"]]


async def kid_in(replica: Replica, state: str) -> str:
    (kid,) = [kid for kid, each in (await replica.states()).items() if each == state]
    return kid


async def _away(**_: object) -> None:
    raise StorageUnavailable


async def test_a_rotation_keeps_the_old_key_in_the_set_until_nothing_it_signed_can_be_good(
    pair: list[Replica], clock: Clock
) -> None:
    """It retires for 905 s, without its private half; one process removes it, and no other comes back to it."""
    one, other = pair
    old = (await one.keys.signer()).kid
    changed = await one.transitions.rotate()
    assert (await one.keys.signer(within=0)).kid == changed.active != old
    assert await one.states() == {old: "retiring", changed.active: "active", changed.pending: "pending"}
    assert await one.sealed() == {changed.active, changed.pending}
    clock.now += 904
    await asyncio.gather(one.transitions.advance(), other.transitions.advance())
    assert old in kids(other)
    clock.now += 1
    assert await one.transitions.advance() == START + 86400
    await other.transitions.advance()
    assert await one.states() == {old: "removed", changed.active: "active", changed.pending: "pending"}
    assert old not in kids(one) + kids(other)
    assert kids(one) == kids(other)
    assert await one.revoked() == []


async def test_of_two_rotations_at_once_one_rotates_and_one_new_key_is_made(pair: list[Replica]) -> None:
    """The other is told that it is too early for a second one; both know the same keys afterwards."""
    answers = await asyncio.gather(*(each.transitions.rotate() for each in pair), return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, RotationTooEarly)]
    assert refused.headers["Retry-After"] == "600"
    assert sorted((await pair[0].states()).values()) == ["active", "pending", "retiring"]
    for each in pair:
        await each.keys.look()
    assert kids(pair[0]) == kids(pair[1])


async def test_a_scheduled_rotation_that_all_find_due_is_one(pair: list[Replica], clock: Clock) -> None:
    """Not a second before 24 h, and then once, however many processes wake up."""
    clock.now += 86399
    await asyncio.gather(*(each.transitions.advance() for each in pair))
    assert sorted((await pair[0].states()).values()) == ["active", "pending"]
    clock.now += 1
    await asyncio.gather(*(each.transitions.advance() for each in pair))
    assert sorted((await pair[0].states()).values()) == ["active", "pending", "retiring"]
    assert {(await each.keys.signer(within=0)).kid for each in pair} == {await kid_in(pair[0], "active")}


async def test_a_compromised_active_key_gives_way_in_the_transaction_that_says_so(pair: list[Replica]) -> None:
    """The feed has its kid, without an end; the successor signs; its private half is gone; the set lacks it."""
    one, other = pair
    await one.transitions.rotate()  # so that the pending key has only just been published
    active, pending = await kid_in(one, "active"), await kid_in(one, "pending")
    changed = await one.transitions.compromise(active)
    assert changed.active == pending
    assert await one.revoked() == [(changed.seq, active, None)]
    assert active not in await one.sealed()
    assert active not in kids(one)
    assert (await one.states())[active] == "compromised"
    # The other process has not looked since, and the feed's answers are signed after what they say was read.
    assert (await other.keys.signer(within=0)).kid == pending
    assert other.keys.known(active) is None


async def test_a_process_signs_with_a_key_that_was_compromised_elsewhere_for_half_a_second_at_most(
    pair: list[Replica], clock: Clock
) -> None:
    """What it has read counts for that long, to the moment, and then the database is asked before it signs."""
    one, other = pair
    compromised = (await other.keys.signer()).kid
    changed = await one.transitions.compromise(compromised)
    clock.now += 0.5
    assert (await other.keys.signer()).kid == compromised
    clock.now += 0.01
    assert (await other.keys.signer()).kid == changed.active


@pytest.mark.parametrize("state", ["pending", "retiring", "removed"])
async def test_a_key_can_be_compromised_whatever_its_state(pair: list[Replica], clock: Clock, state: str) -> None:
    """What signs goes on signing, a key stands ready, and what was compromised stays so whatever happens then."""
    one, other = pair
    await one.transitions.rotate()
    if state == "removed":
        clock.now += 905
        await one.transitions.advance()
    kid, active = await kid_in(one, state), await kid_in(one, "active")
    changed = await other.transitions.compromise(kid)
    assert changed.active == active
    assert changed.pending == await kid_in(one, "pending")
    assert await one.revoked() == [(changed.seq, kid, None)]
    clock.now += 200_000
    await one.transitions.advance()
    assert (await one.states())[kid] == "compromised"
    assert kid not in kids(one)


async def test_of_several_kill_switches_at_once_one_works_and_all_say_the_same(pair: list[Replica]) -> None:
    """One row on the feed, one new key; whoever comes second is told the same seq."""
    kid = await kid_in(pair[0], "active")
    answers = await asyncio.gather(*(each.transitions.compromise(kid) for each in pair * 2))
    assert len({answer.seq for answer in answers}) == 1
    assert await pair[0].revoked() == [(answers[0].seq, kid, None)]
    assert sorted((await pair[0].states()).values()) == ["active", "compromised", "pending"]
    with pytest.raises(UnknownKey):
        await pair[0].transitions.compromise("nobody's")


async def test_a_restart_with_compromised_keys_goes_on_with_the_others(
    pair: list[Replica], url: str, tmp_path: Path
) -> None:
    """All of the first pair being compromised, a new process signs with their successor, and makes no new pair."""
    first = sorted(await pair[0].states())
    for kid in first:
        await pair[0].transitions.compromise(kid)
    signer = (await pair[0].keys.signer()).kid
    async with replicas(url, tmp_path / "kek") as (restarted,):
        assert (await restarted.keys.signer()).kid == signer
        assert signer not in first
        assert set(kids(restarted)).isdisjoint(first)
        assert {state for kid, state in (await restarted.states()).items() if kid in first} == {"compromised"}


class CrashError(Exception):
    """A process that ends in the middle."""


async def test_a_crash_before_the_commit_changes_nothing(pair: list[Replica], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither state nor feed, wherever it happens; the same request is good afterwards."""
    one = pair[0]
    active, before = await kid_in(one, "active"), await one.states()

    async def crash(*_: object, **__: object) -> None:
        raise CrashError

    for place in ("change", "add", "RevocationLog.append"):
        with monkeypatch.context() as patch:
            patch.setattr(f"auth_service.signing_keys.transitions.{place}", crash)
            with pytest.raises(CrashError):
                await one.transitions.rotate()
            with pytest.raises(CrashError):
                await one.transitions.compromise(active)
        assert await one.states() == before
        assert await one.revoked() == []
    assert (await one.transitions.compromise(active)).active != active


async def test_what_was_committed_counts_although_it_cannot_be_read_again(
    pair: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may go away right after the commit: the answer is what was done, and the next signature knows it."""
    one = pair[0]
    active = await kid_in(one, "active")
    with monkeypatch.context() as patch:
        patch.setattr(one.keys, "look", _away)
        changed = await one.transitions.compromise(active)
    assert (await one.states())[active] == "compromised"
    assert (await one.keys.signer(within=0)).kid == changed.active


async def test_without_the_database_nothing_is_signed_and_the_set_goes_on_for_half_its_max_age(
    pair: list[Replica], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key set that may lack a published key is not handed out for longer than its bounds allow for."""
    one = pair[0]
    await one.keys.signer()
    monkeypatch.setattr(one.keys, "_stored", _away)
    clock.now += 0.6
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await one.keys.signer()
    clock.now = START + 150
    assert kids(one)
    assert await one.keys.ready() is None
    clock.now += 1
    with pytest.raises(KeysUnavailable):
        kids(one)
    assert await one.keys.ready() == "The signing keys have not been read for too long."
    monkeypatch.undo()
    await one.keys.signer()
    assert kids(one)
    assert await one.keys.ready() is None


async def test_those_who_wait_for_a_database_that_is_away_wait_together(
    pair: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred signatures wait for the next attempt, not each for one of its own behind the others'."""
    one, tries = pair[0], 0

    async def hang() -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.05)
        raise StorageUnavailable

    monkeypatch.setattr(one.keys, "_stored", hang)
    answers = await asyncio.gather(*(one.keys.signer(within=0) for _ in range(100)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StorageUnavailable}
    assert tries == 2


async def test_the_key_encryption_key_is_changed_while_keys_rotate(
    pair: list[Replica], clock: Clock, tmp_path: Path
) -> None:
    """Whichever is first, every private half opens under the key that is there at the end, and nobody falls over."""
    one, other = pair
    for _ in range(3):
        clock.now += 1000
        column = SealedColumn(signing_keys.c.sealed_private_key, signing_keys.c.kid, label)
        changing = change_key_encryption_key(one.database, tmp_path / "kek", columns=[column], exclusive=EXCLUSIVE)
        await asyncio.gather(changing, other.transitions.rotate(), one.keys.signer(within=0))
    sealing = KeyEncryptionKey.read(tmp_path / "kek")
    async with one.database.reading() as connection:
        rows = await connection.execute(
            text("SELECT kid, sealed_private_key FROM signing_keys WHERE sealed_private_key IS NOT NULL")
        )
        opened = {kid: sealing.open(sealed, label=label(kid)) for kid, sealed in rows}
    assert len(opened) == 2
    for each in pair:
        assert (await each.keys.signer(within=0)).kid in opened
        assert await each.keys.ready() is None


async def test_a_key_read_before_a_change_of_the_key_encryption_key_and_opened_after_it(
    pair: list[Replica], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has read the rows under the old key and finds the new one in the file reads them once more."""
    one, other = pair
    await one.transitions.rotate()
    read, column = other.keys._stored, SealedColumn(signing_keys.c.sealed_private_key, signing_keys.c.kid, label)
    changed = False

    async def read_and_be_overtaken() -> object:
        nonlocal changed
        stored = await read()
        if not changed:
            changed = True
            await change_key_encryption_key(one.database, tmp_path / "kek", columns=[column], exclusive=EXCLUSIVE)
        return stored

    monkeypatch.setattr(other.keys, "_stored", read_and_be_overtaken)
    await other.keys.look()
    assert changed
    assert await other.keys.ready() is None


async def test_a_pending_key_that_cannot_be_opened_is_told_and_does_not_stop_the_active_one(
    pair: list[Replica], clock: Clock, tmp_path: Path
) -> None:
    """A replica with a key-encryption key of its own publishes all keys, signs while it can, and is not ready."""
    one, other = pair
    await other.keys.signer()
    await one.transitions.rotate()
    other.keys._file = tmp_path / "another"
    (tmp_path / "another").write_bytes(bytes(32))
    (tmp_path / "another").chmod(0o600)
    assert (await other.keys.signer(within=0)).kid == await kid_in(one, "active")
    assert kids(other) == kids(one)
    assert "does not open the private keys" in str(await other.keys.ready())
    clock.now += 600
    await one.transitions.rotate()
    with pytest.raises(KeysUnavailable):
        await other.keys.signer(within=0)


async def test_while_a_key_is_made_others_write_and_the_loop_goes_on(
    pair: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for primes holds neither the write lock nor the event loop."""
    one, other = pair
    begun, go_on = asyncio.Event(), asyncio.Event()
    make = one.maker._make

    async def take_long() -> object:
        begun.set()
        await go_on.wait()
        return await make()

    monkeypatch.setattr(one.maker, "_make", take_long)
    rotating = asyncio.create_task(one.transitions.rotate())
    await begun.wait()
    async with other.database.writing(exclusive=EXCLUSIVE) as connection:
        await connection.execute(text("UPDATE signing_keys SET state_since = state_since"))
    assert not rotating.done()
    go_on.set()
    await rotating


async def test_a_key_is_at_hand_before_it_is_needed(url: str, tmp_path: Path, clock: Clock) -> None:
    """Then a kill switch need not wait for primes; what is not used is kept, and what is used is never used again."""
    maker = QuickMaker()
    async with replicas(url, tmp_path / "kek", clock=clock, maker=maker) as (one,):
        assert maker.made == 2
        await maker.make_ahead()
        await maker.make_ahead()
        assert maker.made == 3
        await one.transitions.rotate()
        assert maker.made == 3
        with pytest.raises(RotationTooEarly):
            await one.transitions.rotate()
        assert maker.made == 3
        clock.now += TIMES.retiring_for
        await one.transitions.advance()  # removes, and needs no new key
        await one.transitions.rotate()
        assert maker.made == 4
        assert len(await one.states()) == 4


async def test_whoever_needs_a_key_takes_the_one_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there sooner than another one would be that is begun beside it; and still only one gets it."""
    maker, go_on, make = QuickMaker(), asyncio.Event(), QuickMaker._make

    async def take_long(self: QuickMaker) -> RSAPrivateKey:
        await go_on.wait()
        return await make(self)

    monkeypatch.setattr(QuickMaker, "_make", take_long)
    making = asyncio.create_task(maker.make_ahead())
    await asyncio.sleep(0)
    takers = [asyncio.create_task(maker.take()) for _ in range(2)]
    await asyncio.sleep(0)
    go_on.set()
    await making
    one, other = await asyncio.gather(*takers)
    assert one is not other
    assert maker.made == 2


async def test_the_schema_itself_allows_one_pending_key(pair: list[Replica]) -> None:
    """Two processes that both think a key is missing cannot both be right."""
    another = text("INSERT INTO signing_keys (kid, state, state_since, public_jwk) VALUES ('x', 'pending', 0, '{}')")
    with pytest.raises(IntegrityError):
        async with pair[0].database.writing() as connection:
            await connection.execute(another)
