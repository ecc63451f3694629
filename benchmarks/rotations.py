"""Ten rotations of the signing key while people log in and call both services: with every duration shortened alike."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Figure
from benchmarks.findings import Findings
from benchmarks.system import Door, make_administrator, running_system
from signet.demo.token_parts import taken_apart

TITLE = "Rotations of the signing key under load, with shortened durations"
MAX_AGE = 2
TOKEN_LIFE = 3
LEEWAY = 1
PEOPLE = 4
LOOK_EVERY = 0.05
SHORTENED = {
    "SIGNET_KEY_SET_MAX_AGE": str(MAX_AGE),
    "SIGNET_KEY_SET_COOLDOWN": str(MAX_AGE / 2),
    "SIGNET_ACCESS_TOKEN_LIFE": str(TOKEN_LIFE),
    "SIGNET_MAX_TOKEN_LIFE": str(2 * TOKEN_LIFE),
    "SIGNET_LEEWAY": str(LEEWAY),
    "SIGNET_KEY_ROTATE_EVERY": "3600",
}
"""Rotation itself is asked for by an administrator, as soon as it is possible. No service fetches keys more often than
its cooldown lets it, so that has to be as short as what it has to keep up with."""


@dataclass
class Seen:
    """What was seen from the outside. Times are seconds since the epoch."""

    published_first: dict[str, float] = field(default_factory=dict)
    published_last: dict[str, float] = field(default_factory=dict)
    signed_first: dict[str, float] = field(default_factory=dict)
    good_until: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    failures: list[str] = field(default_factory=list)


def measure(*, quick: bool) -> Findings:
    """Rotate ten times, or three."""
    rotations = 3 if quick else 10
    with running_system(everywhere=SHORTENED) as stack:
        seen, genesis = asyncio.run(_measure(Door(stack), make_administrator(stack), rotations))
    later = [kid for kid in seen.signed_first if kid not in genesis]
    ripe = [seen.signed_first[kid] - seen.published_first[kid] for kid in later]
    gone = [kid for kid in seen.published_last if kid not in _published_at_the_end(seen)]
    outlived = [seen.published_last[kid] - seen.good_until[kid] for kid in gone if kid in seen.good_until]
    least, shortest = min(ripe, default=float("nan")), min(outlived, default=float("nan"))
    return Findings([
        Figure("rotations, and keys that have signed", f"{rotations}, {len(seen.signed_first)}"),
        Figure("requests of logged-in people, failed", f"{seen.requests}, {len(seen.failures)}", "none fails",
               kept=not seen.failures),
        Figure("shortest time published before signing", f"{least:.1f} s", f"at least twice max-age = {2 * MAX_AGE} s",
               kept=bool(ripe) and least >= 2 * MAX_AGE - LOOK_EVERY * 2),
        Figure("published beyond its last token's end, at least", f"{shortest:.1f} s", "never less than 0",
               kept=bool(outlived) and shortest >= 0),
    ])  # fmt: skip


def _published_at_the_end(seen: Seen) -> set[str]:
    last = max(seen.published_last.values())
    return {kid for kid, moment in seen.published_last.items() if moment == last}


async def _measure(door: Door, administrator: Any, rotations: int) -> tuple[Seen, set[str]]:  # noqa: ANN401
    seen = Seen()
    await _look(door, seen)
    genesis = set(seen.published_first)
    tasks = [asyncio.create_task(_live(door, seen)) for _ in range(PEOPLE)]
    tasks.append(asyncio.create_task(_keep_looking(door, seen)))
    try:
        for _ in range(rotations):
            await _rotate(door, administrator)
        # Until the key before the last one is gone as well.
        await asyncio.sleep(2 * TOKEN_LIFE + LEEWAY + 2 * MAX_AGE)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
    return seen, genesis


async def _rotate(door: Door, administrator: Any) -> None:  # noqa: ANN401
    """Rotate as soon as that is possible: earlier, it is refused, whoever asks."""
    token = (await door.log_in(administrator, resource="urn:signet:auth"))["access_token"]
    while True:
        reply = await door.ask("POST", "/admin/keys/rotate", token=token)
        if reply.status == 200:
            return
        if reply.status == 401:
            token = (await door.log_in(administrator, resource="urn:signet:auth"))["access_token"]
        elif reply.status != 409:
            raise RuntimeError(f"a rotation was answered {reply.status}: {reply.body.decode(errors='replace')}")
        await asyncio.sleep(0.2)


async def _live(door: Door, seen: Seen) -> None:
    """Log in, call both services for as long as a token is good, and begin anew."""
    person = await door.register()
    while True:
        issued = time.time()
        token = (await door.log_in(person))["access_token"]
        kid, expires = taken_apart(token).header["kid"], taken_apart(token).payload["exp"]
        seen.signed_first.setdefault(kid, time.time())
        seen.good_until[kid] = max(seen.good_until.get(kid, 0.0), float(expires))
        while time.time() < issued + TOKEN_LIFE - 1:
            for path in ("/api/profile", "/api/orders"):
                reply = await door.ask("GET", path, token=token)
                seen.requests += 1
                if reply.status != 200:
                    seen.failures.append(f"{path}: {reply.status} {reply.body.decode(errors='replace')}")
            await asyncio.sleep(0.05)


async def _keep_looking(door: Door, seen: Seen) -> None:
    while True:
        await _look(door, seen)
        await asyncio.sleep(LOOK_EVERY)


async def _look(door: Door, seen: Seen) -> None:
    asked = time.time()
    keys = (await door.must("GET", "/.well-known/jwks.json"))["keys"]
    for key in keys:
        # It was published between asking and now: of both, what makes a promise harder to keep.
        seen.published_first.setdefault(key["kid"], time.time())
        seen.published_last[key["kid"]] = asked
