"""The laboratory: the four services, a profile that follows no feed, and the session twin with each store.

The services themselves are asked, but for a JWT in a cookie: of that the gateway alone knows.
"""

import contextlib
import http.client
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from side_by_side.relay import Relay
from side_by_side.store_server import StoreServer, store_server, why_none
from side_by_side.ways import Server, Way, bearer_of, cookie_of
from signet.data_directory import DataDirectory
from signet.environment import SERVICES
from signet.failure import Failure
from signet.ports import free_ports
from signet.service_process import ServiceProcess
from signet.stack import EmbeddedStack

_Found = TypeVar("_Found")

HOST = "127.0.0.1"
START_SECONDS = 180.0
PLAIN = "profile-plain"
DEFAULT_TOKEN_LIFE, DEFAULT_LEEWAY = 300, 5
"""Seconds, as the services have them when nobody says otherwise."""

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "DOCKER_HOST", "XDG_RUNTIME_DIR")
_NOBODY_IS_HELD_UP = {"SIGNET_ATTEMPTS_PER_ADDRESS": "1000000", "SIGNET_ATTEMPTS_PER_ACCOUNT": "1000000"}
"""One client stands for many people, and all of them come from one address."""


@dataclass
class Laboratory:
    """What runs, and where. Token life and leeway are in seconds: shortened, so that an end can be waited for."""

    stack: EmbeddedStack
    twins: dict[str, ServiceProcess]
    ports: dict[str, int]
    ways: dict[str, Way]
    store: StoreServer | None
    no_store: str | None
    """Why there is no Valkey, if there is none."""
    store_wire: Relay
    """Between `twin-valkey-2` and its store."""
    auth_wire: Relay
    """Between profile and auth: keys and feed; and between the gateway and auth: logins in cookies."""
    data: Path
    token_life: int
    leeway: int
    quick: bool

    def pid(self, name: str) -> int:
        """Return the process id of a service or twin."""
        return self.twins[name].popen.pid if name in self.twins else self.stack.process(name).pid

    def restart(self, *names: str) -> None:
        """End processes without asking, and start them again, all at once."""
        twins = [self.twins[name] for name in names if name in self.twins]
        services = [name for name in names if name not in self.twins]
        for twin in twins:
            twin.kill()
            twin.start()
        for name in services:
            self.stack.kill(name)
            self.stack.start(name, until="begun")
        for twin in twins:
            _wait_until_ready(twin, self.ports[twin.name])
        self.stack.wait_until_ready(*services)

    def in_each_way(self, do: Callable[[Way], _Found]) -> dict[str, _Found]:
        """Do the same in every way, with sessions beside JWTs: for what is counted, however long it takes.

        Of a kind it is one way after the other: JWTs all come from auth, which hashes one password at a time.
        """

        def of(kind: str) -> dict[str, _Found]:
            return {key: do(way) for key, way in self.ways.items() if way.kind == kind}

        with ThreadPoolExecutor() as beside:
            sessions, tokens = beside.submit(of, "session"), beside.submit(of, "jwt")
        found = sessions.result() | tokens.result()
        return {key: found[key] for key in self.ways}

    def way(self, *keys: str) -> Way:
        """Return the first of these ways that there is here. Failure when there is none of them."""
        for key in keys:
            if key in self.ways:
                return self.ways[key]
        raise Failure(f"There is none of the ways {', '.join(keys)} here.")


@contextlib.contextmanager
def laboratory(root: Path, *, quick: bool) -> Iterator[Laboratory]:
    """Run all of it on a folder of its own. `root`: the repository.

    Raises Failure when something does not start.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 -- handed on, not what this is set by
        if name in _INHERITED
    }
    token_life, leeway = (6, 1) if quick else (8, 1)
    shortened = {"SIGNET_LEEWAY": str(leeway), "SIGNET_MAX_TOKEN_LIFE": str(2 * token_life)} | _NOBODY_IS_HELD_UP
    with contextlib.ExitStack() as held:
        data = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-compare-")))
        no_store = why_none(root)
        store = None if no_store else held.enter_context(store_server(root, inherited))
        store_wire = held.enter_context(Relay(lambda: store.port if store else 1))
        auth_wire = held.enter_context(Relay(lambda: stack.addresses.ports["auth"]))
        auth_url = f"http://{HOST}:{auth_wire.port}"
        stack = EmbeddedStack(
            data / "stack",
            twins={PLAIN: "profile"},
            start_seconds=START_SECONDS,
            environment={
                "auth": shortened | {"SIGNET_ACCESS_TOKEN_LIFE": str(token_life)},
                "profile": shortened
                | {
                    "SIGNET_JWKS_URI": f"{auth_url}/.well-known/jwks.json",
                    "SIGNET_REVOCATIONS_URL": f"{auth_url}/revocations",
                },
                "orders": shortened,
                "gateway": {"SIGNET_AUTH_URL": auth_url},
                PLAIN: shortened | {"SIGNET_REVOCATIONS_MODE": "plain"},
            },
        )
        directory = held.enter_context(DataDirectory(data / "twins"))
        twins, ports = _twins(directory, inherited, store, store_wire, quick=quick)
        held.callback(_end_all, twins)
        for twin in twins.values():
            twin.start()
        held.enter_context(stack)
        for name, twin in twins.items():
            _wait_until_ready(twin, ports[name])
        ports |= {name: stack.addresses.ports[name] for name in (*SERVICES, PLAIN)}
        yield Laboratory(
            stack, twins, ports, _ways(ports), store, no_store, store_wire, auth_wire, data, token_life, leeway, quick
        )


def _twins(
    directory: DataDirectory, inherited: Mapping[str, str], store: StoreServer | None, wire: Relay, *, quick: bool
) -> tuple[dict[str, ServiceProcess], dict[str, int]]:
    """Return the twins, not started, and their ports. Those that share a store share a database as well."""
    if directory.lock is None:
        raise Failure("The twins' directory is not locked.")
    kinds: dict[str, tuple[str, str, str | None]] = {"twin-memory": ("memory", "memory", None)}
    if store is None or not quick:  # at a first look, one store besides the memory is enough
        kinds["twin-sqlite"] = ("sqlite", "sqlite", None)
    if store is not None:
        kinds |= {
            "twin-valkey": ("valkey", "valkey", store.url),
            "twin-valkey-2": ("valkey", "valkey", f"redis://{HOST}:{wire.port}/0"),
        }
    ports = dict(zip(kinds, free_ports(len(kinds), host=HOST), strict=True))
    twins = {}
    for name, (kind, database, url) in kinds.items():
        environment = {
            "DATABASE_URL": f"sqlite+aiosqlite:///{directory.root}/{database}.db",
            "SIGNET_HOST": HOST,
            "SIGNET_PORT": str(ports[name]),
            "SIGNET_SESSION_STORE": kind,
        } | ({} if url is None else {"SIGNET_SESSION_STORE_URL": url})
        log = directory.root / f"{name}.log"
        log.write_bytes(b"")
        twins[name] = ServiceProcess(
            name, module="session_twin", environment={**inherited, **environment}, log=log, lock=directory.lock
        )
    return twins, ports


def _ways(ports: Mapping[str, int]) -> dict[str, Way]:
    def profile(name: str) -> Server:
        return Server(name, ports[name], "/api/profile")

    def of_session(key: str, *servers: str) -> Way:
        return Way(key, "session", ports[servers[0]], tuple(map(profile, servers)), cookie_of)

    ways = [of_session("session-memory", "twin-memory")]
    if "twin-sqlite" in ports:
        ways.append(of_session("session-sqlite", "twin-sqlite"))
    if "twin-valkey" in ports:
        ways.append(of_session("session-valkey", "twin-valkey", "twin-valkey-2"))
    orders = Server("orders", ports["orders"], "/api/orders")
    ways += [
        Way("jwt-plain", "jwt", ports["auth"], (profile(PLAIN),), bearer_of),
        Way("jwt-followed", "jwt", ports["auth"], (profile("profile"), orders), bearer_of),
        Way(
            "jwt-cookie",
            "jwt",
            ports["gateway"],
            (profile("gateway"), Server("gateway", ports["gateway"], "/api/orders")),
            cookie_of,
            wish={"transport": "cookie"},
            page={"Sec-Fetch-Site": "same-origin"},
        ),
    ]
    return {way.key: way for way in ways}


def _wait_until_ready(process: ServiceProcess, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not process.running:
            sentence = f"{process.name} ended while it started, {process.how_it_ended()}."
            raise Failure(sentence, excerpt=process.last_said())
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass  # it does not listen yet
        finally:
            connection.close()
        if time.monotonic() > deadline:
            raise Failure(f"{process.name} did not become ready.", excerpt=process.last_said())
        time.sleep(0.05)


def _end_all(processes: Mapping[str, ServiceProcess]) -> None:
    for process in processes.values():
        process.ask_to_end()
    for process in processes.values():
        process.wait()
