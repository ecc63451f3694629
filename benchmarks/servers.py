"""A server as it is measured: a process of its own, pinned to one core, with what it says in a file."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 90.0
STOP_SECONDS = 10.0


class Missing(Exception):  # noqa: N818 -- what was found, for the report
    """Something that cannot take part, and why, in a sentence."""


@dataclass(frozen=True)
class Cores:
    """Who runs where. On one core, both are the same, and figures say little."""

    server: int
    load: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Take the first two that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[min(1, len(usable) - 1)])


@dataclass(frozen=True)
class Server:
    """What is started, and where it then listens."""

    command: Sequence[str | Path]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str | None = "/"
    """Asked for until an answer comes that is no 5xx; None is for who speaks something else, and need only listen."""


@dataclass(frozen=True)
class Running:
    """A started server: `start_seconds` passed until its first answer."""

    pid: int
    port: int
    start_seconds: float

    def memory(self) -> int:
        """Return the bytes of memory that its processes hold, each shared page counted once in all. [proc(5), Pss]"""
        return sum(_proportional_size(pid) for pid in _family(self.pid))

    def cpu(self) -> float:
        """Return the seconds of a core that its processes have used so far. [proc(5), utime and stime]"""
        return sum(_cpu(pid) for pid in _family(self.pid))


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, folder: Path, *, core: int | None, name: str) -> Iterator[Running]:
    """Run a server for the length of a block. Raises Missing when it cannot be started or does not answer."""
    log = folder / f"{name}.log"
    environment = {"PATH": os.defpath, "HOME": str(folder), "NODE_ENV": "production", **server.environment}
    pinned = [] if core is None else [shutil.which("taskset") or "taskset", "-c", str(core)]
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- what the benchmarks name
            [*pinned, *map(str, server.command)], env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        while not answers(server.port, server.path):
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                said = " / ".join(log.read_text("utf-8", "replace").splitlines()[-3:])
                raise Missing(f"it did not start: {said or 'it said nothing'}")
            time.sleep(0.005)
        yield Running(process.pid, server.port, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int, path: str | None) -> bool:
    """Tell whether somebody answers HTTP at a port, and no 5xx; without a path, whether somebody listens."""
    try:
        with contextlib.closing(socket.create_connection((HOST, port), timeout=1)) as asked:
            if path is None:
                return True
            asked.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode("ascii"))
            return asked.recv(64)[:10] in {b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4"}
    except OSError:
        return False


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in thread.read_text("ascii").split()]
    return found


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proportional_size(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
