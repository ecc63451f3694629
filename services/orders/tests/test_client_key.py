"""The key by which orders proves that it is orders: one for all replicas, sealed, and its public half alone shown."""

import asyncio
import base64
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.resource_server_running import Start

from orders_service.app import create_app, own_client_key
from orders_service.client_key import OwnClientKey
from orders_service.settings import Settings
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from token_verification import StaticKeySet
from token_verification.client_assertion import ClientAssertions, ClientAssertionVerifier, ClientKey
from token_verification.testing import FakeIssuer
from token_verification.token_exchange import ExchangeUnavailable, TokenExchange

JWKS = "/.well-known/jwks.json"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let the service start for the first time."""
    (tmp_path / "orders.db").unlink()
    return settings.model_copy(update={"key_encryption_key_file": tmp_path / "secrets" / "kek"})


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: its one statement is the same on both."""
    return sqlite_url


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Give the migrated database, with no key in it yet."""
    database = Database.of(settings)
    await database.migrate("orders_service")
    yield database
    await database.close()


async def opened(settings: Settings, database: Database) -> OwnClientKey:
    key = own_client_key(settings, database)
    await key.open()
    return key


async def test_its_public_half_is_published(client: httpx.AsyncClient) -> None:
    """A JWK Set with one key that a verifier accepts, and no private member, to be cached for five minutes."""
    answer = await client.get(JWKS, headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    (jwk,) = answer.json()["keys"]
    assert sorted(jwk) == ["alg", "e", "kid", "kty", "n", "use"]
    assert StaticKeySet(answer.json()).known(jwk["kid"])
    assert len(base64.urlsafe_b64decode(jwk["n"] + "==")) * 8 == 2048, "as the settings of these tests have it"


async def test_an_unchanged_key_set_is_304(client: httpx.AsyncClient) -> None:
    """A strong entity tag, and no body for who has it."""
    etag = (await client.get(JWKS)).headers["etag"]
    again = await client.get(JWKS, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await client.get(JWKS, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_it_survives_a_restart(settings: Settings, issuer: FakeIssuer, start: Start) -> None:
    """The same key after a restart, so that the issuer's copy of the key set stays good."""
    sets = []
    for _ in range(2):
        async with start(create_app(settings, network=issuer.transport)) as client:
            sets.append((await client.get(JWKS)).content)
    assert sets[0] == sets[1]


async def test_what_is_signed_with_it_verifies_with_what_is_published(
    settings: Settings, issuer: FakeIssuer, app: FastAPI, start: Start
) -> None:
    """The key of the assertions is the one in the key set."""
    async with start(app) as client:
        published = StaticKeySet((await client.get(JWKS)).json())
    database = Database.of(settings)
    key = await opened(settings, database)
    await database.close()

    async def keys_of(_: str) -> StaticKeySet:
        return published

    verifier = ClientAssertionVerifier(issuer=issuer.issuer, keys_of=keys_of)
    assertions = ClientAssertions("orders", key.key, issuer=issuer.issuer)
    assert (await verifier.verify(assertions.new())).client_id == "orders"


async def test_the_service_has_its_exchange(app: FastAPI, start: Start) -> None:
    """Once started, there is a TokenExchange for handlers; with its issuer away it says so, and raises nothing else."""
    async with start(app):
        exchange: TokenExchange = app.state.token_exchange
        with pytest.raises(ExchangeUnavailable):
            await exchange.exchange("a.b.c", "urn:signet:profile", "profile:read")


async def test_it_lies_sealed(settings: Settings, database: Database, tmp_path: Path) -> None:
    """Nothing of the private key is in the database's files, and it opens with the key file alone, as what it is."""
    key = await opened(settings, database)
    ((kid, sealed),) = rows(tmp_path)
    raw = b"".join(file.read_bytes() for file in tmp_path.glob("orders.db*"))
    private = key.key.to_bytes()
    assert all(private[at : at + 32] not in raw for at in range(0, len(private) - 32, 16))
    sealing = KeyEncryptionKey.read(settings.key_encryption_key_file)
    assert sealing.open(sealed, label=f"client key {kid}") == private
    with pytest.raises(KeysUnusable):
        sealing.open(sealed, label=f"signing key {kid}")


async def test_replicas_that_open_at_once_agree(settings: Settings, database: Database, tmp_path: Path) -> None:
    """Four first starts at the same moment, each with connections of its own, end up with one key."""
    databases = [Database.of(settings) for _ in range(4)]
    keys = await asyncio.gather(*(opened(settings, each) for each in databases))
    assert len({key.key.key_id for key in keys}) == len({key.key_set for key in keys}) == len(rows(tmp_path)) == 1
    for each in databases:
        await each.close()


async def test_the_database_has_room_for_one(settings: Settings, database: Database, tmp_path: Path) -> None:
    """A second key is refused by the schema, at the same place and at another."""
    await opened(settings, database)
    with closing(sqlite3.connect(tmp_path / "orders.db", isolation_level=None)) as connection:
        for place in (1, 2):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("INSERT INTO client_key VALUES (?, 'k', x'00')", (place,))


@pytest.mark.parametrize("content", [None, b"", bytes(32)])
async def test_without_its_key_file_it_does_not_start(
    settings: Settings, database: Database, tmp_path: Path, content: bytes | None
) -> None:
    """A lost, an empty or another key file is refused in a sentence; no other key is made in its place."""
    await opened(settings, database)
    before = rows(tmp_path)
    settings.key_encryption_key_file.unlink()
    if content is not None:
        settings.key_encryption_key_file.write_bytes(content)
    with pytest.raises(KeysUnusable):
        await opened(settings, database)
    assert rows(tmp_path) == before
    assert settings.key_encryption_key_file.exists() == (content is not None)


@pytest.mark.parametrize("stored", [b"no key at all", ClientKey.make(2048).to_bytes()])
async def test_a_key_that_is_not_what_it_is_stored_as_is_not_used(
    settings: Settings, database: Database, tmp_path: Path, stored: bytes
) -> None:
    """What opens to something else than its id says is refused."""
    key = await opened(settings, database)
    sealing = KeyEncryptionKey.read(settings.key_encryption_key_file)
    sealed = sealing.seal(stored, label=f"client key {key.key.key_id}")
    with closing(sqlite3.connect(tmp_path / "orders.db", isolation_level=None)) as connection:
        connection.execute("UPDATE client_key SET sealed_private_key = ?", (sealed,))
    with pytest.raises(KeysUnusable, match="is not the one it is stored as"):
        await opened(settings, database)


def test_3072_bits_are_the_default() -> None:
    """As for every key of the protocol."""
    assert Settings.model_fields["client_key_bits"].default == 3072


async def test_two_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    """On an empty folder, two real first starts migrate once, make one key file and one key, and publish the same."""
    async with AsyncExitStack() as stack:
        first, second = await asyncio.gather(*(stack.enter_async_context(serving(tmp_path)) for _ in range(2)))
        async with httpx.AsyncClient(trust_env=False) as client:
            sets = [(await client.get(f"{url}{JWKS}")).content for url, _ in (first, second)]
    assert sets[0] == sets[1]
    assert len(rows(tmp_path)) == 1
    logged = "".join(first[1] + second[1])
    assert logged.count('"client_key_made"') == 1
    assert logged.count('"key_encryption_key_made"') == 1


async def test_a_lost_key_file_is_said_in_a_sentence(settings: Settings, database: Database, tmp_path: Path) -> None:
    """A process that cannot open its key ends with status 1 and one sentence, without a trace."""
    await opened(settings, database)
    settings.key_encryption_key_file.unlink()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orders_service", env=environment(tmp_path, 1), stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].startswith("The database holds private keys, but the file that opens them")
    assert b"Traceback" not in said


def environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/orders.db",
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": "https://issuer.test",
        "SIGNET_JWKS_URI": "http://127.0.0.1:1/jwks.json",
        "SIGNET_KEY_SET_FILE": str(folder / f"key-set-{port}.json"),
        "SIGNET_REVOCATIONS_MODE": "plain",
        "SIGNET_TOKEN_ENDPOINT": "http://127.0.0.1:1/oauth/token",
        "SIGNET_PROFILE_URL": "http://127.0.0.1:1",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(folder / "secrets" / "kek"),
    }


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """Run orders as a process; give its base URL, and a list that holds its log once it has ended."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orders_service", env=environment(folder, port), stderr=asyncio.subprocess.PIPE
    )
    url, logged = f"http://127.0.0.1:{port}", list[str]()
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while process.returncode is None:
                try:
                    await client.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield url, logged
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        logged.append((await asyncio.wait_for(process.communicate(), 30))[1].decode())


def rows(folder: Path) -> list[tuple[str, bytes]]:
    """Return what the database holds."""
    with closing(sqlite3.connect(folder / "orders.db")) as connection:
        return connection.execute("SELECT kid, sealed_private_key FROM client_key").fetchall()
