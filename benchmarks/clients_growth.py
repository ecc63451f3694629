"""How a service and the gateway bear more and more clients at once, and what a connection costs the gateway."""

import resource
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.cast import Cast
from benchmarks.contest import Effort, Results, hold
from benchmarks.figures import Figure
from benchmarks.findings import Findings, Plot, Table
from benchmarks.gateways import SIGNET, start_gateways
from benchmarks.peers.credentials import issuing
from benchmarks.peers.services import PATH, express, signet_profile
from benchmarks.resource_servers import must_be_verified
from benchmarks.servers import HOST, Cores, Running

TITLE = "More and more clients at once, and what a connection costs"
CLIENTS = (1, 10, 32, 100, 300, 1000)
PROFILE, EXPRESS = "Signet profile", "Express 5 + jsonwebtoken RS256, KeyObject"
NGINX = "nginx"
PAIR = (SIGNET, NGINX)
IDLE = 1000
"""Connections that stand idle while memory is looked at."""


def measure(*, quick: bool) -> Findings:
    """Measure the service beside Express and the gateway beside nginx, with up to 1,000 clients; then the memory."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for wrk, which inherits it, and for the idle ones
    clients = (32, 1000) if quick else CLIENTS
    effort, cores = Effort(1, 1) if quick else Effort(3, 2), Cores.of_this_machine()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        issuer = held.enter_context(issuing(folder))
        services, gateways = Cast(held, folder, cores), Cast(held, folder, cores)
        headers, check = issuer.bearers(1), must_be_verified(issuer.forgeries())
        for name, start in {
            PROFILE: partial(signet_profile, issuer, folder),
            EXPRESS: partial(express, issuer, "key_object"),
        }.items():
            services.add(name, start, path=PATH, check=check, headers=headers)
        start_gateways(gateways, folder)
        memory = {each.name: _per_connection(each.processes[0]) for each in gateways.contestants}
        pair = [each for each in gateways.contestants if each.name in PAIR]
        by_clients: ByClients = {}
        for number in clients:
            in_turns = partial(
                hold, effort=effort, core=cores.load, connections=number, warm=bool(by_clients), may_refuse=True
            )
            service = in_turns(services.contestants, lacking=services.lacking)
            gateway = in_turns(pair, lacking={name: why for name, why in gateways.lacking.items() if name in PAIR})
            by_clients[number] = (service, gateway)
    return Findings(
        figures=_figures(by_clients, memory),
        tables=[
            _table("A protected GET", {number: each for number, (each, _) in by_clients.items()}, PROFILE, EXPRESS),
            _table("Through a gateway", {number: each for number, (_, each) in by_clients.items()}, SIGNET, NGINX),
            Table(
                f"Memory of a gateway for each of {IDLE:,} idle connections",
                ("who", "KiB a connection"),
                [(name, f"{size / 1024:.1f}") for name, size in memory.items()],
            ),
        ],
        plots=[
            _plot("clients-rate", "Requests per second, by clients at once", "requests/s", by_clients, of="rate"),
            _plot("clients-p99", "p99, by clients at once", "ms", by_clients, of="p99"),
            Plot("connection-memory", "Memory of a gateway for an idle connection", "KiB",
                 bars={name: size / 1024 for name, size in memory.items()}),
        ],
    )  # fmt: skip


ByClients = dict[int, tuple[Results, Results]]


def _per_connection(gateway: Running) -> float:
    """Return the bytes that an idle connection costs a gateway, once it has had an answer."""
    before = gateway.memory()
    request = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}:{gateway.port}\r\n\r\n".encode("ascii")
    with ExitStack() as held:
        for _ in range(IDLE):
            connection = held.enter_context(socket.create_connection((HOST, gateway.port), timeout=30))
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        return (gateway.memory() - before) / IDLE


def _figures(by_clients: ByClients, memory: dict[str, float]) -> list[Figure]:
    most = max(by_clients)
    services, gateways = by_clients[most]
    mine = [each.outcomes[name] for name, each in ((PROFILE, services), (SIGNET, gateways)) if name in each.outcomes]
    refused = max((outcome.refused for outcome in mine), default=1.0)
    per_connection = memory.get(SIGNET)
    return [
        Figure(f"{most:,} clients at once: Signet refuses, at most", f"{refused:.2%}", "none",
               kept=len(mine) == 2 and not refused),
        Figure.of_ratio(f"{most:,} clients: {PROFILE} × {EXPRESS}", services.ratio(PROFILE, EXPRESS)),
        Figure.of_ratio(f"{most:,} clients: {SIGNET} × {NGINX}", gateways.ratio(SIGNET, NGINX)),
        Figure("memory of the gateway for an idle connection",
               "not measured" if per_connection is None else f"{per_connection / 1024:.1f} KiB"),
    ]  # fmt: skip


def _table(title: str, by_clients: dict[int, Results], mine: str, base: str) -> Table:
    columns = ("clients", f"{mine}, good answers/s", f"× {base}", "refused", "p99 ms", f"p99 ms of {base}")
    return Table(title, columns, [_row(number, results, mine, base) for number, results in by_clients.items()])


def _row(number: int, results: Results, mine: str, base: str) -> Sequence[str]:
    if lacking := [f"{name}: {why}" for name, why in results.lacking.items()]:
        return (f"{number:,}", f"not measured: {'; '.join(lacking)}", "-", "-", "-", "-")
    own, other = results.outcomes[mine], results.outcomes[base]
    late = [f"{each.p99 * 1000:.1f}" for each in (own, other)]
    return (f"{number:,}", f"{own.rate:,.0f}", f"{own.rate / other.rate:.2f}", f"{own.refused:.2%}", *late)


def _plot(name: str, title: str, y: str, by_clients: ByClients, *, of: str) -> Plot:
    lines: dict[str, list[tuple[float, float]]] = {}
    for number, both in by_clients.items():
        for results in both:
            for who, outcome in results.outcomes.items():
                value = outcome.rate if of == "rate" else outcome.p99 * 1000
                lines.setdefault(who, []).append((float(number), value))
    return Plot(name, title, y, "clients", lines=lines, logarithmic="xy")
