"""Gateways, one process on one core, in front of the same nginx with 200 bytes: Signet's beside its peers."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.cast import Cast
from benchmarks.checks import must_answer, must_forward
from benchmarks.contest import Effort, hold
from benchmarks.figures import Figure
from benchmarks.findings import Findings
from benchmarks.load import Asking
from benchmarks.peers.gateways import (
    BODY,
    PATH,
    caddy,
    nginx,
    signet_gateway,
    traefik,
    upstream,
    usual_python_gateway,
)
from benchmarks.servers import Cores, Server

TITLE = "A gateway, one process on one core, before an upstream with 200 bytes"
SIGNET, NGINX, CADDY, TRAEFIK = "Signet gateway", "nginx", "Caddy", "Traefik"

GATEWAYS: Mapping[str, Callable[[Path, int], Server]] = {
    SIGNET: signet_gateway,
    NGINX: nginx,
    CADDY: caddy,
    TRAEFIK: traefik,
    "FastAPI + httpx, the usual demo": usual_python_gateway,
}


def measure(*, quick: bool) -> Findings:
    """Measure all gateways in turns; the upstream shares a core with the load."""
    cores = Cores.of_this_machine()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        cast = Cast(held, folder, cores)
        start_gateways(cast, folder)
        results = hold(cast.contestants, Effort.usual(quick=quick), core=cores.load, lacking=cast.lacking)
    mine = results.outcomes.get(SIGNET)
    return Findings(
        figures=[
            Figure.of_ratio("gateway × Caddy", results.ratio(SIGNET, CADDY), least=1.0, aim=2),
            Figure.of_ratio("gateway × Traefik", results.ratio(SIGNET, TRAEFIK), least=0.75, aim=1.5),
            Figure.of_ratio("gateway × nginx", results.ratio(SIGNET, NGINX)),
            Figure("p99 at that load", f"{mine.p99 * 1000:.1f} ms" if mine else "not measured"),
        ],
        tables=[results.table("The same request again and again", base=NGINX)],
        plots=[results.plot("gateways", "Gateways before an upstream with 200 bytes", base=NGINX)],
    )


def start_gateways(cast: Cast, folder: Path) -> None:
    """Start the upstream, and every gateway before it. Raises Missing when there is no upstream."""
    behind = cast.run(upstream(folder), "upstream", cast.cores.load)
    for name, make in GATEWAYS.items():
        cast.add(name, partial(make, folder, behind.port), path=PATH, check=_is_a_gateway)


def _is_a_gateway(asking: Asking) -> None:
    must_answer(asking, BODY)
    must_forward(asking)
