"""Load on one server: by `wrk` where it is installed, else by a client in this process, the same for every way."""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from side_by_side.exchange import request_bytes
from side_by_side.ways import Credential, Server, UnexpectedAnswerError

SHARES: Final = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
"""Percentiles of latency that are kept."""

_SCRIPT = """
local questions, only_once, begun, sent = {%s}, %s, 0, 0
-- wrk asks for one request more than it sends, at the start: that is the last one, which comes again in its turn.
request = function()
  begun = begun + 1
  return questions[(begun - 2) %% #questions + 1]
end
if only_once then
  -- Once each of them was sent, whoever would send another waits until the end.
  delay = function()
    sent = sent + 1
    return sent > #questions and 3600000 or 0
  end
end
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


def drive(server: Server, credentials: Sequence[Credential], *, clients: int, seconds: int) -> Load:
    """Ask as fast as so many `clients` can on a connection each.

    With one credential it is sent again and again; of several each is sent once, and then no more is asked.
    UnexpectedAnswerError when a single request is refused: refusing is cheaper than answering.
    """
    host = f"127.0.0.1:{server.port}"
    requests = [request_bytes("GET", server.path, host, each.headers) for each in credentials]
    if shutil.which("wrk"):
        return _wrk(server, requests, clients=clients, seconds=seconds)
    return asyncio.run(_asyncio(server, requests, clients=clients, seconds=seconds))


def _wrk(server: Server, requests: Sequence[bytes], *, clients: int, seconds: int) -> Load:
    quoted = ", ".join('"' + "".join(f"\\{byte:03d}" for byte in request) + '"' for request in requests)
    only_once = "true" if len(requests) > 1 else "false"
    with tempfile.TemporaryDirectory(prefix="signet-load-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_SCRIPT % (quoted, only_once, ", ".join(map(str, SHARES))))
        done = subprocess.run(  # noqa: S603 -- towards a process of our own on loopback
            ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{server.port}"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return _checked(said["requests"], said["seconds"], said["failed"], [(share, ms) for share, ms in said["latency"]])


async def _asyncio(server: Server, requests: Sequence[bytes], *, clients: int, seconds: int) -> Load:
    began = time.perf_counter()
    until = began + seconds
    # One after the other, whichever client is next.
    questions = iter(requests) if len(requests) > 1 else itertools.repeat(requests[0])
    found = await asyncio.gather(*(_client(server, questions, until) for _ in range(clients)))
    took = time.perf_counter() - began
    latencies = sorted(latency for each, _ in found for latency in each)
    failed = sum(failures for _, failures in found)
    picked = [(share, 1000 * latencies[min(len(latencies) - 1, int(share / 100 * len(latencies)))]) for share in SHARES]
    return _checked(len(latencies), took, failed, picked)


async def _client(server: Server, questions: Iterator[bytes], until: float) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    latencies, failed = [], 0
    try:
        for question in questions:
            if (began := time.perf_counter()) >= until:
                break
            writer.write(question)
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
