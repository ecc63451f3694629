"""A PostgreSQL server for tests: a container where the image is at hand, else one from an installed `postgres`.

Neither outlives the process that started it, however that ends: both wait for the end of their standard input.
"""

import functools
import os
import pwd
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

IMAGE = "postgres:17-trixie"
START_SECONDS = 60.0

SMALL_DISK = "/small-disk"
"""A folder of the container's server, on a file system of 32 MiB that holds nothing else."""

# Nobody keeps these data: nothing has to reach the disk. A test may open what eight processes may.
_OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
_ATTENDED = "& server=$!; cat >/dev/null; kill -INT $server; wait $server"


class ServerDidNotStart(Exception):  # noqa: N818 -- what happened, for a person who reads the summary
    """The message holds what the server said."""


@dataclass(frozen=True)
class Server:
    """A server that answers on 127.0.0.1, and its superuser's password."""

    kind: str
    port: int
    password: str = field(repr=False)

    @property
    def has_small_disk(self) -> bool:
        """Whether SMALL_DISK is there."""
        return self.kind == "container"

    def url(self, database: str) -> str:
        """Return the URL of a database, with the password in it."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"


@functools.cache
def why_no_container() -> str | None:
    """Return None when a Docker engine has the image, or what is missing."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    try:
        looked = subprocess.run(
            ["docker", "image", "inspect", "-f", "-", IMAGE], capture_output=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return "no Docker engine answers within 20 s"
    return None if looked.returncode == 0 else f"no Docker engine that has {IMAGE} answers"


def installed_server() -> Path | None:
    """Return the folder of an installed server's programs, the newest's, or None."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name, reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()), None)


def why_no_server() -> str | None:
    """Return None when a server can be had, or what is missing."""
    lack = why_no_container()
    return f"{lack}, and no postgres is installed" if lack and installed_server() is None else None


@contextmanager
def running_server() -> Iterator[Server]:
    """Run whichever server can be had. Raises ServerDidNotStart."""
    with container_server() if why_no_container() is None else local_server() as server:
        yield server


@contextmanager
def container_server() -> Iterator[Server]:
    """Run a server in a container of its own, whose data go with it. Raises ServerDidNotStart."""
    name, password = f"signet-test-postgres-{secrets.token_hex(6)}", secrets.token_urlsafe(18)
    script = f"chown postgres {SMALL_DISK}; docker-entrypoint.sh postgres {_OPTIONS} </dev/null {_ATTENDED}"
    command = ["docker", "run", "--rm", "-i", "--pull", "never", "--name", name, "-p", "127.0.0.1::5432"]
    command += ["--tmpfs", f"{SMALL_DISK}:size=32m"]
    command += ["-e", "POSTGRES_PASSWORD", "--entrypoint", "sh", IMAGE, "-c", script]
    environment = dict(os.environ) | {"POSTGRES_PASSWORD": password}  # noqa: TID251 -- handed on, not read
    with _attended(command, environment) as (process, log):

        def published() -> int | None:
            said = subprocess.run(
                ["docker", "port", name, "5432/tcp"], capture_output=True, text=True, timeout=20, check=False
            ).stdout
            return int(said.rpartition(":")[2]) if said.strip() else None

        yield _once_it_answers("container", published, password, process, log)


@contextmanager
def local_server() -> Iterator[Server]:
    """Run an installed server, in a folder that goes with it. Raises ServerDidNotStart."""
    programs = installed_server()
    assert programs is not None, "ask why_no_server first"
    password = secrets.token_urlsafe(18)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="signet-test-postgres-"))
    (folder / "password").write_text(password)
    environment = {"PATH": f"{programs}:{os.defpath}", "LC_ALL": "C.UTF-8"}
    script = (
        f"cd {folder} && initdb -D data -U postgres -E UTF8 --auth scram-sha-256 --pwfile password >/dev/null || exit;"
        f"postgres -D data {_OPTIONS} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {port} </dev/null"
        f" {_ATTENDED}; rm -rf {folder}/*"
    )
    person = None
    if os.geteuid() == 0:  # the server refuses to run as root
        person = next(entry for entry in pwd.getpwall() if entry.pw_name in {"postgres", "nobody"} and entry.pw_uid)
        for path in (folder, folder / "password"):
            os.chown(path, person.pw_uid, person.pw_gid)
    try:
        with _attended(["sh", "-c", script], environment, person) as (process, log):
            yield _once_it_answers("installed", lambda: port, password, process, log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _attended(
    command: list[str], environment: Mapping[str, str], person: pwd.struct_passwd | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a command that ends when its standard input does, out of reach of the terminal's Ctrl-C."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=person and person.pw_uid,
            group=person and person.pw_gid,
            extra_groups=person and [],
        )
        try:
            yield process, Path(log.name)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _once_it_answers(
    kind: str, port: Callable[[], int | None], password: str, process: subprocess.Popen[bytes], log: Path
) -> Server:
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        if (found := port()) is not None and _answers(found):
            return Server(kind, found, password)
        sleep(0.05)
    raise ServerDidNotStart(log.read_text(errors="replace")[-2000:])


def _answers(port: int) -> bool:
    """Say hello, and see whether the server asks for the password: only one that has started does."""
    wishes = b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack("!ii", 8 + len(wishes), 3 << 16) + wishes)
            return connection.recv(1) == b"R"
    except OSError:
        return False
