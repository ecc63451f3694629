"""Load by wrk, which is not written in Python and costs a core a tenth of what is measured."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import HOST, Missing

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What wrk has measured. Durations are seconds; `refused` are answers of 400 and more, `broken` is without one."""

    requests: int
    seconds: float
    p50: float
    p99: float
    worst: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return (self.requests - self.refused) / self.seconds


@dataclass(frozen=True)
class Asking:
    """What is asked, and by which headers in turn: one for the same again and again, many for a new one each time."""

    port: int
    path: str
    headers: Sequence[str]


def put_load(
    asking: Asking, *, seconds: int, core: int | None, connections: int = CONNECTIONS, first: int = 0, pause: int = 0
) -> Load:
    """Ask over so many connections that are kept, each at once after its answer, or `pause` milliseconds later.

    `first`: with which of the headers to begin. Raises Missing when there is no wrk.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Missing("there is no wrk to put load on it")
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".headers") as file:
        file.write("".join(f"{header}\n" for header in asking.headers))
        file.flush()
        pinned = [] if core is None else [shutil.which("taskset") or "taskset", "-c", str(core)]
        command = [*pinned, wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT),
                   f"http://{HOST}:{asking.port}{asking.path}", "--", file.name, str(first), str(pause)]  # fmt: skip
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)  # noqa: S603
    return Load(**json.loads(told.stdout.splitlines()[-1]))
