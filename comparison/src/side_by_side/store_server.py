"""A session store that speaks the Redis protocol: whatever this machine has of it."""

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from signet.failure import Failure
from signet.ports import free_ports

HOST = "127.0.0.1"
START_SECONDS = 30.0
IMAGE = "valkey/valkey:8-trixie"
OVERLAY = Path("deploy") / "compose.sessions.yml"


@dataclass(frozen=True)
class StoreServer:
    """A running server: what it is, where it listens, and its process, if it is one of this machine's own."""

    what: str
    port: int
    pid: int | None

    @property
    def url(self) -> str:
        """Where a session app finds it."""
        return f"redis://{HOST}:{self.port}/0"


def why_none(root: Path) -> str | None:
    """Return None when there is a server to be had, or why not. `root`: the repository, which has the overlay."""
    if _program() is not None:
        return None
    if shutil.which("docker") is None:
        return "there is no valkey-server, no redis-server and no docker"
    found = subprocess.run(  # noqa: S603 -- a question to docker
        ["docker", "image", "inspect", IMAGE],  # noqa: S607 -- the one on the path
        capture_output=True,
        check=False,
    )
    if found.returncode != 0:
        return f"there is no valkey-server, no redis-server, and no image {IMAGE}"
    return None if (root / OVERLAY).exists() else f"there is no {OVERLAY} here"


@contextlib.contextmanager
def store_server(root: Path, environment: Mapping[str, str]) -> Iterator[StoreServer]:
    """Run a server that keeps nothing on disk: a program of this machine, or else the overlay's container.

    Raises Failure when it does not come up.
    """
    with _process() if _program() is not None else _container(root, environment) as server:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(server.port):
            if time.monotonic() > deadline:
                raise Failure(f"{server.what} does not answer on port {server.port}.")
            time.sleep(0.02)
        yield server


def _program() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


@contextlib.contextmanager
def _process() -> Iterator[StoreServer]:
    program, (port,) = _program() or "", free_ports(1, host=HOST)
    with tempfile.TemporaryDirectory(prefix="signet-store-") as folder:
        running = subprocess.Popen(  # noqa: S603 -- a program found on the path, with arguments of our own
            [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # the terminal's Ctrl-C is for whoever measures; a session would get a core before others
        )
        try:
            yield StoreServer(_version(program), port, running.pid)
        finally:
            running.terminate()
            running.wait(10)


@contextlib.contextmanager
def _container(root: Path, environment: Mapping[str, str]) -> Iterator[StoreServer]:
    project = f"signet-sessions-{secrets.token_hex(4)}"
    compose = ["docker", "compose", "-f", str(root / OVERLAY), "-p", project]

    def run(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 -- our own overlay
            [*compose, *arguments], capture_output=True, text=True, check=False, env=dict(environment)
        )
        if done.returncode != 0:
            raise Failure(f"docker compose {' '.join(arguments)} did not succeed.", excerpt=done.stderr[-2000:])
        return done.stdout

    try:
        run("up", "--wait")
        yield StoreServer(f"{IMAGE} in a container", int(run("port", "valkey", "6379").rpartition(":")[2]), None)
    finally:
        run("down", "-v")


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    number = next((word.removeprefix("v=") for word in said.split() if word.startswith("v=")), "")
    return f"{Path(program).name} {number}".strip()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith(b"+PONG")
    except OSError:
        return False
