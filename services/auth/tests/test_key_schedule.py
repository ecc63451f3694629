"""The schedule of a process: what is due gets done, whatever happens in between, by a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from services.auth.tests.key_replicas import START, Clock, QuickMaker, Replica, replicas

from auth_service.signing_keys import KeySchedule
from service_chassis.database import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Alarm(Clock):
    """A clock by which all can sleep, and which wakes all of them whenever it is moved."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.slept: list[float] = []
        self.sleepers: list[asyncio.Event] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        sleeper = asyncio.Event()
        self.sleepers.append(sleeper)
        await sleeper.wait()

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        woken, self.sleepers = self.sleepers, []
        for sleeper in woken:
            sleeper.set()


@dataclass
class Running:
    """Processes with their schedules, and the clock that all of them go by."""

    clock: Alarm
    replicas: list[Replica]

    async def rest(self) -> None:
        """Wait until each process has done what it had to do and sleeps, as does whoever makes keys ahead for it."""
        async with asyncio.timeout(60):
            while len(self.clock.sleepers) < 2 * len(self.replicas):  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.01)

    async def go_on(self, seconds: float) -> list[str]:
        """Let time pass, and everyone look at the keys thereafter; return the states of all."""
        await self.rest()
        self.clock.go_on(seconds)
        await self.rest()
        return sorted((await self.replicas[0].states()).values())


@contextlib.asynccontextmanager
async def running(
    folder: Path, number: int = 1, *, since: float = START, maker: QuickMaker | None = None
) -> AsyncIterator[Running]:
    """Run as many processes of one issuer."""
    clock, maker, url = Alarm(since), maker or QuickMaker(), f"sqlite+aiosqlite:///{folder}/auth.db"
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(replicas(url, folder / "kek", number, clock=clock, maker=maker))
        for each, luck in zip(made, itertools.cycle([0.0, 1.0]), strict=False):
            schedule = KeySchedule(
                each.transitions,
                maker=maker,
                look_every=0.5,
                clock=clock,
                sleep=clock.sleep,
                spread=functools.partial(_draw, luck),
            )
            await stack.enter_async_context(schedule.running())
        yield Running(clock, made)


def _draw(luck: float, low: float, high: float) -> float:
    return low + luck * (high - low)


async def test_a_day_in_the_life_of_two_processes(tmp_path: Path) -> None:
    """They rotate once when the day is over, and remove the old key once nothing it signed can be good."""
    async with running(tmp_path, 2) as system:
        assert await system.go_on(86399) == ["active", "pending"]
        assert await system.go_on(1) == ["active", "pending", "retiring"]
        assert await system.go_on(904) == ["active", "pending", "retiring"]
        assert await system.go_on(1) == ["active", "pending", "removed"]
        await system.go_on(1)
        assert len({each.keys.key_set.etag for each in system.replicas}) == 1


async def test_an_overdue_rotation_is_made_up_for_at_the_next_start(tmp_path: Path) -> None:
    """A process that was down at the time rotates when it comes up."""
    maker = QuickMaker()
    async with running(tmp_path, maker=maker) as system:
        await system.rest()
    async with running(tmp_path, since=START + 1_000_000, maker=maker) as system:
        await system.rest()
        assert sorted((await system.replicas[0].states()).values()) == ["active", "pending", "retiring"]


@pytest.mark.parametrize("fault", [StorageUnavailable(), ZeroDivisionError()])
async def test_a_fault_does_not_end_the_schedule(
    tmp_path: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be done is done at the next look."""

    async def fail() -> float:
        raise fault

    async with running(tmp_path) as system:
        with monkeypatch.context() as patch:
            patch.setattr(system.replicas[0].transitions, "advance", fail)
            assert await system.go_on(86400) == ["active", "pending"]
        assert await system.go_on(1) == ["active", "pending", "retiring"]


async def test_processes_look_often_and_not_all_at_once(tmp_path: Path) -> None:
    """Every half a second, and up to a fifth of that later by chance; after two looks a key is made ahead."""
    async with running(tmp_path, 2) as system:
        await system.rest()
        assert sorted(system.clock.slept) == [0.5, 0.6, 1, 1]
        (maker,) = {each.maker for each in system.replicas}
        assert isinstance(maker, QuickMaker)
        made = maker.made
        await system.go_on(1)
        assert maker.made == made + 1
