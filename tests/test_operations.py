"""docs/operations.md does what it says: its commands run as printed, and whatever its tables name is there."""

import asyncio
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep

import httpx
import pytest
from pydantic_settings import BaseSettings
from tests.composed_system import ComposedSystem, OverlaidSystem
from tests.running_system import ROOT, SERVICES, EmbeddedSystem, Person, System, eventually, problem

import auth_service.settings
import orders_service.settings
import profile_service.settings
from auth_service.app import create_app
from gateway.settings import GatewaySettings
from service_chassis.sealing import KeyEncryptionKey
from signet.stack import StartFailedError

DOCUMENT = (ROOT / "docs" / "operations.md").read_text("utf-8")
DATABASES = ("auth", "profile", "orders")
SETTINGS: dict[str, type[BaseSettings]] = {
    "auth": auth_service.settings.Settings,
    "profile": profile_service.settings.Settings,
    "orders": orders_service.settings.Settings,
    "gateway": GatewaySettings,
}


def section(*titles: str) -> str:
    """Return what stands under a heading, and under one in that."""
    text = DOCUMENT
    for level, title in enumerate(titles, start=2):
        _, found, text = text.partition(f"\n{'#' * level} {title}\n")
        assert found, title
        text = re.split(rf"^#{{2,{level}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]
    return text


def blocks(*titles: str) -> list[str]:
    """Return the `sh` blocks of a section, as a reader copies them."""
    found = re.findall(r"^( *)```sh\n(.*?)^\1```$", section(*titles), re.MULTILINE | re.DOTALL)
    assert found, titles
    return [textwrap.dedent(block) for _, block in found]


def rows(*titles: str) -> list[list[str]]:
    """Return the rows of a section's tables, without their heads."""
    lines = re.findall(
        r"^\|.*\|$", re.sub(r"^\|.*\|\n\|(-+\|)+$", "", section(*titles), flags=re.MULTILINE), re.MULTILINE
    )
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


class Checkout:
    """A folder that looks like the checkout from which a system was started, for an operator to type commands in."""

    def __init__(self, folder: Path, system: System) -> None:
        self.folder = folder
        self._environment = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}  # noqa: TID251 -- handed on, not read
        (folder / ".venv").symlink_to(sys.prefix)
        for name in ("docker-compose.yml", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        if isinstance(system, ComposedSystem):
            self.kind = "With containers and PostgreSQL" if isinstance(system, OverlaidSystem) else "With containers"
            self._environment |= {
                "COMPOSE_PROJECT_NAME": system.project,
                "SIGNET_ADDRESS": "127.0.0.1",
                "SIGNET_PORT": str(system.port),
                "SIGNET_PUBLIC_URL": system.url,
            }
        elif isinstance(system, EmbeddedSystem):
            self.kind = "With `make up`"
            (folder / ".signet").symlink_to(system.stack.data.root)

    def run(self, *commands: str) -> None:
        """Type commands into one shell; AssertionError with what they said, if one fails."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def copied_keys(self) -> list[bytes]:
        """Return the key-encryption keys as the last backup has them."""
        return [(self.folder / "backup" / "keys" / service).read_bytes() for service in ("auth", "orders")]


@pytest.fixture
def checkout(system: System, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, system)


@contextmanager
def orders_without_pause(person: Person) -> Iterator[list[str]]:
    """Place orders until the block ends; give the ids of those that were acknowledged."""
    acknowledged, ended = list[str](), threading.Event()
    token = person.token

    def place() -> None:
        items = [{"sku": "SEAL-BRASS", "quantity": 1}]
        while not ended.is_set():
            answer = person.system.post("/api/orders", token=token, json={"items": items})
            assert answer.status_code in {201, 503}, answer.text
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])

    client = threading.Thread(target=place)
    client.start()
    try:
        yield acknowledged
    finally:
        ended.set()
        client.join()


def down_for(system: System, work: Callable[[], None]) -> None:
    """End `make up`, do something, and start it again; where containers run, what is printed does that itself."""
    if not isinstance(system, EmbeddedSystem):
        work()
        return
    for service in DATABASES:
        system.stop(service)
    work()
    for service in DATABASES:
        system.start(service)


def test_a_backup_under_load_is_whole_and_comes_back(system: System, checkout: Checkout) -> None:
    """Every order acknowledged before the backup began is back; what came after it is gone; all logins have ended."""
    person, key_set = system.person("Grace"), system.get("/.well-known/jwks.json").content
    with orders_without_pause(person) as acknowledged:
        while len(acknowledged) < 5:
            sleep(0.01)
        before = list(acknowledged)
        checkout.run(*blocks("Backup", checkout.kind))
        during = len(acknowledged)
    last = person.order(("SEAL-BRASS", 1)).json()["id"]
    late = system.person("Late")
    assert during > len(before), "nothing was written meanwhile"
    ended, unknown = person.token, late.token
    assert late.get("/api/orders").status_code == 200

    down_for(system, lambda: checkout.run(*blocks("Restore", checkout.kind)))

    assert problem(system.get("/logins", token=ended)) == (401, "login_ended")
    system.forget_logins()
    assert [person.get(f"/api/orders/{order}").status_code for order in before] == [200] * len(before)
    assert problem(person.get(f"/api/orders/{last}")) == (404, "not_found")
    assert problem(late.log_in()) == (401, "wrong_credentials")
    status = system.get("/api/orders", token=unknown).status_code
    assert status == 200, "the token of an account that is not there any more"
    assert system.get("/.well-known/jwks.json").content == key_set
    assert person.log_in().status_code == 200
    assert person.order(("SEAL-BRASS", 1)).status_code == 201
    for copy in (checkout.folder / "backup" / "databases").glob("*.db"):
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_key_encryption_key_is_changed_while_services_run(system: System, checkout: Checkout, ada: Person) -> None:
    """Both files are new, nobody's token or login notices, and services start with them."""
    *_, copy_keys = blocks("Backup", checkout.kind)
    backup = ("mkdir -p backup/keys", copy_keys)
    make_up, containers = blocks("Change of the key-encryption key")
    checkout.run(*backup)
    before, token = checkout.copied_keys(), ada.token

    checkout.run(make_up if isinstance(system, EmbeddedSystem) else containers)

    assert ada.log_in().status_code == 200
    for service in ("auth", "orders"):
        system.stop(service)
        system.start(service)
    eventually(lambda: system.get("/api/orders", token=token).status_code == 200)
    eventually(lambda: ada.log_in().status_code == 200)
    checkout.run(*backup)
    assert all(len(key) == 32 for key in checkout.copied_keys())
    assert not set(before) & set(checkout.copied_keys())


@pytest.mark.stack("embedded")
def test_a_change_that_is_killed_loses_nothing(system: System) -> None:
    """Killed at random moments while auth serves, the file opens every key each time; a last run ends the change."""
    assert isinstance(system, EmbeddedSystem)
    data = system.stack.data
    file, database = data.key_encryption_key("auth"), data.database("auth")
    environment = {
        "PATH": os.defpath,
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(file),
    }
    command = [sys.executable, "-m", "auth_service", "change-key-encryption-key"]
    before = file.read_bytes()
    for _ in range(3):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            # From the moment in which it takes up its work: before, it imports.
            waited = 0.0
            while process.poll() is None and file.read_bytes() == before and waited < 30:
                sleep(0.002)
                waited += 0.002
            sleep(secrets.randbelow(30) / 1000)
            process.send_signal(signal.SIGKILL)
        assert_opens_everything(file, database)
        before = file.read_bytes()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == f"{file} is new. Secrets sealed under it: 3.\n"
    assert len(file.read_bytes()) == 32
    assert_opens_everything(file, database)
    system.stop("auth")
    system.start("auth")


def assert_opens_everything(file: Path, database: Path) -> None:
    sealing = KeyEncryptionKey.read(file)
    with closing(sqlite3.connect(database)) as connection:
        stored = connection.execute(
            "SELECT kid, sealed_private_key FROM signing_keys WHERE sealed_private_key IS NOT NULL"
        ).fetchall()
        ((sealed_refresh_key,),) = connection.execute("SELECT sealed_key FROM refresh_key").fetchall()
    assert len(stored) == 2  # the active and the pending one: nobody needs the private half of another
    assert sealing.open(sealed_refresh_key, label="refresh key 1")
    assert all(sealing.open(sealed, label=f"signing key {kid}") for kid, sealed in stored)


@pytest.mark.stack("embedded")
@pytest.mark.parametrize("service", ["auth", "orders"])
def test_with_another_key_encryption_key_a_service_says_so(system: System, service: str) -> None:
    """After a restore with the wrong key it ends with the sentence that is printed; with the right one it starts."""
    assert isinstance(system, EmbeddedSystem)
    (sentence,) = (
        found
        for found in quoted(section("Restore", "When the key-encryption key is not the one").replace("\n", " "))
        if found.startswith("The key-enc")
    )
    file = system.stack.data.key_encryption_key(service)
    right = file.read_bytes()
    system.stop(service)
    try:
        file.write_bytes(secrets.token_bytes(32))
        with pytest.raises(StartFailedError) as failed:
            system.start(service)
        assert failed.value.excerpt.splitlines()[-1] == sentence
    finally:
        file.write_bytes(right)
        system.start(service)


def test_a_lost_key_encryption_key_costs_the_private_keys_alone(tmp_path: Path) -> None:
    """With the table emptied and the file gone, auth makes new ones and keeps its accounts, as is printed."""
    file, database = tmp_path / "kek", tmp_path / "auth.db"
    settings = auth_service.settings.Settings.model_validate(
        {
            "port": 1,
            "database_url": f"sqlite+aiosqlite:///{database}",
            "issuer": "http://localhost:8080",
            "key_encryption_key_file": file,
            "signing_key_bits": 2048,
        }
    )

    async def start_with(path: str, **body: str) -> int:
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth.test") as client,
        ):
            return (await client.post(path, json=body)).status_code

    credentials = {"email": "ada@example.com", "password": "correct horse battery"}
    assert asyncio.run(start_with("/register", name="Ada", **credentials)) == 201
    file.unlink()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("DELETE FROM signing_keys")
        connection.execute("DELETE FROM refresh_key")
    assert asyncio.run(start_with("/login", **credentials)) == 200
    tables = "empty its tables `signing_keys` and `refresh_key` (auth) or `client_key` (orders)"
    assert tables in section("Restore").replace("\n", " ")


@pytest.mark.stack("embedded")
def test_the_figures_and_checks_are_those_of_every_process(system: System, ada: Person) -> None:
    """Each figure is one of every process's, with the labels that are named; each check is one of `/readyz`."""
    assert isinstance(system, EmbeddedSystem)
    assert ada.log_in().status_code == 200
    assert ada.get("/api/orders").status_code == 200
    assert ada.get("/api/profile").status_code == 200
    figures = table("| figure | what to look for |")
    checks = {name: set(quoted(listed)) for name, listed in table("| process | checks of `/readyz` |")}
    assert len(figures) >= 13
    with httpx.Client(trust_env=False) as http:
        for service in SERVICES:
            url = system.stack.service_url(service)
            assert http.get(f"{url}/healthz").status_code == 200  # on this connection: each worker counts its own
            said = http.get(f"{url}/metrics").text
            for names, meaning in figures:
                whose = re.match("at (.+?):", meaning)
                expected = service in (whose[1].split(" and ") if whose else SERVICES)
                for figure in quoted(names):
                    there = re.search(rf"^{figure}(_count)?[ {{]", said, re.MULTILINE) is not None
                    assert there == expected, (service, figure)
                    for label in {"method", "route", "status", "generation", "pid"} & set(quoted(meaning)):
                        assert re.search(rf'^{figure}(_count)?{{[^}}]*\b{label}="', said, re.MULTILINE), (figure, label)
            assert "process_max_fds " in said
            assert checks[service] == http.get(f"{url}/readyz").json()["checks"].keys()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert system.get(path).status_code == 404


def test_the_events_are_logged_and_the_reasons_are_the_protocols() -> None:
    """Each event that is worth watching is one that the code logs, and each reason of a 503 has its row."""
    packages = (ROOT / folder for folder in ("libs", "services", "gateway"))
    source = "".join(path.read_text() for package in packages for path in package.rglob("src/**/*.py"))
    named = {name for first, _ in table("| event | what it means |") for name in quoted(first)}
    logged = set(re.findall(r'_log\.(?:info|warning|error|exception)\(\s*"(\w+)"', source))
    assert len(named) >= 8
    assert named <= logged
    protocol = (ROOT / "docs" / "protocol.md").read_text("utf-8").split("\n## Errors\n")[1]
    (reasons,) = re.findall(r"^\| 503 \| (.*?) \|", protocol, re.MULTILINE)
    assert {quoted(row[0])[0] for row in rows("What to watch", "What each 503 means")} == set(quoted(reasons))


def test_the_table_of_settings_is_the_code() -> None:
    """Every setting of every process, and no other, with its default."""
    documented = {
        (quoted(name)[0], process): "" if default == "—" else default.strip("`")
        for name, processes, default, _ in rows("Settings")
        for process in processes.split(", ")
    }
    expected = {}
    for process, settings in SETTINGS.items():
        for name, field in settings.model_fields.items():
            variable = str(field.validation_alias or f"SIGNET_{name.upper()}")
            expected[variable, process] = "" if field.is_required() else spelled(field.default)
    assert documented == expected
    assert all(meaning for *_, meaning in rows("Settings"))


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a line of headings, in the section on what to watch."""
    lines = section("What to watch").split(f"{heading}\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def spelled(default: object) -> str:
    match default:
        case None:
            return "none"
        case ():
            return "[]"
        case bool():
            return str(default).lower()
        case float():
            return f"{default:f}".rstrip("0").rstrip(".")
        case _:
            return str(default)
