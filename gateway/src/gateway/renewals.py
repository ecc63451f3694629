"""Refreshing logins for browsers: one question to auth for each refresh token, however many requests wait for it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import islice

from gateway.login_tokens import LoginTokens
from service_chassis.problems import Problem

_MOST = 10_000
_FAILURE_SECONDS = 1.0
"""How long a failure is remembered: what waits for a refresh comes in crowds."""


class _Renewal:
    """One question, and for how long its outcome counts: for good while it is under way."""

    task: "asyncio.Task[LoginTokens | Problem]"
    ended_at = good_until = math.inf


class Renewals:
    """The refreshes of this process: those under way, and those of the last moments.

    `keep`: seconds for which a refresh token that was used leads to its successor without another question. That is
    for requests that were sent before the answer with the new cookies had come, and for answers that were lost.
    `clock`: monotonic, in seconds.
    """

    def __init__(self, *, keep: float, clock: Callable[[], float]) -> None:
        self._keep = keep
        self._clock = clock
        self._renewals: dict[str, _Renewal] = {}

    async def renewed(
        self, refresh_token: str, ask: Callable[[], Awaitable[LoginTokens]], *, anew: bool = False
    ) -> LoginTokens:
        """Return the tokens that a refresh token leads to; `ask` gets them from auth if that is not under way already.

        `anew`: what was kept does not count. Raises the `Problem` that `ask` raises. The question goes on when whoever
        waits for it leaves: others wait too, and the token is used.
        """
        renewal = self._renewals.get(refresh_token)
        if renewal is None or self._clock() >= (renewal.ended_at if anew else renewal.good_until):
            renewal = self._begin(refresh_token, ask)
        outcome = await asyncio.shield(renewal.task)
        if isinstance(outcome, Problem):
            raise _same(outcome)
        return _aged(outcome, int(self._clock() - renewal.ended_at))

    def _begin(self, refresh_token: str, ask: Callable[[], Awaitable[LoginTokens]]) -> _Renewal:
        self._forget()
        self._renewals.pop(refresh_token, None)  # a new one stands at the end
        self._renewals[refresh_token] = renewal = _Renewal()
        renewal.task = asyncio.get_running_loop().create_task(self._run(renewal, ask))
        return renewal

    async def _run(self, renewal: _Renewal, ask: Callable[[], Awaitable[LoginTokens]]) -> LoginTokens | Problem:
        seconds = 0.0
        try:
            tokens = await ask()
            seconds = min(self._keep, tokens.expires_in * 0.9)
        except Problem as problem:
            seconds = _FAILURE_SECONDS
            return _same(problem)
        else:
            return tokens
        finally:
            # Here, and not when the task tells that it has ended: a request that comes in between would ask again.
            renewal.ended_at = self._clock()
            renewal.good_until = renewal.ended_at + seconds

    def _forget(self) -> None:
        """Let go of what is over, the oldest first; a flood of tokens that nobody was given pushes others out."""
        now = self._clock()
        for token, renewal in list(islice(self._renewals.items(), 100)):
            if now < renewal.good_until and len(self._renewals) < _MOST:
                break
            del self._renewals[token]


def _same(problem: Problem) -> Problem:
    """Return an equal problem: one that was raised holds on to the whole request of whoever it was raised for."""
    same = Problem.__new__(type(problem), *problem.args)
    vars(same).update(vars(problem))
    return same


def _aged(tokens: LoginTokens, seconds: int) -> LoginTokens:
    return replace(
        tokens,
        expires_in=max(tokens.expires_in - seconds, 0),
        refresh_expires_in=max(tokens.refresh_expires_in - seconds, 0),
    )
