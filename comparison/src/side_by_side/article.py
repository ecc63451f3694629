"""The article's table, and beside each of its cells the measured one. No cell is written by hand: each is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from side_by_side.experiments.request_cost import DOOR, LEVEL, NEW
from side_by_side.result import Measured, Result, compared, shown
from side_by_side.words import multiple

Verdict = Literal["as it says", "not so", "not that simple"]
Results = Mapping[str, Result]


@dataclass(frozen=True)
class Row:
    """A row: what the article says, what was measured, and whether that is the same."""

    property: str
    article_session: str
    article_jwt: str
    session: str
    plain: str
    followed: str
    cookie: str
    verdict: Verdict
    because: str


def rows(results: Results) -> list[Row]:
    """Return the whole table, computed from the results of all experiments."""
    return [Row(name, session, jwt, *compute(_Found(results))) for name, session, jwt, compute in _ROWS]


class _Found:
    """Looks up what was measured. Where there was no Valkey, sessions are those of the next best store."""

    def __init__(self, results: Results) -> None:
        self._results = results

    @property
    def shared(self) -> bool:
        """Whether there was a store that servers share."""
        return "session-valkey" in self._results["logout"].measured

    @property
    def session(self) -> str:
        return "session-valkey" if self.shared else "session-sqlite"

    def of(self, experiment: str, name: str) -> Measured:
        return self._results[experiment].measured[name]

    def median(self, experiment: str, name: str) -> float:
        return self.of(experiment, name).median

    def has(self, experiment: str, name: str) -> bool:
        return name in self._results[experiment].measured

    def fact(self, experiment: str, name: str) -> float:
        return float(self._results[experiment].facts[name])


_Cells = tuple[str, str, str, str, Verdict, str]


def _stored_on(found: _Found) -> _Cells:
    server, session, token = (
        found.median("stored state", f"{found.session}: server"),
        found.median("stored state", f"{found.session}: client"),
        found.median("stored state", "jwt-followed: client"),
    )
    checks, auth = found.median("stored state", "jwt: server"), found.median("stored state", "jwt: auth")
    ended, cookie = (found.median("stored state", key) for key in ("jwt-ended: server", "jwt-cookie: client"))
    return (
        f"server {shown(server)} B per login, client {shown(session)} B",
        f"client {shown(token)} B; servers that check {shown(checks)} B, auth {shown(auth)} B to renew it",
        f"the same, and {shown(ended)} B per login that has just ended",
        f"client {shown(cookie)} B, with what renews it; the gateway nothing",
        "as it says" if checks == 0 and auth == 0 else "not that simple",
        "Servers that check keep nothing of a login; the issuer does, or a login could be neither renewed nor ended.",
    )


def _state(found: _Found) -> _Cells:
    memory, kept, plain, followed, cookie = (
        found.of("server restart", key)
        for key in ("session-memory", found.session, "jwt-plain", "jwt-followed", "jwt-cookie")
    )
    return (
        f"known after a restart: {shown(memory.median)} {memory.unit} from memory, {shown(kept.median)} from the store",
        f"{shown(plain.median)} {plain.unit}, with nothing kept",
        f"{shown(followed.median)} {followed.unit}, with nothing kept",
        f"{shown(cookie.median)} {cookie.unit} at the gateway, with nothing kept",
        "as it says" if memory.median == 0 and plain.median > 0 else "not so",
        "What is remembered in memory is lost at a restart; a proof that the client has is not.",
    )


def _scalability(found: _Found) -> _Cells:
    alone, plain, followed, cookie = (
        found.median("second server", key) for key in ("session-memory", "jwt-plain", "jwt-followed", "jwt-cookie")
    )
    shared = f", with a shared store {shown(found.median('second server', 'session-valkey'))} %" if found.shared else ""
    return (
        f"elsewhere let in: {shown(alone)} % without a shared store{shared}",
        f"{shown(plain)} %, no store",
        f"{shown(followed)} %, no store",
        f"{shown(cookie)} % behind one gateway, no store",
        "as it says" if alone == 0 and plain == followed == 100 else "not so",
        "Another process, also of another service, lets in whoever has a token, and has never heard of the login.",
    )


_BESIDE: Final = {
    "more": "more time than with a look-up",
    "less": "less time than with a look-up",
    "the same": "no difference beyond the spread of the rounds",
}


def _cost(found: _Found) -> _Cells:
    look_up, first, again = (
        found.median("check cost", name) for name in (found.session, "jwt, first use", "jwt, again")
    )
    asked = found.median("look-ups", "session-valkey") if found.shared else 0.0
    background, renewing = (found.median("look-ups", key) for key in ("jwt-followed", "jwt-cookie"))
    cookie, header = (
        found.median("request cost", f"latency: {key}, {LEVEL}") for key in ("jwt-cookie", f"jwt-followed{DOOR}")
    )
    whole, met = (found.of("request cost", f"latency: {key}, {LEVEL}") for key in (found.session, "jwt-followed"))
    first_met = f"latency: jwt-followed{NEW}, {LEVEL}"
    # Where no tokens could be made in time, nothing is known but of repeated ones.
    new = found.of("request cost", first_met) if found.has("request cost", first_met) else None
    beside = compared(new or met, whole)
    met_first = "a first check" if new else "a repeated check"
    of_new = f"whole request {shown(new.median)} ms with a new token each, " if new else "whole request "
    return (
        f"{shown(look_up)} µs, whole request {shown(whole.median)} ms; look-ups over the network: {shown(asked)}",
        f"{shown(first)} µs at first, {shown(again)} µs again",
        f"{of_new}{shown(met.median)} ms with the same again; look-ups over the network: {shown(background)}",
        (
            f"through the gateway {shown(cookie)} ms, with a header {shown(header)} ms; look-ups over the network: "
            f"{shown(renewing)}"
        ),
        "as it says" if beside == compared(met, whole) == "less" and first < look_up else "not that simple",
        (
            f"On one machine the first check of a signature takes {multiple(first / look_up)} as long as the look-up, "
            f"and each further one {multiple(again / look_up)} as long. In a whole request {met_first} makes "
            f"{_BESIDE[beside]}. What a JWT saves is the network: a look-up is a way to the store and back, and needs "
            "it to be there."
        ),
    )


def _revocation(found: _Found) -> _Cells:
    session, plain, followed, cookie = (
        found.median("replay after logout", key) for key in (found.session, "jwt-plain", "jwt-followed", "jwt-cookie")
    )
    return (
        f"{shown(session)} % of replays let in",
        f"{shown(plain)} %",
        f"{shown(followed)} %",
        f"{shown(cookie)} %",
        "as it says" if followed > 0 else "not so",
        "A JWT is valid until it expires where nobody hears of its end. Told of it, every server refuses it.",
    )


def _client_storage(found: _Found) -> _Cells:
    session, storage, cookie = (
        found.median("page script", name) for name in ("session", "jwt in local storage", "jwt-cookie")
    )
    return (
        f"HttpOnly cookie: a script reads {shown(session)} B",
        f"local storage: {shown(storage)} B",
        f"local storage: {shown(storage)} B",
        f"HttpOnly cookie: a script reads {shown(cookie)} B",
        "as it says" if session == cookie == 0 < storage else "not so",
        "What differs is the place, not the kind: a JWT in an HttpOnly cookie is as much out of a script's reach.",
    )


def _size(found: _Found) -> _Cells:
    session, plain, followed, cookie = (
        found.median("bytes on the wire", f"request: {key}")
        for key in (found.session, "jwt-plain", "jwt-followed", "jwt-cookie")
    )
    return (
        f"{shown(session)} B per request",
        f"{shown(plain)} B",
        f"{shown(followed)} B",
        f"{shown(cookie)} B, with what renews it",
        "as it says" if plain > session else "not so",
        f"The same question is {multiple(plain / session)} as long with a token.",
    )


def _best_for(found: _Found) -> _Cells:
    foreign = found.median("cookie scope", "as it is (Lax)")
    outage, replays = found.median("outage", "jwt-followed"), found.median("replay after logout", "jwt-followed")
    store = f"; without its store {shown(found.median('outage', 'session-valkey'))} % answered" if found.shared else ""
    return (
        f"pages of one site: a script reads {shown(found.median('page script', 'session'))} B{store}",
        f"servers of many kinds: {shown(found.median('second server', 'jwt-plain'))} % let in, no store",
        f"the same; without auth {shown(outage)} % answered; {shown(replays)} % of replays let in",
        (
            f"pages of one site, and such servers: a script reads {shown(found.median('page script', 'jwt-cookie'))} "
            f"B; other sites' pages send it with {found.of('cookie scope', 'jwt-cookie').text} kinds of request"
        ),
        "as it says" if outage == 100 and foreign <= 1 else "not so",
        "docs/choosing.md has the whole decision.",
    )


def _several_servers(found: _Found) -> _Cells:
    store = "those with the store"
    if found.shared:
        store = f"{shown(found.median('forgery', 'session-valkey'))} % of those that use the store"
    secret, public = found.median("forgery", "hs256"), found.median("forgery", "rs256")
    return (
        f"could forge: {store}",
        f"HS256, as in the article: {shown(secret)} % of those that check",
        f"RS256: {shown(public)} % of those that check",
        f"RS256: {shown(found.median('forgery', 'jwt-cookie'))} % of the gateways, which have no key at all",
        "not that simple" if secret > public else "as it says",
        "Whoever has the key can verify, and with a shared secret also forge. With a public key one can verify alone.",
    )


def _logout(found: _Found) -> _Cells:
    session, plain, followed, cookie = (
        found.of("logout", key) for key in (found.session, "jwt-plain", "jwt-followed", "jwt-cookie")
    )
    life, usual = found.fact("logout", "token life"), found.fact("logout", "usual token life and leeway")
    return (
        f"{session.text} until the last server refuses",
        f"{shown(plain.median / 1000)} s: tokens lived {shown(life)} s; with the usual ones, up to {shown(usual)} s",
        f"{followed.text} until the last server refuses",
        f"{cookie.text} until the last server refuses",
        "not so" if followed.median < plain.median / 2 and followed.median < 1000 else "as it says",
        "With the feed, log-out takes effect at once, at every server, without a shared store.",
    )


_ROWS: Final[tuple[tuple[str, str, str, Callable[[_Found], _Cells]], ...]] = (
    ("data stored on", "server (memory, database, Redis)", "client, in the token", _stored_on),
    ("server state", "remembers", "forgets", _state),
    ("scalability", "session store shared by all servers", "any server verifies", _scalability),
    ("cost of a request", "a store look-up", "a signature check", _cost),
    ("revocation", "delete the record", "valid until expiry", _revocation),
    ("client storage", "cookie with an id", "cookie or local storage", _client_storage),
    ("size on the wire", "small id", "whole payload", _size),
    ("best for", "server-rendered web apps", "APIs, mobile, microservices", _best_for),
    ("several servers", "shared store needed", "whoever has the key can verify", _several_servers),
    ("logout", "immediate", "cannot take effect before expiry", _logout),
)
