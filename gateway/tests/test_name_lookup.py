"""Upstreams by name: what a look-up that hangs costs whom, and how soon a new address counts."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest

from gateway.name_lookup import NameLookup
from gateway.testing import Street

_system = socket.getaddrinfo


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], str]]:
    """Say what the system's resolver does when it is asked for a name: return an address, raise, or hang."""
    known: dict[str, Callable[[], str]] = {}

    def getaddrinfo(host: str, *more: object, **named: object) -> object:
        return _system(known[host]() if host in known else host, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def hang() -> Iterator[Event]:
    """Set when the test ends: until then, whoever waits for it hangs."""
    released = Event()
    yield released
    released.set()


def at(name: str, url: str) -> str:
    return f"http://{name}:{urlsplit(url).port}"


async def test_names_that_hang_keep_nobody_from_the_others(
    street: Street, names: dict[str, Callable[[], str]], hang: Event
) -> None:
    """Two services are gone and their names hang; the third is served, though the loop has two threads, as libuv's."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    names["auth.test"] = names["profile.test"] = lambda: str(hang.wait(30))
    names["orders.test"] = lambda: "127.0.0.1"
    _, url = await street.upstream()
    door = await street.door(auth=at("auth.test", url), profile=at("profile.test", url), orders=at("orders.test", url))
    gone = [asyncio.create_task(door.get(path)) for path in ("/.well-known/jwks.json", "/api/profile")]
    await asyncio.sleep(0.1)
    assert (await door.get("/api/orders")).status == 200
    assert {(await each).status for each in gone} == {504}


async def test_a_look_up_that_hangs_is_not_waited_for_again(
    street: Street, names: dict[str, Callable[[], str]], hang: Event
) -> None:
    """Its service came back meanwhile: the next request asks anew, and finds it."""
    names["orders.test"] = lambda: str(hang.wait(30))
    _, url = await street.upstream()
    door = await street.door(orders=at("orders.test", url), upstream_connect_seconds=0.2)
    assert (await door.get("/api/orders")).status == 504
    names["orders.test"] = lambda: "127.0.0.1"
    assert (await door.get("/api/orders")).status == 200


async def test_replicas_take_turns_at_being_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of several addresses is the first one before long: new connections are spread over replicas."""
    replicas = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: replicas)
    firsts = {(await NameLookup(1).resolve("orders.test", 80))[0]["host"] for _ in range(64)}
    assert firsts == {"192.0.2.1", "192.0.2.2"}


async def test_a_name_that_does_not_exist_is_502(street: Street, names: dict[str, Callable[[], str]]) -> None:
    """A stopped container has no name."""

    def unknown() -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names["orders.test"] = unknown
    door = await street.door(orders="http://orders.test:1")
    assert (await door.get("/api/orders")).status == 502


async def test_an_address_that_changed_hands_is_not_used_for_long(
    street: Street, names: dict[str, Callable[[], str]]
) -> None:
    """Another service may have it now: after a second the name is asked for again."""
    names["orders.test"] = lambda: "127.0.0.1"
    former, url = await street.upstream(keep=False)
    door = await street.door(orders=at("orders.test", url))
    assert (await door.get("/api/orders")).status == 200
    names["orders.test"] = lambda: "127.0.0.2"
    present, _ = await street.upstream(keep=False, host="127.0.0.2", port=urlsplit(url).port or 0)
    async with asyncio.timeout(5):
        while not present.requests:
            assert (await door.get("/api/orders")).status == 200
            await asyncio.sleep(0.05)
    assert len(former.requests) >= 1
