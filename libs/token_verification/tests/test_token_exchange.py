"""The caller's side of a token exchange: what is asked, what is believed, and what is never said again."""

import asyncio
import gzip
import itertools
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from token_verification.client_assertion import ClientAssertions, ClientKey
from token_verification.testing import FakeIssuer, json_bytes
from token_verification.token_exchange import ExchangeRefused, ExchangeUnavailable, TokenExchange

ENDPOINT = "http://auth.test/oauth/token"
SUBJECT_TOKEN = "eyJhbGciOiJSUzI1NiJ9.c3ViamVjdCB0b2tlbg.c2lnbmF0dXJl"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GOOD = {"access_token": "abc.def.ghi", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300}

Answer = Callable[[httpx.Request], httpx.Response]


def exchange_with(
    answer: Any,  # noqa: ANN401 -- a function or a coroutine function of the request
    **more: Any,  # noqa: ANN401 -- as TokenExchange takes it
) -> TokenExchange:
    """Make an exchange whose token endpoint is this function."""
    key = ClientKey(FakeIssuer("orders").private_key)
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    assertions = ClientAssertions("orders", key, issuer="https://issuer.test")
    return TokenExchange(ENDPOINT, assertions=assertions, http=http, **more)


def saying(status: int, document: object, **headers: str) -> Answer:
    content = document if isinstance(document, bytes) else json_bytes(document)  # type: ignore[arg-type]
    return lambda _: httpx.Response(status, content=content, headers=headers)


async def exchanged(exchange: TokenExchange) -> str:
    return await exchange.exchange(SUBJECT_TOKEN, "urn:test:profile", "profile:read")


async def test_asks_as_the_protocol_has_it() -> None:
    """One POST of one form: the grant, the token and its type, one resource, the scope, and a proof of the client."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=GOOD)

    assert await exchanged(exchange_with(answer, headers=lambda: {"x-request-id": "r1"})) == "abc.def.ghi"
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", ENDPOINT)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["x-request-id"] == "r1"
    assert "authorization" not in request.headers
    form = parse_qs(request.content.decode(), strict_parsing=True)
    assert len(form.pop("client_assertion")[0].split(".")) == 3
    assert form == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "subject_token": [SUBJECT_TOKEN],
        "subject_token_type": [ACCESS_TOKEN],
        "resource": ["urn:test:profile"],
        "scope": ["profile:read"],
        "client_assertion_type": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
    }


async def test_each_exchange_has_a_proof_of_its_own() -> None:
    """An assertion is good once, so no two exchanges share one."""
    proofs = set()

    def answer(request: httpx.Request) -> httpx.Response:
        proofs.update(parse_qs(request.content.decode())["client_assertion"])
        return httpx.Response(200, json=GOOD | {"token_type": "bearer"})

    exchange = exchange_with(answer)
    await asyncio.gather(*(exchanged(exchange) for _ in range(3)))
    assert len(proofs) == 3


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (400, {"error": "invalid_request", "reason": "expired"}, ("invalid_request", "expired")),
        (400, {"error": "invalid_target"}, ("invalid_target", "invalid_target")),
        (400, {"error": "invalid_scope", "reason": 7}, ("invalid_scope", "invalid_scope")),
        (400, {"error": "invalid_grant", "reason": "Not a word."}, ("invalid_grant", "invalid_grant")),
        (400, {"error": "invalid_grant", "reason": SUBJECT_TOKEN}, ("invalid_grant", "invalid_grant")),
        (401, {"error": "invalid_client", "error_description": "x"}, ("invalid_client", "invalid_client")),
    ],
)
async def test_a_refusal_is_one(status: int, document: dict[str, object], expected: tuple[str, str]) -> None:
    """What RFC 6749 calls an error is ExchangeRefused, with the code and the issuer's finer word if it is one."""
    with pytest.raises(ExchangeRefused) as refusal:
        await exchanged(exchange_with(saying(status, document)))
    assert (refusal.value.error, refusal.value.reason) == expected


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (saying(500, GOOD), "the answer was 500"),
        (saying(503, {"error": "temporarily_unavailable"}), "the answer was 503"),
        (saying(503, {"error": "invalid_request"}), "the answer was 503"),
        (saying(400, b"no JSON"), "the answer was 400"),
        (saying(400, {"error": "mystery"}), "the answer was 400"),
        (saying(404, {"error": "invalid_request"}), "the answer was 404"),
        (saying(401, [GOOD]), "the answer was 401"),
        (saying(302, GOOD, location="http://elsewhere.test/"), "the answer was 302"),
        (saying(307, GOOD, location="http://elsewhere.test/"), "the answer was 307"),
        (saying(201, GOOD), "the answer was 201"),
        (saying(200, b"no JSON"), "the answer was 200, and no"),
        (saying(200, json_bytes(GOOD)[:-1] + b',"access_token":"other"}'), "the answer was 200, and no"),
        (saying(200, GOOD | {"access_token": ""}), "the answer was 200, and no"),
        (saying(200, GOOD | {"access_token": 7}), "the answer was 200, and no"),
        (saying(200, GOOD | {"access_token": "a\r\nX-Evil: 1"}), "the answer was 200, and no"),
        (saying(200, GOOD | {"access_token": "a" * 8193}), "the answer was 200, and no"),
        (saying(200, GOOD | {"token_type": "DPoP"}), "the answer was 200, and no"),
        (saying(200, GOOD | {"token_type": "N_A"}), "the answer was 200, and no"),
        (saying(200, GOOD | {"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}), "the answer was 200, and"),
        (saying(200, {"access_token": "a.b.c", "token_type": "Bearer"}), "the answer was 200, and no"),
        (saying(200, json_bytes(GOOD) + b" " * 40_000), "the answer was larger than 32768 bytes"),
        (saying(200, gzip.compress(json_bytes(GOOD)), **{"content-encoding": "gzip"}), "the answer was compressed"),
    ],
    ids=map(str, itertools.count()),
)
async def test_what_cannot_be_understood_is_no_refusal_and_no_token(answer: Answer, detail: str) -> None:
    """Anything but a token response or an error response leaves open whether there would be a token."""
    with pytest.raises(ExchangeUnavailable, match=f"^the exchange did not happen: {detail}"):
        await exchanged(exchange_with(answer))


async def test_redirects_are_not_followed() -> None:
    """The tokens go to the one address that is configured, whatever its server says."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://elsewhere.test/oauth/token"})

    with pytest.raises(ExchangeUnavailable):
        await exchanged(exchange_with(answer))
    assert seen == ["auth.test"]


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), OSError("gone"), RuntimeError("client was closed")])
async def test_whatever_a_transport_raises_is_unavailable(fault: Exception) -> None:
    """The caller has two errors to think of, and no third."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(ExchangeUnavailable, match=type(fault).__name__):
        await exchanged(exchange_with(answer))


async def test_one_deadline_is_for_the_whole() -> None:
    """A server that sends a byte now and then is never late with any of them, and is given up all the same."""

    class Drip(httpx.AsyncByteStream):
        sent = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.sent += 1
                await asyncio.sleep(0.02)
                yield b" "

    drip = Drip()
    exchange = exchange_with(lambda _: httpx.Response(200, stream=drip), deadline=0.3)
    with pytest.raises(ExchangeUnavailable, match=r"it took longer than 0\.3 s"):
        await asyncio.wait_for(exchanged(exchange), 5)
    assert 1 < drip.sent < 30


async def test_being_cancelled_is_no_answer() -> None:
    """Whoever cancels an exchange gets his cancellation, not an error of ours."""

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    asking = asyncio.create_task(exchanged(exchange_with(answer, deadline=60)))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_no_error_and_no_log_holds_a_token(caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats all that it was sent, wherever an error could quote it, gets none of it quoted."""
    proofs: list[str] = []
    caplog.set_level(logging.DEBUG)

    def echo(status: int, *, fail: bool = False) -> Answer:
        def answer(request: httpx.Request) -> httpx.Response:
            sent = request.content.decode()
            proofs.extend(parse_qs(sent)["client_assertion"])
            if fail:
                raise httpx.ReadError(sent, request=request)
            said = {"error": "invalid_request", "reason": SUBJECT_TOKEN, "error_description": sent, "detail": sent}
            return httpx.Response(status, json=said, headers={"location": f"http://elsewhere.test/?{SUBJECT_TOKEN}"})

        return answer

    for answer in (echo(400), echo(401), echo(302), echo(500), echo(200), echo(200, fail=True)):
        with pytest.raises((ExchangeRefused, ExchangeUnavailable)) as error:
            await exchanged(exchange_with(answer))
        said = "".join(traceback.format_exception(error.value)) + repr(vars(error.value)) + caplog.text
        assert len(proofs) > 0
        for secret in (SUBJECT_TOKEN, *proofs):
            assert not [part for part in secret.split(".") if part in said]
