"""The issuer's key set, fetched over HTTP, and kept through the issuer's absence."""

import asyncio
import functools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from token_verification import stored_key_set
from token_verification.errors import KeysUnavailable
from token_verification.key_set import VerificationKey
from token_verification.key_set_download import Download, DownloadError, download

_log = logging.getLogger("token_verification")


class RemoteKeySet:
    """The keys at a `jwks_uri`, kept fresh in the background; an async context manager.

    A key that is known never waits: `known` is a look-up in a dict. An unknown one may be a rotated key, or an attacker
    who makes us hammer the issuer: all who ask share one fetch, and then there is none for a while, however it ended.
    """

    def __init__(
        self,
        jwks_uri: str,
        *,
        issuer: str,
        http: httpx.AsyncClient,
        stored_at: Path | None = None,
        default_max_age: float = 300.0,
        retry_first: float = 1.0,
        retry_last: float = 30.0,
        cooldown: float = 10.0,
        keep_for: float = 3600.0,
        deadline: float = 3.0,
        patience: float = 1.0,
        most_waiting: int = 32,
        byte_cap: int = 64 * 1024,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Say where the keys are, and how long anything may take. Nothing is fetched before the context is entered.

        `issuer`: whose keys these are; a stored set of another issuer is not used. `http`: its owner closes it.
        `stored_at`: where the last good set lies on disk, if it shall survive a restart.

        In seconds: `default_max_age`, life of a set whose answer states none; refreshed at 80 % of it, give or take a
        tenth. `retry_first`, doubling up to `retry_last`: pauses after failed fetches. `cooldown`: after any fetch, how
        long an unknown key id causes none. `keep_for`: how long the last good set is used while the issuer is away.
        `deadline`: for one fetch in all. `patience`: how long `find` waits for it, and `most_waiting`: how many callers
        do so at a time. Where requests come through a gateway, each of these holds one of its turns meanwhile.

        `clock` measures ages in this process, `wall_clock` (seconds since the epoch) the age of what lies on disk, and
        `sleep` waits; tests pass their own.
        """
        self._jwks_uri = jwks_uri
        self._issuer = issuer
        self._http = http
        self._stored_at = stored_at
        self._default_max_age = default_max_age
        self._retry_first = retry_first
        self._retry_last = retry_last
        self._cooldown = cooldown
        self._keep_for = keep_for
        self._deadline = deadline
        self._patience = patience
        self._most_waiting = most_waiting
        self._byte_cap = byte_cap
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep

        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at: float | None = None
        self._entity_tag: str | None = None
        self._complaints: tuple[str, ...] = ()
        self._fetches = 0
        self._failures_in_a_row = 0
        self._attempted_at: float | None = None
        self._last_failure: str | None = None
        self._next_at: float | None = None

        self._entered = False
        self._landing: asyncio.Event | None = None
        self._waiters = 0
        self._fetching: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._storing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Read the stored set, if there is one, and start refreshing. Does not wait for the issuer."""
        await self._load()
        self._entered = True
        self._start_fetch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop refreshing; a set that is being written to disk is written to its end."""
        self._entered = False
        tasks = [task for task in (self._waiting, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that is cancelled before its first step never gets to tell those who wait.
        self._landed()
        if self._storing is not None:
            await self._storing

    @property
    def age(self) -> float | None:
        """Seconds since the issuer last said that these are its keys; None if it never did."""
        return None if self._fetched_at is None else self._clock() - self._fetched_at

    @property
    def fetches(self) -> int:
        """How many fetches were begun so far, successful or not."""
        return self._fetches

    async def ready(self) -> str | None:
        """Return None when tokens can be verified, otherwise a sentence that says why not."""
        return None if self._usable() else self._why_not()

    def known(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is at hand and the set is not too old. Never waits, never fetches."""
        return self._keys.get(key_id) if self._usable() else None

    async def find(self, key_id: str) -> VerificationKey | None:
        """Return a key that was not at hand; None if the issuer, asked less than a cooldown ago, has none such.

        Waits for at most one fetch, which all who ask at the same time share; that one of them gives up does not
        disturb it. Raises KeysUnavailable if the last fetch failed, if the one under way takes longer than `patience`,
        and at once if `most_waiting` wait for it already.
        """
        if self._landing is None and not self._is_cooling():
            self._start_fetch()
        if self._landing is not None:
            await self._wait_for(self._landing)
        key = self.known(key_id)
        if key is None and (self._last_failure is not None or not self._usable()):
            raise KeysUnavailable(self._why_not(), retry_after=self._until_next())
        return key

    async def refresh(self, key_id: str) -> VerificationKey | None:
        """Look for a key by a fetch, whatever the cooldown: for who has one of its own, and asks for no request's sake.

        None if the issuer has none such, or could not be asked. A fetch that is under way may have begun before the key
        was published: it is waited for, and if it does not bring the key, another one begins.
        """
        if self._landing is not None:
            await self._landing.wait()
        key = self.known(key_id)
        if key is None and self._entered:
            await self._start_fetch().wait()
            key = self.known(key_id)
        return key

    async def _wait_for(self, landing: asyncio.Event) -> None:
        if self._waiters >= self._most_waiting:
            raise KeysUnavailable("Too many already wait for the issuer's keys.", retry_after=self._patience)
        self._waiters += 1
        try:
            async with asyncio.timeout(self._patience):
                await landing.wait()
        except TimeoutError:
            detail = "The token's key is not at hand, and the issuer takes long to say whether it has it."
            raise KeysUnavailable(detail, retry_after=self._deadline - self._patience) from None
        finally:
            self._waiters -= 1

    def _usable(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < self._keep_for

    def _is_cooling(self) -> bool:
        return self._attempted_at is not None and self._clock() - self._attempted_at < self._cooldown

    def _until_next(self) -> float:
        """Seconds until a fetch may happen again."""
        moments = [] if self._attempted_at is None else [self._attempted_at + self._cooldown]
        if self._next_at is not None:
            moments.append(self._next_at)
        return min(moments, default=0.0) - self._clock()

    def _why_not(self) -> str:
        last = f" The last fetch failed: {self._last_failure}." if self._last_failure else ""
        if self._fetched_at is None:
            return f"The issuer's keys have not been fetched yet.{last}"
        if not self._usable():
            return f"The issuer's keys are {self.age:.0f} s old, {self._keep_for:g} s are allowed.{last}"
        return f"The token's key is not at hand, and the issuer's keys cannot be fetched.{last}"

    def _start_fetch(self) -> asyncio.Event:
        """Begin a fetch, unless one is under way, and return what is set at its end."""
        if self._landing is None:
            self._landing = asyncio.Event()
            self._fetching = asyncio.create_task(self._fetch())
        return self._landing

    async def _fetch(self) -> None:
        self._fetches += 1
        try:
            self._take(
                await download(
                    self._http,
                    self._jwks_uri,
                    entity_tag=self._entity_tag,
                    deadline=self._deadline,
                    byte_cap=self._byte_cap,
                )
            )
        except DownloadError as fault:
            self._last_failure = str(fault)
            delay = min(self._retry_last, self._retry_first * 2 ** min(self._failures_in_a_row, 30))
            self._failures_in_a_row += 1
            _log.warning("key set not refreshed: %s", fault)
            self._schedule(delay)
        except asyncio.CancelledError:
            self._last_failure = "it was stopped"
            raise
        finally:
            self._attempted_at = self._clock()
            self._landed()

    def _landed(self) -> None:
        """Let go all who wait for the fetch under way, if there is one."""
        if self._landing is not None:
            self._landing.set()
            self._landing = None

    def _take(self, fetched: Download) -> None:
        self._last_failure = None
        self._failures_in_a_row = 0
        self._fetched_at = self._clock()
        self._entity_tag = fetched.entity_tag
        if fetched.keys is not None:
            self._keys = fetched.keys
            if fetched.complaints != self._complaints:
                for complaint in fetched.complaints:
                    _log.warning("key set: %s", complaint)
            self._complaints = fetched.complaints
        # Not more often than an unknown key id may cause a fetch, and often enough that a failed refresh leaves time
        # for many retries before the set is too old.
        stated = self._default_max_age if fetched.max_age is None else fetched.max_age
        max_age = max(self._cooldown, min(stated, self._keep_for / 2))
        self._schedule(0.8 * max_age * random.uniform(0.9, 1.1))  # noqa: S311 -- spreads load, keeps no secret
        self._store()

    def _schedule(self, delay: float) -> None:
        """Let the next fetch begin after `delay` seconds, instead of whenever it was going to."""
        if not self._entered:
            return
        self._next_at = self._clock() + delay
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.create_task(self._fetch_after(delay))

    async def _fetch_after(self, delay: float) -> None:
        await self._sleep(delay)
        self._waiting = None
        self._start_fetch()

    async def _load(self) -> None:
        if self._stored_at is None:
            return
        now = self._wall_clock()
        try:
            keys, age = await asyncio.to_thread(
                stored_key_set.load, self._stored_at, issuer=self._issuer, now=now, keep_for=self._keep_for
            )
        except FileNotFoundError:
            return
        except (OSError, ValueError) as fault:
            _log.warning("stored key set not used: %s", fault)
            return
        self._keys = keys
        self._fetched_at = self._clock() - age

    def _store(self) -> None:
        """Write the set to disk. Whoever waits for a key does not wait for this."""
        if self._stored_at is not None:
            write = functools.partial(
                stored_key_set.store,
                self._stored_at,
                self._keys.values(),
                issuer=self._issuer,
                fetched_at=self._wall_clock(),
            )
            self._storing = asyncio.create_task(self._write(write, self._storing))

    async def _write(self, write: Callable[[], None], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            await asyncio.to_thread(write)
        except OSError as fault:
            _log.warning("key set not stored: %s", fault.strerror)
