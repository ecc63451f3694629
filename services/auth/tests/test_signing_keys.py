"""The keys of the issuer: made once, kept sealed, and never made anew behind anybody's back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import load_der_private_key
from services.auth.tests.key_replicas import TIMES

from auth_service.signing_keys import KeyMaker, SigningKeys
from auth_service.signing_keys.key_material import private_bytes, public_jwk
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from token_verification import AccessTokenVerifier, StaticKeySet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from services.auth.tests.conftest import Auth, Start


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give an empty, migrated database."""
    database = Database(_url(tmp_path))
    await database.migrate("auth_service")
    yield database
    await database.close()


def keys_of(database: Database, file: Path) -> SigningKeys:
    """Return a process's view of the keys."""
    return SigningKeys(
        database,
        key_encryption_key_file=file,
        maker=KeyMaker(2048),
        times=TIMES,
        trust_for=0.5,
        clock=lambda: 1.8e9,
        monotonic=lambda: 1.0,
    )


async def test_the_first_start_makes_one_active_and_one_pending_key(database: Database, tmp_path: Path) -> None:
    """Both are RSA, both are published, and the file that opens them is readable by its owner alone."""
    file = tmp_path / "secrets" / "kek"
    keys = keys_of(database, file)
    assert await keys.ready() is not None
    await keys.open()
    assert await keys.ready() is None
    assert [state for _, state, _ in stored_in(tmp_path)] == ["active", "pending"]
    assert len(json.loads(keys.key_set.body)["keys"]) == 2
    assert (await keys.signer()).private_key.key_size == 2048
    assert len(file.read_bytes()) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["kek"]


async def test_a_second_start_finds_the_same_keys(database: Database, tmp_path: Path) -> None:
    """A restart signs with the same key, and publishes the same bytes under the same entity tag."""
    first, second = (keys_of(database, tmp_path / "kek") for _ in range(2))
    await first.open()
    await second.open()
    assert (await second.signer()).kid == (await first.signer()).kid
    assert (await second.signer()).private_key.private_numbers() == (await first.signer()).private_key.private_numbers()
    assert second.key_set == first.key_set


async def test_a_token_from_before_a_restart_is_still_good(start: Start) -> None:
    """Keys survive: what was signed before a restart verifies with what is published after it."""
    async with start() as auth:
        await auth.register()
        token = (await auth.log_in()).json()["access_token"]
    async with start() as auth:
        keys = StaticKeySet((await auth.client.get("/.well-known/jwks.json")).json())
    verifier = AccessTokenVerifier(
        issuer="http://localhost:8080", audience="urn:signet:orders", key_set=keys, clock=auth.clock
    )
    await verifier.verify(token)


async def test_replicas_that_start_at_once_make_one_pair(database: Database, tmp_path: Path) -> None:
    """Four first starts at the same moment, each with a database pool of its own, agree on one pair of keys."""
    databases = [Database(_url(tmp_path)) for _ in range(4)]
    replicas = [keys_of(each, tmp_path / "kek") for each in databases]
    await asyncio.gather(*(replica.open() for replica in replicas))
    assert len(stored_in(tmp_path)) == 2
    assert len({(await replica.signer()).kid for replica in replicas}) == 1
    assert len({replica.key_set.body for replica in replicas}) == 1
    for each in databases:
        await each.close()


async def test_private_keys_lie_sealed(database: Database, tmp_path: Path) -> None:
    """Nothing in the database opens without the file, and a sealed key opens only as the key it is."""
    keys = keys_of(database, tmp_path / "kek")
    await keys.open()
    sealing = KeyEncryptionKey.read(tmp_path / "kek")
    (one, _, sealed), (other, _, _) = stored_in(tmp_path)
    load_der_private_key(sealing.open(sealed, label=f"signing key {one}"), password=None)
    with pytest.raises(KeysUnusable):
        sealing.open(sealed, label=f"signing key {other}")
    with pytest.raises(KeysUnusable):
        KeyEncryptionKey(bytes(32)).open(sealed, label=f"signing key {one}")
    with pytest.raises(KeysUnusable):
        sealing.open(b"", label="")
    primes = (await keys.signer()).private_key.private_numbers()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("auth.db*"))
    assert primes.p.to_bytes(128, "big") not in raw
    assert b"PRIVATE" not in raw


async def test_a_lost_key_encryption_key_stops_the_start(database: Database, tmp_path: Path) -> None:
    """With keys in the database and no file to open them, nothing starts and nothing is made in their place."""
    file = tmp_path / "kek"
    await keys_of(database, file).open()
    before = stored_in(tmp_path)
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(KeysUnusable, match=r"is not there: put it back, or start with an empty database\.$"):
        await keys_of(database, file).open()
    assert not file.exists()
    assert stored_in(tmp_path) == before
    (tmp_path / "elsewhere").rename(file)
    await keys_of(database, file).open()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bytes(32), "does not open the private keys"),
        (b"", "has 0 bytes and not 32"),
        (bytes(33), "has 33 bytes and not 32"),
    ],
)
async def test_another_key_encryption_key_stops_the_start(
    database: Database, tmp_path: Path, content: bytes, sentence: str
) -> None:
    """A file from another installation, an empty or a mangled one is refused in a sentence, and left as it is."""
    file = tmp_path / "kek"
    await keys_of(database, file).open()
    before = stored_in(tmp_path)
    file.write_bytes(content)
    with pytest.raises(KeysUnusable, match=sentence):
        await keys_of(database, file).open()
    assert file.read_bytes() == content
    assert stored_in(tmp_path) == before


async def test_a_key_that_is_not_what_it_is_stored_as_stops_the_start(database: Database, tmp_path: Path) -> None:
    """A database whose active key opens to another key than its id says is refused, not signed with."""
    file = tmp_path / "kek"
    await keys_of(database, file).open()
    (active, _, _), (_, _, _) = stored_in(tmp_path)
    stranger = generate_private_key(65537, 2048)
    sealed = KeyEncryptionKey.read(file).seal(private_bytes(stranger), label=f"signing key {active}")
    with closing(sqlite3.connect(tmp_path / "auth.db", isolation_level=None)) as connection:
        connection.execute("UPDATE signing_keys SET sealed_private_key = ? WHERE kid = ?", (sealed, active))
    with pytest.raises(KeysUnusable, match="is not the one it is stored as"):
        await keys_of(database, file).open()


async def test_keys_without_an_active_one_stop_the_start(database: Database, tmp_path: Path) -> None:
    """An issuer that has published keys before makes no new pair because none is active: caches hold the old set."""
    file = tmp_path / "kek"
    await keys_of(database, file).open()
    with closing(sqlite3.connect(tmp_path / "auth.db", isolation_level=None)) as connection:
        connection.execute("UPDATE signing_keys SET state = 'compromised'")
    with pytest.raises(KeysUnusable, match=r"holds signing keys, but no active one\.$"):
        await keys_of(database, file).open()
    file.unlink()
    with pytest.raises(KeysUnusable, match="is not there"):
        await keys_of(database, file).open()
    assert not file.exists()
    assert [state for _, state, _ in stored_in(tmp_path)] == ["compromised"] * 2


async def test_the_database_itself_allows_one_active_key(database: Database, tmp_path: Path) -> None:
    """A second active key, or a state nobody knows, is refused by the schema."""
    await keys_of(database, tmp_path / "kek").open()
    with closing(sqlite3.connect(tmp_path / "auth.db", isolation_level=None)) as connection:
        for state in ("active", "sleeping"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("UPDATE signing_keys SET state = ? WHERE state = 'pending'", (state,))


async def test_a_key_id_is_the_thumbprint() -> None:
    """The `kid` is the SHA-256 thumbprint of the public key's required members in canonical form. [RFC 7638]"""
    # The example of RFC 7638, section 3.1, computed anew over a key of ours.
    jwk = public_jwk(generate_private_key(65537, 2048))
    canonical = f'{{"e":"{jwk["e"]}","kty":"RSA","n":"{jwk["n"]}"}}'.encode()
    assert jwk["kid"] == base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).decode().rstrip("=")
    assert list(jwk) == ["kty", "n", "e", "kid", "use", "alg"]


@pytest.mark.parametrize("bits", [2048, 3072])
async def test_the_size_of_keys_can_be_chosen(start: Start, bits: int) -> None:
    """3072 bits by default, 2048 on request; the next size down is no setting."""
    async with start(signing_key_bits=bits) as auth:
        document = (await auth.client.get("/.well-known/jwks.json")).json()
        assert {len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 for key in document["keys"]} == {bits}


async def test_auth_verifies_its_own_tokens_without_a_fetch(auth: Auth) -> None:
    """A protected path of auth lets a token for auth through to routing, by the keys in memory."""
    await auth.register()
    token = (await auth.log_in(resource="urn:signet:auth")).json()["access_token"]
    answer = await auth.client.get("/nothing-here", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    other = (await auth.log_in(resource="urn:signet:orders")).json()["access_token"]
    refused = await auth.client.get("/nothing-here", headers={"Authorization": f"Bearer {other}"})
    assert (refused.status_code, refused.json()["reason"]) == (401, "wrong_audience")


def stored_in(folder: Path) -> list[tuple[str, str, bytes]]:
    """Return what the database holds of each key, read from a copy of its files."""
    copy = folder / "copy"
    copy.mkdir(exist_ok=True)
    for file in folder.glob("auth.db*"):
        shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "auth.db")) as connection:
        return connection.execute("SELECT kid, state, sealed_private_key FROM signing_keys ORDER BY state").fetchall()


def _url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/auth.db"
