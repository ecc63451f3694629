"""What one verification costs as tokens, key sets and revocations grow, beside PyJWT on the same tokens."""

import asyncio
import itertools
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from benchmarks.figures import Figure
from benchmarks.findings import Findings, Plot, Table
from token_verification import AccessTokenVerifier, StaticKeySet
from token_verification.key_set import VerificationKey, thumbprint
from token_verification.revocation_set import RevocationSet
from token_verification.rsa_modulus import weakness
from token_verification.testing import FakeIssuer

TITLE = "One verification in one process, while things grow"
SIZES = (700, 1500, 3000, 5000, 8000)
"""Bytes of a token; Signet's own have about 800, and at 8,192 it reads no further."""
KEYS = (1, 10, 100, 1000)
REVOKED = (1000, 10_000, 100_000, 1_000_000)
NEW, KNOWN, PYJWT = "Signet, a new token", "Signet, a known token", "PyJWT"

Work = Callable[[], Awaitable[object]]


class Costs(NamedTuple):
    """Seconds of a core for one verification: a new token's, one's that was seen before, and PyJWT's."""

    new: float
    known: float
    pyjwt: float


class Known:
    """What a follower of the feed would answer, with so many revocations on it."""

    def __init__(self, revoked: int) -> None:
        self._set = RevocationSet()
        until = int(time.time()) + 600
        for _ in range(revoked):
            self._set.add("sid", secrets.token_hex(16), until)

    def key_is_revoked(self, key_id: str) -> bool:
        """See Revocations."""
        return key_id in self._set.keys

    def login_has_ended(self, login_id: str) -> bool:
        """See Revocations."""
        return login_id in self._set.logins

    def token_is_revoked(self, token_id: str) -> bool:
        """See Revocations."""
        return token_id in self._set.tokens

    def ensure_known(self, *, changes_state: bool) -> None:
        """See Revocations."""


def measure(*, quick: bool) -> Findings:
    """Measure all three, each size in turns with the others."""
    return asyncio.run(_measure(rounds=3 if quick else 15, each=50 if quick else 200, most=-1 if quick else None))


async def _measure(*, rounds: int, each: int, most: int | None) -> Findings:
    issuer = FakeIssuer()
    usual, few = [issuer.token(sid=secrets.token_hex(16)) for _ in range(each)], StaticKeySet(issuer.jwk_set)
    by_size = await _costs(
        {size: (issuer, few, None, [_padded(issuer, size) for _ in range(each)]) for size in SIZES}, rounds
    )
    by_keys = await _costs({number: (issuer, _crowded(issuer, number), None, usual) for number in KEYS}, rounds)
    by_revoked = await _costs({number: (issuer, few, Known(number), usual) for number in REVOKED[:most]}, rounds)
    usual_size, few_revoked, most_revoked = by_size[SIZES[0]], by_revoked[min(by_revoked)], by_revoked[max(by_revoked)]
    return Findings(
        figures=[
            Figure.of_ratio("a new token, times PyJWT's rate", usual_size.pyjwt / usual_size.new),
            Figure.of_ratio("a known token, times PyJWT's rate", usual_size.pyjwt / usual_size.known),
            _flat("a new token: among 1,000 keys, to among one", by_keys[1000].new / by_keys[1].new),
            _flat(
                f"a new token: among {max(by_revoked):,} revoked, to among 1,000", most_revoked.new / few_revoked.new
            ),
            _flat("a known token: the same", most_revoked.known / few_revoked.known),
        ],
        tables=[
            _table("By size of the token, bytes", by_size),
            _table("By keys in the key set", by_keys),
            _table("By revoked logins", by_revoked),
        ],
        plots=[
            _plot("verification-by-size", "One verification, by size of the token", "bytes", by_size),
            _plot("verification-by-keys", "One verification, by keys in the set", "keys", by_keys, logarithmic="x"),
            _plot(
                "verification-by-revoked", "One verification, by revoked logins", "logins", by_revoked, logarithmic="x"
            ),
        ],
        notes=[
            "PyJWT checks signature, expiry, audience and issuer, with one key at hand, and knows of no revocations."
        ],
    )


Case = tuple[FakeIssuer, StaticKeySet, Known | None, Sequence[str]]


async def _costs(cases: dict[int, Case], rounds: int) -> dict[int, Costs]:
    """Return the medians, measured in turns."""
    seen: dict[int, list[Costs]] = {number: [] for number in cases}
    for _, (number, case) in itertools.product(range(rounds), cases.items()):
        seen[number].append(await _cost(*case))
    return {number: Costs(*map(statistics.median, zip(*costs, strict=True))) for number, costs in seen.items()}


async def _cost(issuer: FakeIssuer, keys: StaticKeySet, revocations: Known | None, tokens: Sequence[str]) -> Costs:
    verifier = AccessTokenVerifier(
        issuer=issuer.issuer, audience=issuer.audience, key_set=keys, revocations=revocations
    )
    taken = []
    for _ in (NEW, KNOWN):
        began = time.thread_time()
        for token in tokens:
            await verifier.verify(token)
        taken.append((time.thread_time() - began) / len(tokens))
    key = issuer.private_key.public_key()
    began = time.thread_time()
    for token in tokens:
        jwt.decode(token, key, algorithms=["RS256"], audience=issuer.audience, issuer=issuer.issuer)
    return Costs(taken[0], taken[1], (time.thread_time() - began) / len(tokens))


def _padded(issuer: FakeIssuer, size: int) -> str:
    """Sign a token of about so many bytes."""
    lack = size - len(issuer.token())
    return issuer.token(padding="." * max(0, lack * 3 // 4 - 20), sid=secrets.token_hex(16))


def _crowded(issuer: FakeIssuer, number: int) -> StaticKeySet:
    """Return the issuer's key set with others' keys in it: numbers that nobody can factor serve as well as keys."""
    return StaticKeySet({"keys": [*itertools.islice(_others(), number - 1), *issuer.jwk_set["keys"]]})


def _others() -> Iterator[dict[str, str]]:
    while True:
        modulus = secrets.randbits(2048) | 1 << 2047 | 1
        if weakness(modulus, 65537) is None:
            key = RSAPublicNumbers(65537, modulus).public_key()
            yield VerificationKey(thumbprint(key), key).jwk


def _flat(what: str, ratio: float) -> Figure:
    return Figure(what, f"{ratio:.2f}", "flat: less than 1.5", kept=ratio < 1.5)


def _table(title: str, costs: dict[int, Costs]) -> Table:
    rows = [
        (f"{number:,}", *(f"{cost * 1e6:.1f}" for cost in each), f"{each.pyjwt / each.new:.2f}",
         f"{each.pyjwt / each.known:.1f}")
        for number, each in costs.items()
    ]  # fmt: skip
    columns = ("", f"{NEW}, µs", f"{KNOWN}, µs", f"{PYJWT}, µs", "× PyJWT, new", "× PyJWT, known")
    return Table(title, columns, rows)


def _plot(name: str, title: str, x: str, costs: dict[int, Costs], *, logarithmic: Literal["", "x"] = "") -> Plot:
    lines = {
        line: [(float(number), each[place] * 1e6) for number, each in costs.items()]
        for place, line in enumerate((NEW, KNOWN, PYJWT))
    }
    return Plot(name, title, "µs", x, lines=lines, logarithmic=logarithmic)
