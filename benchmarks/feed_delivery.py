"""How long a revocation takes from its commit to a thousand followers of one auth process, and what they cost it.

Auth runs as it is run, in a process of its own on a database of its own. The followers are a second process, with
connections as lean as can be: they stand for the workers of many services. This third one revokes, as another replica
of auth would: what is measured includes that auth has to notice another process' commit.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from auth_service.revocations import RevocationKind, RevocationLog
from benchmarks.figures import Figure
from benchmarks.findings import Findings
from service_chassis.database import Database

TITLE = "1,000 followers of one auth process"
WAIT_SECONDS = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process has used: seconds of a core, and bytes of memory now and at most."""

    cpu: float
    memory: int
    peak: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read it from the kernel."""
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
        memory, peak = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return cls((int(fields[11]) + int(fields[12])) / TICKS, memory, peak)


def main() -> None:
    """Measure and print, or, as a process that this one starts, follow."""
    parser = argparse.ArgumentParser(description="1,000 followers of one auth process.")
    parser.add_argument("--followers", type=int, default=1000)
    parser.add_argument("--revocations", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two revocations")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds in which nothing is revoked")
    parser.add_argument("--database", help="DATABASE_URL of an empty database; SQLite in a temporary folder by default")
    parser.add_argument("--follow", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if arguments.follow:
        asyncio.run(follow(arguments.follow, arguments.followers))
    else:
        print(json.dumps(asyncio.run(_measure(arguments)), indent=2))


def measure(*, quick: bool) -> Findings:
    """Measure in a process of its own, which raises its limit of open files."""
    command = [sys.executable, "-m", "benchmarks.feed_delivery", *(["--revocations=10", "--idle=5"] if quick else [])]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603 -- ourselves
    late, delay, cpu, memory = (
        told["delivery_ms"]["p99"], told["delivery_ms"], told["auth_cpu_s"], told["auth_memory_mib"]
    )  # fmt: skip
    deliveries, expected = told["deliveries"], told["expected_deliveries"]
    return Findings([
        Figure("delivered", f"{deliveries} of {expected}", "all", kept=deliveries == expected),
        Figure("delivery, median / p99 / worst", f"{delay['p50']:.0f} / {late:.0f} / {delay['max']:.0f} ms",
               "p99 at most 1 s", kept=late <= 1000),
        Figure("auth's CPU: for each revocation, for each second without one",
               f"{cpu['per_revocation'] * 1000:.0f} ms, {cpu['per_idle_second'] * 1000:.0f} ms"),
        Figure("auth's memory: alone, with all followers, at most",
               f"{memory['alone']:.0f} / {memory['with_followers']:.0f} / {memory['peak']:.0f} MiB"),
    ])  # fmt: skip


async def _measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the figures: times in milliseconds, CPU in seconds of a core, memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite+aiosqlite:///{folder}/auth.db"
        async with serving(Path(folder), url) as (auth, port):
            alone = Usage.of(auth)
            database = Database(url)
            log = RevocationLog(database, remember_for=605, clock=time.time)
            async with following(port, arguments.followers) as told:
                await told.everybody()
                waiting = Usage.of(auth)
                await asyncio.sleep(arguments.idle)
                idle = Usage.of(auth)
                committed: dict[int, float] = {}
                for number in range(arguments.revocations):
                    async with log.writing() as connection:
                        seq = await log.append(connection, RevocationKind.LOGIN, [f"{number:032x}"])
                    committed[seq] = time.monotonic()
                    await asyncio.sleep(arguments.pause)
                await asyncio.sleep(2)
                busy = Usage.of(auth)
            await database.close()
        delays = told.delays(committed)
    mebibyte = 1024 * 1024
    return {
        "followers": arguments.followers,
        "revocations": arguments.revocations,
        "deliveries": len(delays),
        "expected_deliveries": arguments.followers * arguments.revocations,
        "delivery_ms": {
            "p50": round(statistics.median(delays) * 1000, 1),
            "p99": round(statistics.quantiles(delays, n=100)[98] * 1000, 1),
            "max": round(max(delays) * 1000, 1),
        },
        "auth_cpu_s": {
            "per_revocation": round((busy.cpu - idle.cpu) / arguments.revocations, 4),
            "per_idle_second": round((idle.cpu - waiting.cpu) / arguments.idle, 4),
        },
        "auth_memory_mib": {
            "alone": round(alone.memory / mebibyte, 1),
            "with_followers": round(waiting.memory / mebibyte, 1),
            "peak": round(busy.peak / mebibyte, 1),
        },
        "load_average": os.getloadavg(),
    }


@contextlib.asynccontextmanager
async def serving(folder: Path, url: str) -> AsyncIterator[tuple[int, int]]:
    """Run auth for the length of a block; give its process id and its port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.defpath,
        "DATABASE_URL": url,
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": "http://localhost:8080",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(folder / "key-encryption-key"),
        "SIGNET_LOG_LEVEL": "WARNING",
    }
    auth = await asyncio.create_subprocess_exec(sys.executable, "-m", "auth_service", env=environment)
    try:
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(_is_ready, port):
                await asyncio.sleep(0.2)
        yield auth.pid, port
    finally:
        auth.terminate()
        await auth.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Told:
    """What the followers' process says: who has heard of which seq, and when."""

    def __init__(self, process: asyncio.subprocess.Process, followers: int) -> None:
        self._process = process
        self._followers = followers
        self._heard: list[tuple[int, int, float]] = []

    async def everybody(self) -> None:
        """Wait until every follower has had its first answer, and half a second more: then they all wait."""
        async with asyncio.timeout(120):
            while len({follower for follower, _, _ in self._heard}) < self._followers:
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)

    async def listen(self) -> None:
        """Take note until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            follower, seq, moment = line.split()
            self._heard.append((int(follower), int(seq), float(moment)))

    def delays(self, committed: dict[int, float]) -> list[float]:
        """Return how many seconds after each commit each follower knew of it."""
        first: dict[tuple[int, int], float] = {}
        for follower, heard, moment in self._heard:
            for seq in committed:
                if heard >= seq:
                    first.setdefault((follower, seq), moment)
        return [moment - committed[seq] for (_, seq), moment in first.items()]


@contextlib.asynccontextmanager
async def following(port: int, followers: int) -> AsyncIterator[Told]:
    """Let so many follow, in a process of their own, for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.feed_delivery",
        "--follow",
        str(port),
        "--followers",
        str(followers),
        stdout=asyncio.subprocess.PIPE,
    )
    told = Told(process, followers)
    listening = asyncio.create_task(told.listen())
    try:
        yield told
    finally:
        process.terminate()
        await process.wait()
        await listening


async def follow(port: int, followers: int) -> None:
    """Follow by so many connections, and print who has heard of which seq when."""
    said: dict[bytes, int] = {}

    def seq_of(body: bytes) -> int:
        if body not in said:
            payload = body.split(b".")[1]
            said[body] = int(json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["seq"])
        return said[body]

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        seq, wait = 0, 0
        while True:
            question = f"GET /revocations?after={seq} HTTP/1.1\r\nHost: auth\r\nPrefer: wait={wait}\r\n\r\n"
            writer.write(question.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            seq = seq_of(await reader.readexactly(length))
            print(number, seq, time.monotonic())
            wait = WAIT_SECONDS

    async def flush() -> None:
        while True:
            await asyncio.sleep(0.2)
            sys.stdout.flush()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flush())
        for number in range(followers):
            tasks.create_task(one(number))
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    main()
