"""On what is measured: the machine, and the versions of all that takes part."""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.peers.installation import HERE, debian_program
from benchmarks.servers import Missing

_OURS = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "cryptography", "pydantic", "sqlalchemy")
_VERSION = re.compile(r"\d+(\.\d+)+")


def machine() -> str:
    """Say on what the figures were taken."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {_processor()}, {gibibytes:.0f} GiB, {kernel}, {python}"


def versions() -> dict[str, str]:
    """Return what takes part and its version, or why it does not."""
    found = {f"{name} (Signet)": _ours(name) for name in _OURS}
    found |= {f"{name} (npm)": version for name, version in _from_npm().items()}
    found |= {f"{name} (peers' Python)": version for name, version in _from_pypi().items()}
    found["node"] = _asked("node", "--version")
    for name, option in (("wrk", "-v"), ("nginx", "-v"), ("redis-server", "--version")):
        try:
            found[name] = _asked(str(debian_program(name)), option)
        except Missing as fault:
            found[name] = str(fault)
    return found


def _ours(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _from_npm() -> dict[str, str]:
    told: dict[str, str] = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    return told


def _from_pypi() -> dict[str, str]:
    """Return what is locked of what the peers ask for themselves."""
    asked = re.findall(r"^[a-z-]+", (HERE / "requirements.in").read_text("utf-8"), re.MULTILINE)
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (HERE / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    return {name: locked[name] for name in asked}


def _asked(program: str, option: str) -> str:
    """Ask a program for its version; some say it on standard error, and some with a status that is not 0."""
    if shutil.which(program) is None:
        return "not installed"
    told = subprocess.run([program, option], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    found = _VERSION.search(told.stdout + told.stderr)
    return found[0] if found else "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
