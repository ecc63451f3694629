"""Hashing passwords: on threads of their own, in a bounded queue, and for nobody who cannot be served in time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

import pytest
from argon2 import Parameters, extract_parameters
from argon2.profiles import CHEAPEST

from auth_service.passwords import LONGEST_WAIT, Overloaded, Passwords, argon2id
from token_verification.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.auth.tests.conftest import Auth, Start

PASSWORD = "correct horse battery"


def test_nobodys_password_opens_nothing() -> None:
    """Even the password behind the hash that unknown users are verified against is not a right one."""
    passwords = Passwords(threads=1, queue=0)
    passwords._nobodys_hash = passwords.hash(PASSWORD)
    assert not passwords.verify(PASSWORD, None)
    assert passwords.verify(PASSWORD, passwords._nobodys_hash)


@pytest.mark.parametrize(("waited", "done"), [(LONGEST_WAIT, ["hashed"]), (LONGEST_WAIT + 0.01, [])])
async def test_nothing_is_hashed_for_somebody_who_has_waited_too_long(waited: float, done: list[str]) -> None:
    """Work that cannot begin in time is refused, and not done: whoever asked for it was told to come back."""
    clock = FakeClock()
    passwords = Passwords(threads=1, queue=1, clock=clock)
    free, hashed = threading.Event(), list[str]()
    busy = asyncio.ensure_future(passwords.run(lambda: free.wait(10)))
    waiting = asyncio.ensure_future(passwords.run(lambda: hashed.append("hashed")))
    await clock.advance(waited)
    free.set()
    assert await busy
    (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    assert hashed == done
    assert (outcome is None) == bool(done)
    assert done or isinstance(outcome, Overloaded)
    passwords.close()


async def test_whoever_would_wait_too_long_finds_no_place() -> None:
    """Once it is known how long a hash takes here, nobody is let into a queue in which they would not be served."""
    clock = FakeClock()
    passwords = Passwords(threads=1, queue=100, clock=clock)

    def take_a_while() -> None:
        clock.now += LONGEST_WAIT / 3

    with contextlib.ExitStack() as places:
        for _ in range(10):
            places.enter_context(passwords.place())  # nothing is known yet
    for _ in range(50):
        await passwords.run(take_a_while)
    with contextlib.ExitStack() as places:
        for _ in range(4):  # the last of them has to wait for three others, and just not too long
            places.enter_context(passwords.place())
        with pytest.raises(Overloaded):
            places.enter_context(passwords.place())
    passwords.close()


def test_passwords_are_hashed_as_the_protocol_says() -> None:
    """Argon2id with 19 MiB, two passes, one lane."""
    parameters = extract_parameters(argon2id().hash("any"))
    assert (parameters.type.name, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        "ID",
        19 * 1024,
        2,
        1,
    )


async def test_nothing_is_hashed_or_signed_in_the_event_loop(auth: Auth, signed_in: set[int]) -> None:
    """However many log in and register, no hash is computed and no token signed in the loop's own thread."""
    auth.hasher.threads.clear()  # the hash of nobody's password is made before anything is served
    # Few enough that none of them waits so long for a turn to write that it gives up.
    await asyncio.gather(*(auth.register(f"user{number}@example.com") for number in range(6)))
    await asyncio.gather(*(auth.log_in(f"user{number}@example.com") for number in range(6)))
    assert auth.hasher.threads
    assert signed_in
    assert threading.get_ident() not in auth.hasher.threads | signed_in


async def test_a_full_queue_is_overload_and_costs_nobody_an_attempt(start: Start) -> None:
    """With all places taken, the next hears 503 at once with Retry-After; it is not counted as an attempt."""
    async with start(hashing_queue=2, attempts_per_account=4) as auth:
        await auth.register()
        answers = await asyncio.gather(*(auth.log_in(password="wrong") for _ in range(30)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) == 27
        assert {answer.json()["reason"] for answer in refused} == {"overloaded"}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert [answer.status_code for answer in answers if answer not in refused] == [401] * 3
        assert len(auth.hasher.verified) == 3
        assert (await auth.log_in()).status_code == 200  # the fourth attempt, and the places are free again


async def test_whoever_finds_no_place_is_told_so_before_anything_is_read(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """While all places are taken a body is not looked at; once one is free, it is. Both are counted by their route.

    The log has one line a second about those who were refused, and how many they were.
    """
    async with start(hashing_queue=0) as auth:
        await auth.register()
        both = threading.Barrier(2, timeout=10)
        auth.hasher.meanwhile = lambda: both.wait() + both.wait()
        login = asyncio.create_task(auth.log_in())
        await asyncio.to_thread(both.wait)  # its password is being verified,
        read = []

        async def body() -> AsyncIterator[bytes]:
            read.append("something")
            yield b"no JSON at all"

        for path in ("/login", "/register"):
            refused = await auth.client.post(path, content=body())
            assert (refused.status_code, refused.json()["reason"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "1"
        assert read == []
        auth.clock.now += 1
        await auth.client.post("/login", content=b"no JSON at all")
        assert (await auth.client.post("/refresh", content=b"no JSON at all")).status_code == 415
        await asyncio.to_thread(both.wait)  # and now goes on to be
        assert (await login).status_code == 200
        assert (await auth.client.post("/login", content=b"no JSON at all")).status_code == 415
        counted = (await auth.client.get("/metrics")).text
        assert 'method="POST",route="/login",status="503"} 2.0' in counted
        assert 'method="POST",route="/register",status="503"} 1.0' in counted
    said = [line for line in capsys.readouterr().out.splitlines() if "hashing_queue_full" in line]
    assert [line.rpartition("refused=")[2].split()[0] for line in said] == ["1", "2"]


async def test_a_registration_waits_in_the_same_queue(start: Start) -> None:
    """Registering hashes too, and is bounded by the same places."""
    async with start(hashing_queue=0) as auth:
        body = {"password": PASSWORD, "name": "Someone"}
        answers = await asyncio.gather(
            *(auth.client.post("/register", json=body | {"email": f"user{n}@example.com"}) for n in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 503, 503, 503, 503]


async def test_a_hash_of_old_parameters_is_renewed_by_its_owner_alone(start: Start) -> None:
    """A right password renews an outdated hash; a wrong one does not, and never costs a second computation."""
    older = Parameters(CHEAPEST.type, 19, 16, 32, 2, 8, 1)
    newer = Parameters(CHEAPEST.type, 19, 16, 32, 1, 16, 1)
    async with start(parameters=older) as auth:
        await auth.register()
    async with start(parameters=newer) as auth:
        assert (await auth.log_in(password="wrong")).status_code == 401
        auth.hasher.hashed = 0
        assert (await auth.log_in(password="wrong")).status_code == 401
        assert (await auth.log_in()).status_code == 200
        assert auth.hasher.hashed == 1
        assert (await auth.log_in()).status_code == 200
        assert auth.hasher.hashed == 1
        assert [(used.memory_cost, used.time_cost) for used in auth.hasher.verified] == [
            (8, 2),
            (8, 2),
            (8, 2),
            (16, 1),
        ]
