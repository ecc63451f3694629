"""A protected GET of the caller's profile, one process on one core: Signet's profile service beside its peers."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.checks import ask, must_answer, must_refuse
from benchmarks.contest import Contestant, Effort, Results, hold
from benchmarks.figures import Figure
from benchmarks.findings import Findings
from benchmarks.load import Asking
from benchmarks.peers.credentials import BODY, Issuer, issuing
from benchmarks.peers.services import (
    PATH,
    express,
    express_session,
    fastify,
    redis_store,
    signet_profile,
    usual_python_service,
)
from benchmarks.servers import Cores, Missing, Running, Server, running

TITLE = "A protected GET, one process on one core"
SIGNET = "Signet profile"
OPEN = "Signet profile, verifying nothing"
BASE = "Express 5 + jsonwebtoken RS256, KeyObject"
CACHED = "Fastify + fast-jwt, with its cache"

Start = Callable[[Issuer, Path], Server]

BY_TOKEN: dict[str, Start] = {
    SIGNET: signet_profile,
    BASE: lambda issuer, _: express(issuer, "key_object"),
    "Express 5 + jsonwebtoken RS256, PEM string": lambda issuer, _: express(issuer, "pem"),
    "Fastify + fast-jwt": lambda issuer, _: fastify(issuer, "uncached"),
    CACHED: lambda issuer, _: fastify(issuer, "cached"),
    "FastAPI + PyJWT, the usual demo": lambda issuer, _: usual_python_service(issuer),
}
"""Those who verify RS256. None but Signet's service asks a database, and follows a feed of revocations."""

ARTICLE = "Express 5 + jsonwebtoken HS256, as the article has it"
SESSION = "Express 5 + express-session"


def measure(*, quick: bool) -> Findings:
    """Measure with one token again and again, and with a new one each time."""
    effort, cores = Effort.usual(quick=quick), Cores.of_this_machine()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        issuer = held.enter_context(issuing(folder))
        cast = _Cast(held, folder, cores)
        for name, start in BY_TOKEN.items():
            cast.add(name, partial(start, issuer, folder), issuer.bearers(1), issuer.forgeries())
        cast.add(ARTICLE, lambda: express(issuer, "secret"), issuer.secret_bearers(1), issuer.secret_forgeries())
        cast.add(OPEN, lambda: signet_profile(issuer, folder, module="benchmarks.peers.profile_without_auth"),
                 issuer.bearers(1), {})  # fmt: skip
        cast.add_session("in memory", None)
        cast.add_session("in Redis", redis_store)
        same = hold(cast.contestants, effort, core=cores.load, lacking=cast.lacking)
        # As many as nobody's cache holds, and nobody is asked between two turns of the list.
        new = issuer.bearers(15_000 if quick else 40_000)
        forgeries = issuer.forgeries()
        strangers = [_with(each, new, forgeries) for each in cast.contestants if each.name in BY_TOKEN]
        lacking = {name: why for name, why in same.lacking.items() if name in BY_TOKEN}
        strangers = [each for each in strangers if each.name not in lacking]
        other = hold(strangers, effort, core=cores.load, lacking=lacking)
    return Findings(
        figures=_figures(same, other),
        tables=[same.table("The same token again and again", base=BASE),
                other.table("Every token new", base=BASE)],
        plots=[same.plot("resource-servers", "A protected GET, the same token again and again", base=BASE),
               other.plot("new-tokens", "A protected GET, every token new", base=BASE)],
        notes=[_NOTE],
    )  # fmt: skip


_NOTE = (
    f"All answer the same {len(BODY)} bytes. Peers make them from the claims; Signet's service reads its database at "
    "each request, follows the feed of revocations, and counts and traces what it answers."
)


class _Cast:
    """Those who take part, and why others do not."""

    def __init__(self, held: ExitStack, folder: Path, cores: Cores) -> None:
        self._held = held
        self._folder = folder
        self._cores = cores
        self.contestants: list[Contestant] = []
        self.lacking: dict[str, str] = {}

    def add(
        self, name: str, server: Callable[[], Server], headers: list[str], forgeries: dict[str, str | None]
    ) -> None:
        """Start one who is shown tokens."""
        try:
            process = self._run(server(), name, self._cores.server)
        except Missing as fault:
            self.lacking[name] = str(fault)
            return
        each = Contestant(name, Asking(process.port, PATH, headers), lambda _: None, [process])
        self.contestants.append(_with(each, headers, forgeries))

    def add_session(self, kind: str, store: Callable[[], Server] | None) -> None:
        """Start one who is shown a cookie, and log in there."""
        name = f"{SESSION}, {kind}"
        try:
            # The store has the load's core: no more than one is measured.
            redis = self._run(store(), f"{name} (store)", self._cores.load) if store else None
            process = self._run(express_session(redis=redis.port if redis else None), name, self._cores.server)
        except Missing as fault:
            self.lacking[name] = str(fault)
            return
        cookie = ask(process.port, "/login", method="POST").cookie
        forged = {"no cookie": None, "a cookie with another signature": f"Cookie: {cookie[:-4]}AAAA"}
        each = Contestant(name, Asking(process.port, PATH, []), lambda _: None, [process, *([redis] if redis else [])])
        self.contestants.append(_with(each, [f"Cookie: {cookie}"], forged))

    def _run(self, server: Server, name: str, core: int) -> Running:
        return self._held.enter_context(running(server, self._folder, core=core, name=name.replace("/", "-")))


def _with(each: Contestant, headers: list[str], forgeries: dict[str, str | None]) -> Contestant:
    """Return the same one, shown other headers, and checked with them and these forgeries."""

    def check(asking: Asking) -> None:
        must_answer(asking, BODY)
        must_refuse(asking, forgeries)

    return Contestant(each.name, Asking(each.asking.port, PATH, headers), check, each.processes)


def _figures(same: Results, new: Results) -> list[Figure]:
    share = same.ratio(SIGNET, OPEN)
    mine = same.outcomes.get(SIGNET)
    return [
        Figure.of_ratio(f"GET profile, the same token, × {BASE}", same.ratio(SIGNET, BASE), least=2.5, aim=8),
        Figure.of_ratio(f"the same, × {CACHED}", same.ratio(SIGNET, CACHED)),
        Figure.of_ratio(f"GET profile, every token new, × {BASE}", new.ratio(SIGNET, BASE), least=1.0, aim=2),
        Figure("verifying, of a request with a known token", "not measured" if share is None else f"{1 - share:.1%}",
               "at most 5 % (aim 2 %)", kept=share is not None and 1 - share <= 0.05),
        Figure("memory of a service's process", f"{mine.memory / 2**20:.0f} MiB" if mine else "not measured",
               "at most 90 MB (aim 60 MB)", kept=mine is not None and mine.memory <= 90e6),
    ]  # fmt: skip
