"""The real services, and the real gateway before them, trusting an issuer that misbehaves on demand."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import pytest
from tests.issuer_over_http import IssuerOverHttp
from tests.raw_http import FloodAnswer, RawAnswer, flood, raw_exchange, request_bytes
from tests.running_system import eventually

from signet.stack import EmbeddedStack
from token_verification.compact_jws import base64url_encoded
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.testing import Behaviour, json_bytes

COOLDOWN = 0.5
"""Seconds between two fetches for unknown keys, here; the protocol's 10 s would make each of these tests as long."""

SCOPE = "profile:read orders:read"
PATHS = {"profile": "/api/profile", "orders": "/api/orders"}
AT_ONCE = 2.0
"""Seconds that a request may take which waits for nothing but its turn, on a machine with much else to do. A fetch
that hangs takes three."""


@dataclass(frozen=True)
class Target:
    """One service, reached directly or through the gateway."""

    service: str
    way: str
    url: str
    issuer: IssuerOverHttp

    @property
    def audience(self) -> str:
        return f"urn:signet:{self.service}"

    def good_token(self) -> str:
        return self.issuer.fake.token(aud=self.audience, scope=SCOPE)

    def request(self, token: str) -> bytes:
        return request_bytes("GET", PATHS[self.service], [(b"Authorization", f"Bearer {token}".encode())])

    def ask(self, token: str) -> RawAnswer:
        return raw_exchange(self.url, self.request(token))


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerOverHttp]:
    with IssuerOverHttp() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def stack(issuer: IssuerOverHttp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Run profile, orders and the gateway; auth is there, and nobody trusts it."""
    trusting = {
        "SIGNET_ISSUER": issuer.fake.issuer,
        "SIGNET_JWKS_URI": issuer.jwks_uri,
        "SIGNET_REVOCATIONS_MODE": "plain",  # this issuer has no feed: what is forged is refused without one
        "SIGNET_KEY_SET_COOLDOWN": str(COOLDOWN),
        # No retry in the background while a test counts what unknown keys cause.
        "SIGNET_KEY_SET_RETRY_FIRST": "600",
        "SIGNET_KEY_SET_RETRY_LAST": "600",
    }
    environment = {"profile": trusting, "orders": trusting, "auth": {"SIGNET_ATTEMPTS_PER_ADDRESS": "5"}}
    with EmbeddedStack(tmp_path_factory.mktemp("data"), environment=environment) as stack:
        yield stack


@pytest.fixture(scope="module", params=list(itertools.product(PATHS, ["directly", "at-the-door"])), ids="-".join)
def target(request: pytest.FixtureRequest, stack: EmbeddedStack, issuer: IssuerOverHttp) -> Target:
    service, way = request.param
    return Target(service, way, stack.service_url(service) if way == "directly" else stack.url, issuer)


@pytest.fixture(params=PATHS)
def service(request: pytest.FixtureRequest, stack: EmbeddedStack, issuer: IssuerOverHttp) -> Iterator[Target]:
    """Give one service, directly; afterwards the issuer behaves, its clock is right, and the service knows its keys."""
    target = Target(request.param, "directly", stack.service_url(request.param), issuer)
    yield target
    issuer.fake.behaviour = "well"
    issuer.clock_offset = 0.0
    eventually(lambda: target.ask(unknown_kid_token(target)).status == 401)


def unknown_kid_token(target: Target, kid: object = "no-such-key") -> str:
    return target.issuer.fake.token(aud=target.audience, header={"kid": kid})


_NOT_UTF_8 = (400, "malformed_request")
AT_THE_DOOR = {"form-non-ascii-dots": _NOT_UTF_8, "form-non-ascii-bytes": _NOT_UTF_8}
"""Forgeries that the gateway itself refuses, earlier than the service would, and how: it forwards no header value that
is not UTF-8."""


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_forgery(forgery: Forgery, target: Target) -> None:
    """Each forgery is refused by each service by itself and through the gateway, with its status and its reason."""
    attempt = forgery.make(target.issuer.fake, target.audience)
    path = PATHS[target.service] + (f"?{attempt.query}" if attempt.query else "")
    answer = raw_exchange(target.url, request_bytes("GET", path, attempt.headers))
    expected = (forgery.status, forgery.reason)
    if target.way == "at-the-door":
        expected = AT_THE_DOOR.get(forgery.name, expected)
    assert (answer.status, answer.problem["reason"]) == expected, answer
    assert answer.headers[b"content-type"] == b"application/problem+json"
    if expected == (forgery.status, forgery.reason) and answer.status == 401:
        assert answer.headers[b"www-authenticate"].startswith(b"Bearer")
    for _, value in attempt.headers:
        credentials = value.partition(b" ")[2]
        assert len(credentials) < 20 or credentials not in answer.body


def test_good_token(target: Target) -> None:
    """What the forgeries deviate from is let in, so that it is the deviation that was refused."""
    assert target.ask(target.good_token()).status == 200


def test_table_is_long_enough() -> None:
    """There are more than eighty forgeries, and every exception at the door is one of them."""
    assert len(FORGERIES) >= 80
    assert set(map(str, FORGERIES)) >= AT_THE_DOOR.keys()


@pytest.mark.parametrize("offset", [-4.0, 4.0])
def test_clocks_four_seconds_apart(service: Target, offset: float) -> None:
    """An issuer whose clock is 4 s off is understood, at the beginning of a token's life and at its end."""
    service.issuer.clock_offset = offset
    assert service.ask(service.good_token()).status == 200
    ending = service.issuer.fake.token(aud=service.audience, scope=SCOPE, expires_in=2)
    assert service.ask(ending).status == 200


@pytest.mark.parametrize(("offset", "reason"), [(-30.0, "expired"), (30.0, "not_yet_valid")])
def test_clocks_thirty_seconds_apart(service: Target, offset: float, reason: str) -> None:
    """An issuer whose clock is 30 s off is not: its new tokens are from the future, or its ending ones are over."""
    service.issuer.clock_offset = offset
    expires_in = 300 if offset > 0 else 2
    answer = service.ask(service.issuer.fake.token(aud=service.audience, scope=SCOPE, expires_in=expires_in))
    assert (answer.status, answer.problem["reason"]) == (401, reason)


FLOOD = 5000


def forged_requests(target: Target, number: int) -> list[bytes]:
    """Return requests with so many different unknown kids; their signature is never looked at, so one does for all."""
    signature = target.good_token().rpartition(".")[2]
    return [target.request(f"{unsigned_token(target, f'forged-{kid}')}.{signature}") for kid in range(number)]


def unsigned_token(target: Target, kid: str) -> str:
    fake = target.issuer.fake
    parts = (json_bytes(fake.header(kid=kid)), json_bytes(fake.claims(aud=target.audience, scope=SCOPE)))
    return ".".join(base64url_encoded(part).decode() for part in parts)


async def flood_until_it_causes_a_fetch(
    target: Target, attempts: Callable[[], int], number: int, answer: object
) -> None:
    """Send forged requests and, all the while, valid ones, until one of the forged ones has caused a fetch.

    Check that every forged one got `answer`, status and reason, that the fetches were no more than one per cooldown,
    and that no valid one failed or waited. `attempts` counts fetches from outside.
    """
    valid_request, flooding = target.request(target.good_token()), True
    before, began = attempts(), perf_counter()
    refused: list[FloodAnswer] = []

    def valid_requests() -> Iterator[bytes]:
        while flooding:
            yield valid_request

    async def forged() -> None:
        nonlocal flooding
        try:
            while attempts() == before:
                refused.extend(await flood(target.url, forged_requests(target, number), connections=8))
        finally:
            flooding = False

    _, served = await asyncio.gather(forged(), flood(target.url, valid_requests(), connections=2))
    assert len(refused) >= number
    assert {(each.status, each.reason) for each in refused} == {answer}
    # One at once, then one per cooldown.
    assert 1 <= attempts() - before <= 1 + int((perf_counter() - began) / COOLDOWN)
    assert_served(served)


async def test_flood_of_unknown_kids(service: Target) -> None:
    """5,000 unknown kids cause one fetch per cooldown, get 401, and leave valid requests alone."""
    await flood_until_it_causes_a_fetch(service, lambda: service.issuer.fake.requests, FLOOD, (401, "unknown_kid"))


@pytest.mark.parametrize(("behaviour", "number"), [("error", FLOOD), ("hang", 500)])
async def test_flood_while_the_issuer_fails(service: Target, behaviour: Behaviour, number: int) -> None:
    """The same while the issuer answers 500, or not at all: attempts count like fetches, and the refusal is 503."""
    wait_for_a_failed_fetch(service, behaviour)
    await flood_until_it_causes_a_fetch(
        service, lambda: service.issuer.fake.requests, number, (503, "keys_unavailable")
    )


async def test_flood_while_the_issuer_is_gone(service: Target, stack: EmbeddedStack) -> None:
    """The same while nobody listens at the issuer's address: the service's own log counts its attempts."""
    with service.issuer.away():
        eventually(lambda: service.ask(unknown_kid_token(service)).status == 503)
        await flood_until_it_causes_a_fetch(
            service,
            lambda: stack.logs(service.service).count("key set not refreshed"),
            FLOOD,
            (503, "keys_unavailable"),
        )
        answer = service.ask(unknown_kid_token(service))
        assert int(answer.headers[b"retry-after"]) >= 1


def assert_served(valid: list[FloodAnswer]) -> None:
    assert len(valid) >= 10
    assert {answer.status for answer in valid} == {200}
    assert max(answer.seconds for answer in valid) < AT_ONCE


def wait_for_a_failed_fetch(service: Target, behaviour: Behaviour) -> None:
    service.issuer.fake.behaviour = behaviour
    eventually(lambda: service.ask(unknown_kid_token(service)).status == 503)


BAD_SETS: tuple[Behaviour, ...] = (
    *("error", "garbage", "html", "array", "huge", "redirect", "compressed", "empty", "drip", "hang"),
    *("private_members", "weak_key", "encryption_key", "twice_the_same_kid"),
)


@pytest.mark.parametrize("behaviour", BAD_SETS)
def test_bad_key_sets(stack: EmbeddedStack, issuer: IssuerOverHttp, behaviour: Behaviour) -> None:
    """Whatever the issuer publishes instead of keys, tokens signed with the last good ones are served at once."""
    services = [Target(name, "directly", stack.service_url(name), issuer) for name in PATHS]
    issuer.fake.behaviour = behaviour
    try:
        for service in services:
            asked = issuer.fake.requests
            valid = service.good_token()

            def fetched(service: Target = service, asked: int = asked, valid: str = valid) -> bool:
                caused = service.ask(unknown_kid_token(service))
                served = service.ask(valid)
                assert served.status == 200
                assert served.seconds < AT_ONCE
                return caused.status == 503 and issuer.fake.requests > asked

            eventually(fetched)
    finally:
        issuer.fake.behaviour = "well"
    eventually(lambda: all(service.ask(unknown_kid_token(service)).status == 401 for service in services))


def test_a_rotated_key_is_found(service: Target) -> None:
    """A token signed with a key published a moment ago is honoured after one fetch, and the earlier key still is."""
    fake = service.issuer.fake
    earlier = service.good_token()
    fake.rotate()
    eventually(lambda: service.ask(service.good_token()).status == 200, within=5)
    assert service.ask(earlier).status == 200


def test_restart_with_the_issuer_gone(stack: EmbeddedStack, issuer: IssuerOverHttp) -> None:
    """A service that restarts while the issuer is gone serves from the key set on its disk, until it is back."""
    service = Target("orders", "directly", stack.service_url("orders"), issuer)
    token = service.good_token()
    assert service.ask(token).status == 200
    with issuer.away():
        stack.restart("orders")
        assert service.ask(token).status == 200
        assert service.ask(unknown_kid_token(service)).status == 503
    eventually(lambda: service.ask(unknown_kid_token(service)).status == 401)


def test_forged_addresses_do_not_evade_the_counters(stack: EmbeddedStack) -> None:
    """Attempts are counted by the address that the gateway saw, whatever a client says it is. The limit here is 5."""
    body = b'{"email": "nobody@example.com", "password": "not the password"}'
    statuses = []
    for number in range(7):
        claimed = f"203.0.113.{number}".encode()
        head = request_bytes(
            "POST",
            "/login",
            [
                (b"Forwarded", b"for=" + claimed),
                (b"X-Forwarded-For", claimed),
                (b"X-Real-IP", claimed),
                (b"Content-Type", b"application/json"),
                (b"Content-Length", str(len(body)).encode()),
            ],
        )
        statuses.append(raw_exchange(stack.url, head + body).status)
    assert statuses == [401] * 5 + [429] * 2
