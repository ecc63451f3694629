"""Passwords: which ones are taken, and hashing them without holding up anything else."""

import asyncio
import contextlib
import functools
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from auth_service.common_passwords import common_passwords
from service_chassis.problems import Problem, Unavailable

_Result = TypeVar("_Result")

SHORTEST = 8
LONGEST = 128
"""In characters: code points of the normalised password. [NIST SP 800-63B section 3.1.1.2]"""

LONGEST_WAIT = 1.2
"""Seconds for which a request may wait for a hashing thread: whoever asked through the gateway is answered before that
gives up, and no thread works for somebody who has left."""

_REMEMBERED = 8
"""How much of what is known of the time that a hash takes comes from earlier ones: 7 parts of 8. Before any, nobody is
refused for it; and where several threads tell at once, one of them may not be heard."""

_COMMON = common_passwords(shortest=SHORTEST)


class UnacceptablePassword(Problem):
    """A new password breaks a rule. The rule is named, the password is not."""

    def __init__(self, rule: str, *, field: str) -> None:
        super().__init__(422, "invalid_body", f"The password {rule}.", errors=[{"field": field, "message": rule}])


class Overloaded(Unavailable):
    """Every hashing thread is busy, and the queue is full or too slow."""

    def __init__(self) -> None:
        super().__init__("overloaded", "Too many people are logging in at this moment.", retry_after=1)


def check_new_password(password: str, *, email: str, name: str, field: str = "password") -> None:
    """Raise UnacceptablePassword when nobody should have this password, or this person should not.

    `field`: where it stands in the body.
    """
    if (rule := _broken_rule(password, email=email, name=name)) is not None:
        raise UnacceptablePassword(rule, field=field)


def _broken_rule(password: str, *, email: str, name: str) -> str | None:
    if not SHORTEST <= len(_normalised(password)) <= LONGEST:
        return f"must have {SHORTEST} to {LONGEST} characters"
    if any(unicodedata.category(character) == "Cc" for character in password):
        return "must not contain control characters"
    folded = _folded(password)
    if folded in _COMMON:
        return "is one of the most common passwords"
    if folded in {_folded(email), _folded(email.partition("@")[0]), _folded(name)}:
        return "must not be the e-mail or the name"
    return None


def argon2id() -> PasswordHasher:
    """Return the hasher for new passwords: 19 MiB, two passes, one lane. [OWASP Password Storage Cheat Sheet]"""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and verifies on a few threads of their own, with a bounded queue before them.

    `place` is taken before a request costs anything, `run` is where the work is done; `hash` and `verify` are that
    work and run inside it. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        threads: int,
        queue: int,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hasher = hasher or argon2id()
        self._clock = clock
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self._threads = threads
        self._places = threads + queue
        self._taken = 0
        self._pace = 0.0

    def refuse_when_full(self) -> None:
        """Raise Overloaded when there is no place at the hashing threads, or none in time."""
        wait = self._taken * self._pace / self._threads
        if self._taken >= self._places or wait > LONGEST_WAIT:
            raise Overloaded

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places at the hashing threads. Raises Overloaded when there is none, or none in time."""
        self.refuse_when_full()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do work on a hashing thread, and nothing in the event loop.

        Raises Overloaded when it could not begin within `LONGEST_WAIT`.
        """
        asked = self._clock()

        def begin() -> _Result:
            began = self._clock()
            if began - asked > LONGEST_WAIT:
                raise Overloaded
            try:
                return work()
            finally:
                self._pace += (self._clock() - began - self._pace) / _REMEMBERED

        return await asyncio.get_running_loop().run_in_executor(self._executor, begin)

    def hash(self, password: str) -> str:
        """Return an encoded hash with a fresh salt."""
        return self._hasher.hash(_normalised(password))

    def verify(self, password: str, stored_hash: str | None) -> bool:
        """Tell whether the password is the one hashed. None, for nobody's, costs the same and is never true."""
        nobodys_hash = self._nobodys_hash  # made for the first who comes, whoever that is: it must tell nobody apart
        try:
            self._hasher.verify(stored_hash or nobodys_hash, _normalised(password))
        except VerifyMismatchError:
            return False
        return stored_hash is not None

    @functools.cached_property
    def _nobodys_hash(self) -> str:
        """What a password is verified against for an account that does not exist.

        Not made before it is needed: each hash takes memory that stays with the thread which made it.
        """
        return self._hasher.hash(secrets.token_hex(16))

    def is_outdated(self, stored_hash: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored_hash)

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(cancel_futures=True)


def _normalised(password: str) -> str:
    # The same characters are the same password, whichever keyboard composed them. [RFC 8265 section 4.2.2]
    return unicodedata.normalize("NFC", password)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
