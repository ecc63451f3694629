"""A protected GET of the caller's profile, one process on one core: Signet's profile service beside its peers."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.cast import Cast
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
from benchmarks.servers import Cores, Missing, Server

TITLE = "A protected GET, one process on one core"
SIGNET = "Signet profile"
DOORS = "Signet profile with an open door, by the door that verifies"
OPEN = "Signet profile, verifying nothing"
BASE = "Express 5 + jsonwebtoken RS256, KeyObject"
CACHED = "Fastify + fast-jwt, with its cache"

Start = Callable[[Issuer, Path], Server]

BY_TOKEN: Mapping[str, Start] = {
    SIGNET: signet_profile,
    BASE: lambda issuer, _: express(issuer, "key_object"),
    "Express 5 + jsonwebtoken RS256, PEM string": lambda issuer, _: express(issuer, "pem"),
    "Fastify + fast-jwt": lambda issuer, _: fastify(issuer, "uncached"),
    CACHED: lambda issuer, _: fastify(issuer, "cached"),
    "FastAPI + PyJWT, the usual demo": lambda issuer, _: usual_python_service(issuer),
}
"""Those who verify RS256."""

ARTICLE = "Express 5 + jsonwebtoken HS256, as the article has it"
SESSION = "Express 5 + express-session"

_NOTE = (
    f"All answer the same {len(BODY)} bytes. Peers make them from the claims; Signet's service reads its database at "
    "each request, follows the feed of revocations, and counts and traces what it answers. What verifying costs is the "
    "difference between two doors of one process, in turns of a second: two processes differ by more than that."
)


def measure(*, quick: bool) -> Findings:
    """Measure with one token again and again, and with a new one each time."""
    effort, cores = Effort.usual(quick=quick), Cores.of_this_machine()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        issuer = held.enter_context(issuing(folder))
        cast = Cast(held, folder, cores)
        _start_all(cast, issuer, folder)
        doors = [each for each in cast.contestants if each.name == DOORS]
        contestants = [each for each in cast.contestants if each.name != DOORS] + _open(doors, issuer)
        same = hold(contestants, effort, core=cores.load, lacking=cast.lacking)
        cost = hold(doors + _open(doors, issuer), Effort.of_pairs(quick=quick), core=cores.load)
        # More than anybody's cache holds, and the list begins anew only after it was gone through.
        tokens = issuer.bearers(15_000 if quick else 40_000)
        strangers = [
            replace(each, asking=replace(each.asking, headers=tokens))
            for each in contestants
            if each.name in BY_TOKEN and each.name not in same.lacking
        ]
        lacking = {name: why for name, why in same.lacking.items() if name in BY_TOKEN}
        new = hold(strangers, effort, core=cores.load, lacking=lacking, warm=True)
    return Findings(
        figures=_figures(same, cost, new),
        tables=[same.table("The same token again and again", base=BASE), new.table("Every token new", base=BASE)],
        plots=[
            same.plot("same-token", "A protected GET, the same token again and again", base=BASE),
            new.plot("new-tokens", "A protected GET, every token new", base=BASE),
        ],
        notes=[_NOTE],
    )


def _start_all(cast: Cast, issuer: Issuer, folder: Path) -> None:
    verified, bearers = must_be_verified(issuer.forgeries()), issuer.bearers(1)
    for name, start in BY_TOKEN.items():
        cast.add(name, partial(start, issuer, folder), path=PATH, check=verified, headers=bearers)
    cast.add(ARTICLE, lambda: express(issuer, "secret"), path=PATH,
             check=must_be_verified(issuer.secret_forgeries()), headers=issuer.secret_bearers(1))  # fmt: skip
    cast.add(DOORS, lambda: signet_profile(issuer, folder, module="benchmarks.peers.profile_with_an_open_door"),
             path=PATH, check=verified, headers=bearers)  # fmt: skip
    _add_session(cast, f"{SESSION}, in memory", None)
    _add_session(cast, f"{SESSION}, in Redis", redis_store)


def _open(doors: Iterable[Contestant], issuer: Issuer) -> list[Contestant]:
    """Return the same process by its other door."""
    headers, check = [issuer.open_bearer()], must_be_verified({})
    return [replace(each, name=OPEN, asking=replace(each.asking, headers=headers), check=check) for each in doors]


def must_be_verified(forgeries: Mapping[str, str | None]) -> Callable[[Asking], None]:
    """Return the check that good credentials get the profile, and these none."""

    def check(asking: Asking) -> None:
        must_answer(asking, BODY)
        must_refuse(asking, forgeries)

    return check


def _add_session(cast: Cast, name: str, store: Callable[[], Server] | None) -> None:
    """Add one who is shown a cookie, and log in there."""
    try:
        # The store has the load's core: whoever asks it has one core, like all others.
        redis = cast.run(store(), f"store of {name}", cast.cores.load) if store else None
        server = express_session(redis=redis.port if redis else None)
        process = cast.run(server, name, cast.cores.server)
    except Missing as fault:
        cast.lacking[name] = str(fault)
        return
    cookie = ask(process.port, "/login", method="POST").cookie
    forged = {"no cookie": None, "a cookie with another signature": f"Cookie: {cookie[:-4]}AAAA"}
    processes = [process, *([redis] if redis else [])]
    asking = Asking(process.port, PATH, [f"Cookie: {cookie}"])
    cast.contestants.append(Contestant(name, asking, must_be_verified(forged), processes))


def _figures(same: Results, cost: Results, new: Results) -> list[Figure]:
    mine, unprotected = same.outcomes.get(SIGNET), cost.cost_ratio(OPEN, DOORS)
    share = None if unprotected is None else 1 - unprotected
    return [
        Figure.of_ratio(f"GET profile, the same token, × {BASE}", same.ratio(SIGNET, BASE), least=2.5, aim=8),
        Figure.of_ratio(f"the same, × {CACHED}", same.ratio(SIGNET, CACHED)),
        Figure.of_ratio(f"GET profile, every token new, × {BASE}", new.ratio(SIGNET, BASE), least=1.0, aim=2),
        Figure("verifying, of the CPU of a request with a known token",
               "not measured" if share is None else f"{share:.1%}",
               "at most 5 % (aim 2 %)", kept=share is not None and share <= 0.05),
        Figure("memory of a service's process", f"{mine.memory / 1e6:.0f} MB" if mine else "not measured",
               "at most 90 MB (aim 60 MB)", kept=mine is not None and mine.memory <= 90e6),
        Figure("p99 at that load", f"{mine.p99 * 1000:.1f} ms" if mine else "not measured"),
    ]  # fmt: skip
