"""Auth and profile as orders meets them over the network, well-behaved or not."""

import asyncio
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import httpx

from token_verification import AccessTokenVerifier, VerificationError
from token_verification.testing import FakeIssuer

ADDRESS = {
    "recipient": "Augusta King",
    "street": ["12 St James's Square"],
    "postal_code": "SW1Y 4JH",
    "city": "London",
    "region": None,
    "country": "GB",
}
TOKEN_ENDPOINT = "http://auth.test/oauth/token"
PROFILE_URL = "http://profile.test"

Behaviour = Literal["well", "down", "hang", "late", "drip"]


class Neighbours(httpx.AsyncBaseTransport):
    """Carries what orders sends: to auth for the key set, the feed and the token endpoint, else to profile.

    `auth` and `profile` say how they behave. `refusal`: the token endpoint's `error` and `reason`, in place of a token.
    `on_file`: the address that profile has of everyone. `answer`: status, headers and body of profile's answer, in
    place of that; one that comes `late` is as it was when it was asked for. `seen`: what was asked, but for the key set
    and the feed. `waiting`: how many hang.
    """

    def __init__(self, issuer: FakeIssuer) -> None:
        self.auth: Behaviour = "well"
        self.profile: Behaviour = "well"
        self.refusal: tuple[str, str] | None = None
        self.on_file: dict[str, Any] | None = ADDRESS
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.seen: list[httpx.Request] = []
        self.waiting = 0
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens in the world when one of them is asked."""
        self._one_more = asyncio.Condition()
        self._go_on = asyncio.Event()
        self._issuer = issuer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, or do not."""
        if request.url.path in {"/.well-known/jwks.json", "/revocations"}:
            return await self._issuer.transport.handle_async_request(request)
        body = await request.aread()
        self.seen.append(request)
        self.meanwhile()
        at_auth = str(request.url) == TOKEN_ENDPOINT
        match self.auth if at_auth else self.profile:
            case "down":
                raise httpx.ConnectError("refused", request=request)
            case "drip":
                return httpx.Response(200, content=_drip())
            case "hang":
                await self._hang()
            case "late":
                answer = await self._profile(request)
                await self._hang()
                return answer
        return await self._token(body) if at_auth else await self._profile(request)

    async def _hang(self) -> None:
        self.waiting += 1
        async with self._one_more:
            self._one_more.notify_all()
        try:
            await self._go_on.wait()
        finally:
            self.waiting -= 1

    async def until_waiting(self, number: int) -> None:
        """Wait until so many hang; the test fails if that takes 5 s."""
        async with asyncio.timeout(5), self._one_more:
            await self._one_more.wait_for(lambda: self.waiting >= number)

    def let_go(self) -> None:
        """Answer what hangs."""
        self._go_on.set()

    def asked(self, path: str) -> list[httpx.Request]:
        """Return what was asked of a path."""
        return [request for request in self.seen if request.url.path == path]

    async def _token(self, body: bytes) -> httpx.Response:
        if self.refusal is not None:
            error, reason = self.refusal
            return httpx.Response(401 if error == "invalid_client" else 400, json={"error": error, "reason": reason})
        form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        subject = await self._verifier("urn:signet:orders").verify(form["subject_token"])
        token = self._issuer.token(
            sub=subject.subject,
            aud=[form["resource"]],
            scope=form["scope"],
            exp=subject.expires_at,
            client_id="orders",
            act={"sub": "orders"},
        )
        answer = {
            "access_token": token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": form["scope"],
        }
        return httpx.Response(200, json=answer)

    async def _profile(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            caller = await self._verifier("urn:signet:profile").verify(token)
        except VerificationError as error:
            return httpx.Response(error.status, json=error.problem)
        if self.answer is not None:
            status, headers, body = self.answer
            return httpx.Response(status, headers=headers, content=body)
        return httpx.Response(
            200, json={"sub": caller.subject, "name": None, "bio": "Wrote it.", "delivery_address": self.on_file}
        )

    def _verifier(self, audience: str) -> AccessTokenVerifier:
        issuer = self._issuer
        return AccessTokenVerifier(issuer=issuer.issuer, audience=audience, key_set=issuer.key_set, clock=issuer.clock)


async def _drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.02)
