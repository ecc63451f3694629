"""A million live revocations in one worker: what an entry costs, how long they take to load, and what a check costs."""

import secrets
import tempfile
import time
import tracemalloc
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.findings import Findings
from token_verification.revocation_answer import Revocation
from token_verification.revocation_journal import Position, RevocationJournal
from token_verification.revocation_set import RevocationSet

TITLE = "Revocations in one worker's memory, and on its disk"
ISSUER = "https://issuer.test"
LIFE = 665
"""Seconds within which they end."""


def measure(*, quick: bool) -> Findings:
    """Measure up to a million of them, or a hundred thousand."""
    sizes = (1000, 10_000, 100_000) if quick else (1000, 10_000, 100_000, 1_000_000)
    now = int(time.time())
    rows = [Revocation("sid", secrets.token_hex(16), now + 1 + number % LIFE) for number in range(sizes[-1])]
    # In turns, so that a machine's moods are the same for all.
    known = {size: _filled(rows[:size]) for size in sizes}
    costs = {size: min(_check_cost(known[size], rows[:size]) for _ in range(5)) for size in sizes}
    tracemalloc.start()
    again = _filled(rows)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(again) == len(rows)
    grown = costs[sizes[-1]] / costs[sizes[0]]
    return Findings(
        [
            # The ids themselves are made by whoever reads an answer; here they were there before: 81 bytes for each.
            Figure(f"bytes for each of {len(rows):,}, without its id", f"{held / len(rows):.0f}"),
            Figure(f"loading {len(rows):,} from the journal", f"{_load_time(again, rows):.1f} s"),
            *(Figure(f"a check among {size:,}", f"{cost * 1e9:.0f} ns") for size, cost in costs.items()),
            Figure(
                f"a check among {sizes[-1]:,}, in checks among {sizes[0]:,}", f"{grown:.1f}", "flat", kept=grown < 4
            ),
        ]
    )


def _filled(rows: list[Revocation]) -> RevocationSet:
    known = RevocationSet()
    for kind, id_, until in rows:
        known.add(kind, id_, until)
    return known


def _check_cost(known: RevocationSet, rows: list[Revocation]) -> float:
    """Return the seconds of a core for one check: half of them for logins that have ended, half for others."""
    asked = [row.id for row in rows[:: max(1, len(rows) // 1000)]]
    asked += [secrets.token_hex(16) for _ in asked]
    began = time.thread_time()
    for id_ in asked * 20:
        _ = id_ in known.logins
    return (time.thread_time() - began) / (len(asked) * 20)


def _load_time(known: RevocationSet, rows: list[Revocation]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        journal = RevocationJournal(Path(folder), issuer=ISSUER)
        journal.write(rows, Position(1, complete=True), known=known)
        journal.close()
        read = RevocationSet()
        began = time.perf_counter()
        RevocationJournal(Path(folder), issuer=ISSUER).read(read)
        took = time.perf_counter() - began
    assert len(read) == len(rows)
    return took
