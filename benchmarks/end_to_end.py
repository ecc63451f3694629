"""From the door to a verified answer: a gateway on one core, a resource server on the other."""

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.cast import Cast
from benchmarks.contest import Effort, hold
from benchmarks.figures import Figure
from benchmarks.findings import Findings
from benchmarks.load import CONNECTIONS
from benchmarks.peers.credentials import issuing
from benchmarks.peers.gateways import nginx, signet_gateway, usual_python_gateway
from benchmarks.peers.services import PATH, express, signet_profile, usual_python_service
from benchmarks.resource_servers import must_be_verified
from benchmarks.servers import Cores, Missing

TITLE = "From the door to a verified answer: a gateway on one core, a service on the other"
SIGNET = "Signet gateway → profile"
BASE = "nginx → Express RS256"
USUAL = "FastAPI + httpx → FastAPI + PyJWT"


def measure(*, quick: bool) -> Findings:
    """Measure the chains in turns; the load goes where the kernel puts it."""
    cores = Cores.of_this_machine()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        issuer = held.enter_context(issuing(folder))
        cast = Cast(held, folder, cores)
        headers, check = issuer.bearers(1), must_be_verified(issuer.forgeries())
        chains = {
            SIGNET: (signet_gateway, partial(signet_profile, issuer, folder)),
            BASE: (nginx, partial(express, issuer, "key_object")),
            USUAL: (usual_python_gateway, partial(usual_python_service, issuer)),
        }
        for name, (gateway, service) in chains.items():
            try:
                behind = cast.run(service(), f"behind {name}", cores.load)
            except Missing as fault:
                cast.lacking[name] = str(fault)
                continue
            cast.add(name, partial(gateway, folder, behind.port), path=PATH, check=check, headers=headers,
                     behind=behind)  # fmt: skip
        results = hold(cast.contestants, Effort.usual(quick=quick), core=None, lacking=cast.lacking)
    mine = results.outcomes.get(SIGNET)
    return Findings(
        figures=[
            Figure.of_ratio(f"gateway → service × {BASE}", results.ratio(SIGNET, BASE), least=1.8, aim=3.8),
            Figure("p99 at that load", f"{mine.p99 * 1000:.1f} ms" if mine else "not measured",
                   "at most 10 ms (aim 3 ms)", kept=mine is not None and mine.p99 <= 0.010),
            Figure("the same, × the mean wait, which is the connections divided by the rate",
                   f"{mine.p99 * mine.rate / CONNECTIONS:.1f}" if mine else "not measured"),
            Figure.of_ratio(f"the same, × that of {BASE}", results.p99_ratio(SIGNET, BASE)),
        ],
        tables=[results.table("The same token again and again", base=BASE)],
        plots=[results.plot("end-to-end", "From the door to a verified answer", base=BASE)],
        notes=["The load has no core of its own here: on two cores, it takes its share of both."],
    )  # fmt: skip
