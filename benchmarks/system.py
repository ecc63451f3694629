"""The system that is measured: real processes on loopback, as `signet up` runs them, with more replicas and workers."""

import contextlib
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.connections import Connection, Reply
from signet.stack import EmbeddedStack

HOST = "127.0.0.1"
# One client stands for many people, and all of them come from one address.
_MANY = {"SIGNET_ATTEMPTS_PER_ADDRESS": "1000000", "SIGNET_ATTEMPTS_PER_ACCOUNT": "1000000"}


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    email: str
    password: str


class Door:
    """The system's public door, asked over a fresh connection each time."""

    def __init__(self, stack: EmbeddedStack) -> None:
        self._port = stack.addresses.ports["gateway"]

    async def ask(self, method: str, path: str, *, token: str | None = None, body: object = None) -> Reply:
        """Ask, and return whatever is answered."""
        async with Connection(HOST, self._port) as connection:
            return await connection.ask(method, path, token=token, body=body)

    async def must(self, method: str, path: str, *, token: str | None = None, body: object = None) -> Any:  # noqa: ANN401
        """Ask for something that has to succeed, and return what its JSON says, if it says any. RuntimeError if not."""
        reply = await self.ask(method, path, token=token, body=body)
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.body.decode(errors='replace')}")
        return reply.json() if reply.body else None

    async def register(self) -> Person:
        """Make an account."""
        person = Person(f"{secrets.token_hex(8)}@example.com", f"{secrets.token_hex(8)} Battery")
        await self.must("POST", "/register", body={**vars(person), "name": "Ada"})
        return person

    async def log_in(self, person: Person, **more: object) -> Any:  # noqa: ANN401 -- what the answer says
        """Log in, and return what is answered."""
        return await self.must("POST", "/login", body={**vars(person), **more})


@contextlib.contextmanager
def running_system(
    *,
    environment: Mapping[str, Mapping[str, str]] | None = None,
    twins: Mapping[str, str] | None = None,
    everywhere: Mapping[str, str] | None = None,
) -> Iterator[EmbeddedStack]:
    """Run a system on a folder of its own; `everywhere` is set for every process but the gateway."""
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        own = dict(environment or {})
        for name in ("auth", "profile", "orders", *(twins or {})):
            own[name] = {**_MANY, **(everywhere or {}), **own.get(name, {})}
        with EmbeddedStack(Path(folder), environment=own, twins=twins) as stack:
            yield stack


def make_administrator(stack: EmbeddedStack) -> Person:
    """Make the first administrator by the documented command."""
    person = Person("root@example.com", secrets.token_urlsafe(16))
    subprocess.run(  # noqa: S603 -- our own command, with arguments of our own
        [Path(sys.executable).with_name("signet"), "admin", "create", "--email", person.email, "--name", "Root",
         "--data", stack.data.root],
        input=f"{person.password}\n", text=True, check=True, capture_output=True,
    )  # fmt: skip
    return person
