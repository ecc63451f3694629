"""Whose turn it is: never more calls at a time than there are turns, none lost, and none kept by a client's leisure."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.turns import Turns

MOST_KEPT_WAITING = 0.4


class OneCall:
    """A call that notes how often it was told to give its turn up."""

    def __init__(self) -> None:
        self.told = 0

    def give_turn_up(self) -> None:
        self.told += 1


@pytest.fixture
def call() -> OneCall:
    """Give the call that has the only turn."""
    return OneCall()


@pytest.fixture
def turns(call: OneCall) -> Iterator[Turns]:
    """Give turns of which the only one is taken; in the end there is one again, and nothing else is remembered."""
    turns = Turns(1, MOST_KEPT_WAITING)
    assert turns.take_at_once()
    yield turns
    turns.end(call)
    assert turns.take_at_once()
    assert not turns.take_at_once()
    assert not turns._queue
    assert not turns._kept_waiting


async def waiting(turns: Turns) -> asyncio.Task[None]:
    """Return somebody who waits for a turn."""
    task = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    return task


async def has_turn(task: asyncio.Task[None]) -> bool:
    """Tell whether somebody who waited has got it."""
    await asyncio.sleep(0)
    return task.done() and not task.cancelled()


async def test_turns_go_to_who_waits_in_the_order_of_coming(turns: Turns) -> None:
    """One ends, one begins."""
    assert not turns.take_at_once()
    first, second = await waiting(turns), await waiting(turns)
    assert not await has_turn(first)
    turns.end(OneCall())
    assert (await has_turn(first), await has_turn(second)) == (True, False)
    turns.end(OneCall())
    assert await has_turn(second)


async def test_who_has_given_up_waiting_is_passed_over(turns: Turns) -> None:
    """Whether it has noticed yet that it was cancelled or not."""
    noticed, unnoticed, last = await waiting(turns), await waiting(turns), await waiting(turns)
    noticed.cancel()
    await asyncio.wait([noticed])
    assert len(turns._queue) == 2, "a service that hangs lets no queue grow of those who have gone"
    unnoticed.cancel()
    turns.end(OneCall())
    assert await has_turn(last)
    assert unnoticed.cancelled()


async def test_a_turn_given_to_who_is_giving_up_goes_on(turns: Turns) -> None:
    """To the next one, or there is one more again."""
    first, second = await waiting(turns), await waiting(turns)
    for each in (first, second):
        turns.end(OneCall())
        each.cancel()
        await asyncio.wait([each])
    # Twice a turn was ended, and both who got it were cancelled: one went on to the second, one is there.
    assert turns.take_at_once()
    assert not turns.take_at_once()


async def test_whose_client_was_waited_for_longest_gives_its_turn_up(call: OneCall) -> None:
    """Once, when somebody wants it, and only if its client was waited for longer than a call is let wait."""
    turns, other = Turns(2, MOST_KEPT_WAITING), OneCall()
    assert turns.take_at_once()
    assert turns.take_at_once()
    turns.kept_waiting(other, MOST_KEPT_WAITING)
    turns.kept_waiting(call, MOST_KEPT_WAITING / 2)
    tasks = [await waiting(turns)]
    assert (call.told, other.told) == (0, 0)
    turns.kept_waiting(call, MOST_KEPT_WAITING)
    turns.kept_waiting(other, MOST_KEPT_WAITING / 4)
    assert (call.told, other.told) == (0, 0), "nobody new wants a turn"
    tasks.append(await waiting(turns))
    assert (call.told, other.told) == (1, 0)
    tasks.append(await waiting(turns))
    assert (call.told, other.told) == (1, 1)
    tasks.append(await waiting(turns))
    assert (call.told, other.told) == (1, 1), "they are ending"
    for task in tasks:
        task.cancel()


async def test_a_call_that_has_ended_is_not_told_to_give_its_turn_up(turns: Turns, call: OneCall) -> None:
    """However long its client was waited for."""
    turns.kept_waiting(call, 10 * MOST_KEPT_WAITING)
    turns.end(call)
    assert turns.take_at_once()
    task = await waiting(turns)
    assert call.told == 0
    task.cancel()
    await asyncio.wait([task])
