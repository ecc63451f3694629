"""How long a saved access token goes on working after its login was ended: until the last of eight workers refuses it.

Two services with two replicas of two workers each, on 200 requests a second. Each worker is asked by itself, over a
connection that stays with it, every 25 ms; so what is measured is up to 25 ms too long, and never too short.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

from benchmarks.connections import Connection, one_to_each_worker
from benchmarks.figures import Figure, milliseconds, quantile, spread
from benchmarks.findings import Findings
from benchmarks.system import HOST, Door, Person, make_administrator, running_system
from signet.demo.token_parts import taken_apart

TITLE = "A login is ended: until the last of 8 workers refuses its saved token (of 2 services, 2 replicas, 2 workers)"
TWINS = {"profile-2": "profile", "orders-2": "orders"}
PATHS = {"profile": "/api/profile", "orders": "/api/orders"}
REPLICAS = ("profile", "orders", *TWINS)
WORKERS = 2
REQUESTS_PER_SECOND = 200
ASK_EVERY = 0.025
GIVE_UP = 5.0

KEY_MADE_WITHIN = 6.0
"""Seconds in which auth has another key at hand, as it does between two kill switches in life."""

REFUSALS = {"login_ended", "key_revoked", "unknown_kid"}
"""Reasons that end a token. A worker that fetches the key set to verify the feed's answer may find a key gone from it a
moment before it has read in that answer that the key is revoked: it says that there is no such key, and refuses."""

Ending = Callable[["Scene"], Awaitable[str]]


class Scene:
    """The running system, and who is in it. An ending makes a login, ends it, and returns the token that it had."""

    def __init__(self, door: Door, administrator: Person) -> None:
        self.door = door
        self.administrator = administrator
        self.compromised: set[str] = set()
        self.acknowledged = 0.0
        self.watching = asyncio.Event()

    async def end(self, token: str, method: str, path: str, *, by: str, body: object = None) -> str:
        """End the login of `token` by a request, once every worker is seen to accept it, and note the moment."""
        self.watch(token)
        await asyncio.sleep(4 * ASK_EVERY)
        await self.door.must(method, path, token=by, body=body)
        self.acknowledged = time.perf_counter()
        return token

    def watch(self, token: str) -> None:
        """Have all workers asked with this token from now on."""
        self.token = token
        self.watching.set()

    async def administrators_token(self) -> str:
        """Log the administrator in, as administration wants it: for auth alone, and just now."""
        return str((await self.door.log_in(self.administrator, resource="urn:signet:auth"))["access_token"])


async def logout(scene: Scene) -> str:
    """Log out."""
    token = (await scene.door.log_in(await scene.door.register()))["access_token"]
    return await scene.end(token, "POST", "/logout", by=token)


async def login_end(scene: Scene) -> str:
    """End one login from another."""
    person = await scene.door.register()
    token, other = [(await scene.door.log_in(person))["access_token"] for _ in range(2)]
    logins = (await scene.door.must("GET", "/logins", token=token))["logins"]
    (sid,) = [login["sid"] for login in logins if login["current"]]
    return await scene.end(token, "DELETE", f"/logins/{sid}", by=other)


async def password_change(scene: Scene) -> str:
    """Change the password from another login."""
    person = await scene.door.register()
    token, other = [(await scene.door.log_in(person))["access_token"] for _ in range(2)]
    body = {"current_password": person.password, "new_password": f"{person.password} Staple"}
    return await scene.end(token, "PUT", "/password", by=other, body=body)


async def disabled_account(scene: Scene) -> str:
    """Have an administrator disable the account."""
    person = await scene.door.register()
    token = (await scene.door.log_in(person))["access_token"]
    sub = taken_apart(token).payload["sub"]
    return await scene.end(token, "PUT", f"/admin/accounts/{sub}/disabled", by=await scene.administrators_token())


async def compromised_key(scene: Scene) -> str:
    """Have an administrator declare the key compromised that signed the token."""
    token = (await scene.door.log_in(await scene.door.register()))["access_token"]
    kid = taken_apart(token).header["kid"]
    scene.compromised.add(kid)
    return await scene.end(token, "POST", f"/admin/keys/{kid}/compromise", by=await scene.administrators_token())


ENDINGS: dict[str, tuple[Ending, int, float]] = {
    "logout": (logout, 60, 0.0),
    "one login ended from another": (login_end, 50, 0.0),
    "password changed": (password_change, 40, 0.0),
    "account disabled": (disabled_account, 40, 0.0),
    "signing key compromised": (compromised_key, 10, KEY_MADE_WITHIN),
}
"""Each with how often it is measured, 200 times in all, and the seconds before each time."""


def measure(*, quick: bool) -> Findings:
    """Measure each way of ending a login; 200 times in all, or 20."""
    everywhere = {"SIGNET_WORKERS": str(WORKERS)}
    environment = {"auth": {"SIGNET_WORKERS": "1"}}
    with running_system(twins=TWINS, everywhere=everywhere, environment=environment) as stack:
        ports = [(stack.addresses.ports[name], PATHS[TWINS.get(name, name)]) for name in REPLICAS]
        scene = Scene(Door(stack), make_administrator(stack))
        latencies = asyncio.run(_measure(scene, ports, share=0.1 if quick else 1.0))
    every = [seconds for each in latencies.values() for seconds in each]
    late, worst = quantile(every, 0.99), max(every)
    return Findings(
        [
            *(Figure(f"{name}, median / p99 / worst of {len(each)}", spread(each)) for name, each in latencies.items()),
            Figure(f"all {len(every)}, p99", milliseconds(late), "at most 250 ms", kept=late <= 0.25),
            Figure(f"all {len(every)}, worst", milliseconds(worst), "less than 1 s", kept=worst < 1),
        ]
    )


async def _measure(scene: Scene, ports: Sequence[tuple[int, str]], *, share: float) -> dict[str, list[float]]:
    async with AsyncExitStack() as held:
        workers: list[tuple[Connection, str]] = []
        for port, path in ports:
            found = (await one_to_each_worker(HOST, port, WORKERS)).values()
            for each in found:
                held.push_async_exit(each)
                workers.append((each, path))
        latencies: dict[str, list[float]] = {}
        for name, (ending, runs, pause) in ENDINGS.items():
            latencies[name] = []
            for _ in range(math.ceil(share * runs)):
                await asyncio.sleep(pause)
                load = asyncio.create_task(_load(scene, ports))
                try:
                    latencies[name].append(await _one_run(scene, ending, workers))
                finally:
                    load.cancel()
                    with suppress(asyncio.CancelledError):
                        await load
        return latencies


async def _one_run(scene: Scene, ending: Ending, workers: Sequence[tuple[Connection, str]]) -> float:
    """Return the seconds from the acknowledgement to the last worker's first refusal. RuntimeError if one is odd."""
    scene.watching.clear()
    watchers = [
        asyncio.create_task(_first_refusal(scene, connection, path, delay=ASK_EVERY * place / len(workers)))
        for place, (connection, path) in enumerate(workers)
    ]
    await ending(scene)
    return max(await asyncio.gather(*watchers)) - scene.acknowledged


async def _first_refusal(scene: Scene, connection: Connection, path: str, *, delay: float) -> float:
    """Ask one worker with the token until it refuses, and return when that was heard."""
    await scene.watching.wait()
    await asyncio.sleep(delay)
    accepted = 0
    began = time.perf_counter()
    while time.perf_counter() - began < GIVE_UP:
        reply = await connection.ask("GET", path, token=scene.token)
        heard = time.perf_counter()
        if reply.status == 401 and reply.json()["reason"] in REFUSALS:
            if not accepted:
                raise RuntimeError("a worker refused a token before it was used there once")
            return heard
        if reply.status != 200:
            raise RuntimeError(f"a worker answered {reply.status}: {reply.body.decode(errors='replace')}")
        accepted += 1
        await asyncio.sleep(max(0.0, ASK_EVERY - (time.perf_counter() - heard)))
    raise RuntimeError(f"a worker accepted a token for {GIVE_UP:g} s after its login had ended")


async def _load(scene: Scene, ports: Sequence[tuple[int, str]]) -> None:
    """Ask for what somebody else may have, at a steady rate, over connections of its own."""
    token = (await scene.door.log_in(await scene.door.register()))["access_token"]
    places = [place for place in ports for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as tasks:
        for port, path in places:
            tasks.create_task(_steadily(scene, port, path, token, every=len(places) / REQUESTS_PER_SECOND))


async def _steadily(scene: Scene, port: int, path: str, token: str, *, every: float) -> None:
    async with Connection(HOST, port) as connection:
        began = time.perf_counter()
        for number in itertools.count(1):
            reply = await connection.ask("GET", path, token=token)
            # Their key may be the compromised one; nothing else may happen to somebody whose login goes on.
            theirs = reply.status == 401 and reply.json()["reason"] in REFUSALS - {"login_ended"}
            if reply.status != 200 and not (theirs and taken_apart(token).header["kid"] in scene.compromised):
                raise RuntimeError(f"somebody else was answered {reply.status}: {reply.body.decode(errors='replace')}")
            await asyncio.sleep(max(0.0, began + number * every - time.perf_counter()))
