"""Load on one server: by `wrk` where it is installed, else by a client in this process, the same for every way."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from side_by_side.exchange import request_bytes
from side_by_side.ways import Credential, Server, UnexpectedAnswerError

SHARES: Final = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
"""Percentiles of latency that are kept."""

_SCRIPT = """
local question = %s
request = function() return question end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %%d, "seconds": %%.6f, "failed": %%d, "latency": [', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
  for place, share in ipairs({%s}) do
    io.write((place > 1 and ", " or "") .. string.format("[%%s, %%.3f]", share, latency:percentile(share) / 1000))
  end
  io.write("]}\\n")
end
"""


@dataclass(frozen=True)
class Load:
    """What came of it. `latency` is pairs of percentile and milliseconds."""

    requests: int
    seconds: float
    latency: tuple[tuple[float, float], ...]

    def percentile(self, share: float) -> float:
        """Return one of SHARES, in milliseconds."""
        return dict(self.latency)[share]


def tool() -> str:
    """Name what makes the load."""
    return "wrk" if shutil.which("wrk") else "a client in Python, on asyncio"


def drive(server: Server, credential: Credential, *, clients: int, seconds: int) -> Load:
    """Ask as fast as so many `clients` can on a connection each, all with the same credential.

    UnexpectedAnswerError when a single request is refused: refusing is cheaper than answering.
    """
    request = request_bytes("GET", server.path, f"127.0.0.1:{server.port}", credential.headers)
    if shutil.which("wrk"):
        return _wrk(server, request, clients=clients, seconds=seconds)
    return asyncio.run(_asyncio(server, request, clients=clients, seconds=seconds))


def _wrk(server: Server, request: bytes, *, clients: int, seconds: int) -> Load:
    quoted = '"' + "".join(f"\\{byte:03d}" for byte in request) + '"'
    with tempfile.TemporaryDirectory(prefix="signet-load-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_SCRIPT % (quoted, ", ".join(map(str, SHARES))))
        done = subprocess.run(  # noqa: S603 -- towards a process of our own on loopback
            ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{server.port}"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return _checked(said["requests"], said["seconds"], said["failed"], [(share, ms) for share, ms in said["latency"]])


async def _asyncio(server: Server, request: bytes, *, clients: int, seconds: int) -> Load:
    began = time.perf_counter()
    until = began + seconds
    found = await asyncio.gather(*(_client(server, request, until) for _ in range(clients)))
    took = time.perf_counter() - began
    latencies = sorted(latency for each, _ in found for latency in each)
    failed = sum(failures for _, failures in found)
    picked = [(share, 1000 * latencies[min(len(latencies) - 1, int(share / 100 * len(latencies)))]) for share in SHARES]
    return _checked(len(latencies), took, failed, picked)


async def _client(server: Server, request: bytes, until: float) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    latencies, failed = [], 0
    try:
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            latencies.append(time.perf_counter() - began)
            failed += not head.startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
    return latencies, failed


def _checked(requests: int, seconds: float, failed: int, latency: Sequence[tuple[float, float]]) -> Load:
    if failed or not requests:
        raise UnexpectedAnswerError(f"{failed} of {requests} requests failed under load")
    return Load(requests, seconds, tuple(latency))
