"""`python -m auth_service`, as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PASSWORD = "correct horse battery"
EMAIL = "ada@example.com"


@dataclass
class Process:
    """A serving process: its base URL, and what it has logged once it has ended."""

    url: str
    logged: str = ""


def environment(folder: Path, port: int = 1) -> dict[str, str]:
    """Return all that a process needs to know."""
    return {
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": "http://localhost:8080",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(folder / "secrets" / "kek"),
        "SIGNET_SIGNING_KEY_BITS": "2048",
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/data/auth.db",
    }


async def command(*arguments: str, env: dict[str, str], stdin: bytes = b"") -> tuple[int | None, str, str]:
    """Run `python -m auth_service` with arguments to its end; return its status and what it said where."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "auth_service", *arguments, env=env,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    return process.returncode, out.decode(), err.decode()


async def test_what_only_a_start_needs_is_not_loaded_for_good() -> None:
    """Alembic and the dictionaries of zxcvbn would take twenty megabytes, in every worker."""
    program = "import auth_service.__main__, sys; sys.exit(str({'alembic', 'zxcvbn'} & set(sys.modules)))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    assert (await process.communicate())[1] == b"set()\n"


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Process]:
    """Serve from a folder until the block ends; the process ends by SIGTERM, with status 0."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "auth_service", env=environment(folder, port), stderr=asyncio.subprocess.PIPE
    )
    running = Process(f"http://127.0.0.1:{port}")
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{running.url}/readyz")).status_code == 200:
                        break
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 30)
        running.logged = err.decode()
    assert process.returncode in {0, -signal.SIGTERM}, running.logged


async def test_two_processes_that_start_at_once_are_one_issuer(tmp_path: Path) -> None:
    """On an empty folder, two first starts migrate once, make one key file and one pair of keys, and both serve it."""
    async with contextlib.AsyncExitStack() as stack:
        one, other = await asyncio.gather(*(stack.enter_async_context(serving(tmp_path)) for _ in range(2)))
        async with httpx.AsyncClient() as client:
            sets = [(await client.get(f"{process.url}/.well-known/jwks.json")).text for process in (one, other)]
            assert sets[0] == sets[1]
            body = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
            assert (await client.post(f"{one.url}/register", json=body)).status_code == 201
            del body["name"]
            assert (await client.post(f"{other.url}/login", json=body)).status_code == 200
    with closing(sqlite3.connect(tmp_path / "data" / "auth.db")) as connection:
        assert connection.execute("SELECT count(*) FROM signing_keys").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    logged = one.logged + other.logged
    assert logged.count("first_signing_keys_made") == 1
    assert logged.count("key_encryption_key_made") == 1


async def test_nothing_secret_is_in_the_log(tmp_path: Path) -> None:
    """In all that a process logs, at its most talkative, there is no password, no token and no e-mail."""
    async with serving(tmp_path) as process, httpx.AsyncClient(base_url=process.url) as client:
        body = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
        credentials = {"email": EMAIL, "password": PASSWORD}
        secrets = [PASSWORD, EMAIL, "ADA@example.com", "hunter2hunter2"]
        await client.post("/register", json=body)
        await client.post("/register", json=body)
        token = (await client.post("/login", json=credentials)).json()["access_token"]
        secrets += token.split(".")
        used = (await client.post("/login", json=credentials)).json()["refresh_token"]
        newest = (await client.post("/refresh", json={"refresh_token": used})).json()["refresh_token"]
        newest = (await client.post("/refresh", json={"refresh_token": newest})).json()["refresh_token"]
        await client.post("/refresh", json={"refresh_token": "tellnobodyofthis"})
        await client.post("/refresh", json={"refresh_token": ["tellnobodyofthis"], newest: used})
        await client.post("/oauth/revoke", data={"token": newest, "client_id": "signet"})
        await client.post("/logout", json={"refresh_token": newest})
        passwords = {"current_password": PASSWORD, "new_password": "tellnobodyeither"}
        await client.put("/password", json=passwords, headers={"Authorization": f"Bearer {token}"})
        credentials["password"] = passwords["new_password"]
        secrets += [used, newest, "tellnobodyofthis", "tellnobodyeither"]
        await client.get("/nothing", headers={"Authorization": f"Bearer {token}"})
        await client.get("/nothing", headers={"Authorization": f"Bearer {token[:-9]}AAAAAAAAA"})
        await client.get(f"/nothing?access_token={token}", headers={"Authorization": f"Bearer {token}"})
        await client.post("/login", json=credentials | {"password": "hunter2hunter2"})
        await client.post("/login", json=credentials | {"password": ["hunter2hunter2"], "email": "ADA@example.com"})
        await client.post("/login", content=b'{"password": "hunter2hunter2"', headers={"Content-Type": "text/plain"})
        with closing(sqlite3.connect(tmp_path / "data" / "auth.db", isolation_level=None)) as connection:
            connection.execute("ALTER TABLE accounts RENAME TO elsewhere")
        assert (await client.post("/login", json=credentials)).status_code == 500
        assert (await client.post("/register", json=body | {"email": "ADA@example.com"})).status_code == 500
    events = {json.loads(line)["event"] for line in process.logged.splitlines()}
    assert events >= {"account_registered", "login_succeeded", "login_failed", "request_failed"}
    for secret in secrets:
        assert secret.casefold() not in process.logged.casefold(), secret


async def test_a_lost_key_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    """A start without the key file that the database needs ends with status 1 and one sentence, and makes nothing."""
    async with serving(tmp_path):
        pass
    file = tmp_path / "secrets" / "kek"
    file.unlink()
    status, _, said = await command(env=environment(tmp_path))
    assert status == 1
    assert said.splitlines()[-1].startswith("The database holds private keys, but the file that opens them")
    assert "Traceback" not in said
    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"DATABASE_URL": "sqlite+aiosqlite:////proc/nowhere/auth.db"}, 1, "/proc/nowhere"),
        ({"SIGNET_KEY_ENCRYPTION_KEY_FILE": "/proc/nowhere/kek"}, 1, "The key-encryption key cannot be made in /proc"),
        ({"SIGNET_ISSUER": "http://id.example"}, 2, "SIGNET_ISSUER: Value error, must be https"),
        ({"SIGNET_PORT": "many"}, 2, "SIGNET_PORT: "),
    ],
)
async def test_what_hinders_a_start_is_said_in_a_sentence(
    tmp_path: Path, change: dict[str, str], status: int, sentence: str
) -> None:
    """A place that cannot be written and a setting that cannot be are named, without a trace."""
    ended, _, said = await command(env=environment(tmp_path) | change)
    assert (ended, sentence in said) == (status, True), said
    assert "Traceback" not in said


async def test_the_first_administrator_is_made_by_command_and_only_the_first(tmp_path: Path) -> None:
    """`create-admin` reads the password from standard input, migrates, and says so; a second one is refused."""
    env = environment(tmp_path)
    database = {"DATABASE_URL": env["DATABASE_URL"]}  # it needs to know nothing else
    status, out, said = await _create_admin("Root@Example.com", PASSWORD + "\r\n", env=database)
    assert (status, out, said) == (0, "Root@Example.com is an administrator now.\n", "")
    status, out, said = await _create_admin("second@example.com", PASSWORD, env=database)
    assert (status, out) == (1, "")
    assert said == "There already is an administrator; this makes only the first one.\n"
    async with serving(tmp_path) as process, httpx.AsyncClient() as client:
        body = {"email": "root@example.com", "password": PASSWORD, "scope": "accounts:manage"}
        assert (await client.post(f"{process.url}/login", json=body)).status_code == 200


async def test_an_administrators_password_keeps_the_rules_of_everyone(tmp_path: Path) -> None:
    """A common password is refused in one sentence, with status 1."""
    env = {"DATABASE_URL": environment(tmp_path)["DATABASE_URL"]}
    expected = (1, "", "The password is one of the most common passwords.\n")
    assert await _create_admin("root@example.com", "password\n", env=env) == expected


async def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    """A missing option or a missing setting is the caller's mistake."""
    status, _, said = await command("create-admin", env=environment(tmp_path))
    assert status == 2
    assert "usage: python -m auth_service" in said
    status, _, said = await _create_admin(EMAIL, PASSWORD, env={})
    assert (status, said) == (2, "DATABASE_URL: is not set, and has no default\n")


async def _create_admin(
    email: str, password: str, *, env: dict[str, str], name: str = "Root"
) -> tuple[int | None, str, str]:
    return await command("create-admin", "--email", email, "--name", name, env=env, stdin=password.encode())


async def test_all_logins_are_ended_by_command(tmp_path: Path) -> None:
    """`end-all-logins` ends every login while the service runs, says how many, and the next time finds none."""
    env = environment(tmp_path)
    async with serving(tmp_path) as process, httpx.AsyncClient(base_url=process.url) as client:
        body = {"email": EMAIL, "password": PASSWORD}
        await client.post("/register", json=body | {"name": "Ada"})
        ended = [(await client.post("/login", json=body)).json() for _ in range(3)]
        database = {"DATABASE_URL": env["DATABASE_URL"]}  # it needs to know nothing else
        status, out, said = await command("end-all-logins", env=database)
        assert (status, said) == (0, "")
        assert out.startswith("Logins ended: 3. Feed: 1")
        for tokens in ended:
            refused = await client.post("/refresh", json={"refresh_token": tokens["refresh_token"]})
            assert refused.json()["reason"] == "invalid_grant"
            refused = await client.get("/logins", headers={"Authorization": f"Bearer {tokens['access_token']}"})
            assert refused.json()["reason"] == "login_ended"
        assert (await client.post("/login", json=body)).status_code == 200
    with closing(sqlite3.connect(tmp_path / "data" / "auth.db", isolation_level=None)) as connection:
        on_log = {sid for (sid,) in connection.execute("SELECT id FROM revocations WHERE kind = 'sid'")}
        logins = {sid for (sid,) in connection.execute("SELECT sid FROM logins WHERE ended_at IS NOT NULL")}
        assert len(on_log) == 3
        assert on_log == logins
        # As many as need several transactions.
        connection.execute(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 2500)"
            " INSERT INTO logins SELECT 'more' || value, sub, '', '', '', '', 0, 0, 4e9, NULL FROM accounts, n"
        )
    status, out, _ = await command("end-all-logins", env=database)
    assert (status, out.split(". ")[0]) == (0, "Logins ended: 2501")
