"""The session twin is a session app as one is built today, and answers what profile answers."""

import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI
from tests.resource_server_running import started

import profile_service.app
import profile_service.settings
from session_twin.protection import IdFromCookie
from session_twin.session_cookie import NAME
from session_twin.sessions import key_of
from session_twin.settings import Settings
from session_twin.stores import Session
from session_twin.stores.memory import MemoryStore
from session_twin.stores.valkey import ValkeyStore
from token_verification.testing import FakeIssuer

PASSWORD = "correct horse battery"
Twin = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]


def credentials(**more: str) -> dict[str, str]:
    return {"email": f"{secrets.token_hex(6)}@example.com", "password": PASSWORD, **more}


async def registered(client: httpx.AsyncClient, name: str = "Ada") -> dict[str, str]:
    """Register somebody, and return what they log in with."""
    person = credentials()
    answer = await client.post("/register", json=person | {"name": name})
    assert answer.status_code == 201, answer.text
    return person


async def logged_in(client: httpx.AsyncClient, person: dict[str, str], **headers: str) -> str:
    """Log in, and return the session id."""
    answer = await client.post("/login", json=person, headers=headers)
    assert answer.status_code == 204, answer.text
    found = re.fullmatch(
        rf"{NAME}=([\w-]{{22}}); Max-Age=7200; Path=/; Secure; HttpOnly; SameSite=Lax", answer.headers["set-cookie"]
    )
    assert found is not None, answer.headers["set-cookie"]
    return found[1]


def cookie(*ids: str) -> dict[str, str]:
    # By hand: httpx sends no Secure cookie over http.
    return {"Cookie": "; ".join(f"{NAME}={id_}" for id_ in ids)}


async def status(client: httpx.AsyncClient, *ids: str) -> int:
    return (await client.get("/api/profile", headers=cookie(*ids))).status_code


@pytest.fixture
async def client(twin: Twin) -> AsyncIterator[httpx.AsyncClient]:
    async with twin() as client:
        yield client


async def test_log_in_use_log_out(client: httpx.AsyncClient) -> None:
    """A session opens profile and orders until log-out; a saved id is then nobody's, and the cookie is taken away."""
    id_ = await logged_in(client, await registered(client))
    assert (await client.get("/api/profile", headers=cookie(id_))).json()["name"] == "Ada"
    assert (await client.get("/api/orders", headers=cookie(id_))).json() == {"orders": [], "next_cursor": None}
    answer = await client.post("/logout", headers=cookie(id_))
    assert answer.headers["set-cookie"] == f"{NAME}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    refused = await client.get("/api/profile", headers=cookie(id_))
    assert (refused.status_code, refused.json()["reason"]) == (401, "no_session")
    assert refused.headers["www-authenticate"].startswith("Cookie ")


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_nothing_without_a_session(client: httpx.AsyncClient) -> None:
    """No cookie, a made-up id, a planted second one, an id in `Authorization`: 401, and a bad password as well."""
    person = await registered(client)
    id_ = await logged_in(client, person)
    assert [await status(client), await status(client, "A" * 22), await status(client, id_, "A" * 22)] == [401] * 3
    bearer = await client.get("/api/profile", headers={"Authorization": f"Bearer {id_}"})
    assert bearer.status_code == 401
    wrong = await client.post("/login", json=person | {"password": "wrong horse battery"})
    nobody = await client.post("/login", json=credentials())
    assert wrong.json() == nobody.json()
    assert wrong.json()["reason"] == "bad_credentials"


async def test_a_log_in_never_takes_over_an_id(client: httpx.AsyncClient) -> None:
    """Neither an id that an attacker planted, nor the one of before: it is ended (session fixation, CWE-384)."""
    person = await registered(client)
    planted = secrets.token_urlsafe(16)
    first = await logged_in(client, person, **cookie(planted))
    second = await logged_in(client, person, **cookie(first))
    assert len({planted, first, second}) == 3
    assert [await status(client, each) for each in (planted, first, second)] == [401, 401, 200]


async def test_one_device_of_several_is_ended(client: httpx.AsyncClient) -> None:
    """A person sees each session with its device and ends one of them; the others go on, another's is not there."""
    person = await registered(client)
    phone = await logged_in(client, person, **{"User-Agent": "Phone"})
    laptop = await logged_in(client, person, **{"User-Agent": "Laptop"})
    stranger = await logged_in(client, await registered(client, "Eve"))
    listed = (await client.get("/sessions", headers=cookie(laptop))).json()["sessions"]
    assert {(each["device"], each["current"]) for each in listed} == {("Phone", False), ("Laptop", True)}
    (key,) = [each["key"] for each in listed if each["device"] == "Phone"]
    assert (await client.delete(f"/sessions/{key}", headers=cookie(stranger))).status_code == 404
    assert (await client.delete(f"/sessions/{key}", headers=cookie(laptop))).status_code == 204
    assert [await status(client, each) for each in (phone, laptop, stranger)] == [401, 200, 200]


async def test_a_session_ends_by_itself(client: httpx.AsyncClient, clock: Any) -> None:  # noqa: ANN401
    """After half an hour that nobody uses it, and, however much it is used, when its absolute life is over."""
    person = await registered(client)
    idle, used = await logged_in(client, person), await logged_in(client, person)
    began = clock.now
    while clock.now < began + 7200 - 1700:
        clock.now += 1700
        assert await status(client, used) == 200
        if clock.now > began + 1800:
            assert await status(client, idle) == 401
    clock.now = began + 7200
    assert await status(client, used) == 401


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_another_sites_page_changes_nothing(client: httpx.AsyncClient) -> None:
    """A browser would add the cookie to what any page sends: such a request is refused, and the session goes on."""
    id_ = await logged_in(client, await registered(client))
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}):
        refused = await client.post("/logout", headers=cookie(id_) | foreign)
        assert (refused.status_code, refused.json()["reason"]) == (403, "cross_site")
    assert await status(client, id_) == 200
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://twin.test"}
    assert (await client.post("/logout", headers=cookie(id_) | own)).status_code == 204


async def test_what_outlives_the_process(twin: Twin, settings: Settings) -> None:
    """Sessions in memory end with it; those in SQLite and in Valkey are known to the next."""
    async with twin() as client:
        id_ = await logged_in(client, await registered(client))
    async with twin() as client:
        assert await status(client, id_) == (401 if settings.session_store == "memory" else 200)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_the_answers_are_profiles_byte_for_byte(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """To the same caller, the same status, headers and body: whatever costs more or less is the credential check."""
    id_ = await logged_in(client, await registered(client))
    twins = await client.get("/api/profile", headers=cookie(id_) | {"X-Request-Id": "one"})
    issuer = FakeIssuer(audience="urn:signet:profile")
    app = profile_service.app.create_app(
        profile_service.settings.Settings(
            DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/profile.db",
            port=1,
            issuer=issuer.issuer,
            jwks_uri=issuer.jwks_uri,
            key_set_file=tmp_path / "key_set.json",
            revocations_url=issuer.feed_uri,
            revocations_folder=tmp_path / "revocations",
        ),
        network=issuer.transport,
    )
    token = issuer.token(sub=twins.json()["sub"], name="Ada", scope="profile:read")
    async with started(app, headers={"Authorization": f"Bearer {token}", "X-Request-Id": "one"}) as profile:
        profiles = await profile.get("/api/profile")
    assert profiles.status_code == twins.status_code
    assert profiles.headers.raw == twins.headers.raw
    assert profiles.content == twins.content
    assert way_of(client._transport.app) == way_of(app)  # type: ignore[attr-defined]


def way_of(app: FastAPI) -> list[object]:
    """Return what a request goes through, but for the one layer that the twin has more, and who answers it there."""
    layers = [each for each in app.user_middleware if each.cls is not IdFromCookie]  # type: ignore[comparison-overlap]
    return [(each.cls, each.kwargs.get("endpoint")) for each in layers]


@pytest.mark.parametrize("store", ["sqlite", "valkey"], indirect=True)
async def test_who_reads_the_store_is_nobody(client: httpx.AsyncClient, settings: Settings, tmp_path: Path) -> None:
    """A store holds hashes of ids, and no id."""
    id_ = await logged_in(client, await registered(client))
    if settings.session_store_url is not None:
        with redis.Redis.from_url(settings.session_store_url) as server:
            kept = b"".join(key + server.dump(key) for key in server.keys("session*"))
    else:
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("twin.db*"))
    assert key_of(id_).encode() in kept
    assert id_.encode() not in kept


async def test_an_ended_session_is_not_renewed(client: httpx.AsyncClient, settings: Settings, clock: Any) -> None:  # noqa: ANN401
    """A request that was under way during log-out writes nothing back."""
    id_ = await logged_in(client, await registered(client))
    store = client._transport.app.state.sessions_store  # type: ignore[attr-defined]
    session = await store.find(key_of(id_))
    await store.remove(key_of(id_))
    await store.renew(key_of(id_), replace(session, used=clock.now))
    assert await store.find(key_of(id_)) is None
    assert await status(client, id_) == 401


@pytest.mark.parametrize("store", [{"session_store": "valkey", "session_store_url": "redis://127.0.0.1:1/0"}])
async def test_a_store_that_is_away(client: httpx.AsyncClient) -> None:
    """503 with a reason: whether the session goes on is not known, and nobody is told that it does not."""
    answer = await client.get("/api/profile", headers=cookie(secrets.token_urlsafe(16)))
    assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert (await client.get("/readyz")).status_code == 503


async def test_memory_forgets_what_is_over() -> None:
    """Sessions that nobody ends do not pile up in a process."""
    store = MemoryStore()
    for number in range(3000):
        session = Session("sub", "Ada", "Phone", began=float(number), used=0.0, ends=number + 10.0)
        await store.add(str(number), session)
    assert len(store) < 2100
    assert len(await store.of("sub")) == len(store)


async def test_valkey_forgets_the_keys_of_what_it_forgot(valkey: Any) -> None:  # noqa: ANN401
    """What expired at the server is not listed, and leaves nothing in the list."""
    store = ValkeyStore(valkey.url, now=lambda: 0.0)
    try:
        for key, ends in (("a" * 64, 1000.0), ("b" * 64, 1000.0)):
            await store.add(key, Session("sub-1", "Ada", "Phone", began=0.0, used=0.0, ends=ends))
        await store._server.delete(f"session:{'a' * 64}")
        assert list(await store.of("sub-1")) == ["b" * 64]
        assert await store._server.smembers("sessions-of:sub-1") == {"b" * 64}
    finally:
        await store.close()
