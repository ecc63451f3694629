"""How much of the processor a process has used."""

import os
from pathlib import Path

_PROC = Path("/proc")


def processor_seconds(pid: int) -> float | None:
    """Return the seconds that a process and its descendants have run, in user and kernel; None where nobody tells."""
    if not (_PROC / str(pid) / "stat").exists():
        return None
    total, waiting = 0.0, [pid]
    children: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            times[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    while waiting:
        each = waiting.pop()
        total += times.get(each, 0.0)
        waiting += children.get(each, [])
    return total
