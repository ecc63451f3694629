"""A service exchanges its caller's token for one that reaches one other service, and no further (RFC 8693).

exchange = TokenExchange("http://auth:8000/oauth/token", assertions=assertions, http=client)
narrow = await exchange.exchange(token, resource="urn:example:profile", scope="profile:read")
"""

import asyncio
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from token_verification.client_assertion import ClientAssertions
from token_verification.compact_jws import json_object
from token_verification.verifier import SIZE_LIMIT

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- the name of a type
CLIENT_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_REFUSALS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
_REASON = re.compile(r"[a-z]+(?:_[a-z]+){0,5}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")  # RFC 6750, section 2.1


class ExchangeRefused(Exception):  # noqa: N818 -- named for what happened, as the library's other errors are
    """The issuer gives no token for this one; asking again would not help.

    `error`: the code of RFC 6749, section 5.2, or RFC 8707, section 2. `reason`: the issuer's own finer word, such as
    `expired`, where it says one, otherwise `error`.
    """

    def __init__(self, error: str, reason: str) -> None:
        self.error = error
        self.reason = reason
        super().__init__(f"the exchange was refused: {error} ({reason})")


class ExchangeUnavailable(Exception):  # noqa: N818 -- same reason
    """Nobody can tell whether the issuer would give a token: it is away, late, or says what cannot be understood."""

    def __init__(self, detail: str) -> None:
        """`detail`: the end of a sentence; it holds nothing that was sent."""
        self.detail = detail
        super().__init__(f"the exchange did not happen: {detail}")


class TokenExchange:
    """One client's way to the token endpoint of its issuer."""

    def __init__(
        self,
        token_endpoint: str,
        *,
        assertions: ClientAssertions,
        http: httpx.AsyncClient,
        deadline: float = 1.5,
        byte_cap: int = 32 * 1024,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Say where to ask, and for how long.

        `http`: its owner closes it. `deadline`: seconds for one exchange in all, from signing the assertion to the last
        byte of the answer. `byte_cap`: bytes of the answer. `headers`: what else each request carries, such as a trace.
        """
        self._token_endpoint = token_endpoint
        self._assertions = assertions
        self._http = http
        self._deadline = deadline
        self._byte_cap = byte_cap
        self._headers = headers

    async def exchange(self, subject_token: str, resource: str, scope: str) -> str:
        """Return an access token for `resource` alone, of the subject of `subject_token`, with at most `scope`.

        `subject_token`: a verified access token of whoever calls. `resource`: an absolute URI (RFC 8707). `scope`:
        space separated. Raises ExchangeRefused, ExchangeUnavailable, and nothing else.
        """
        try:
            async with asyncio.timeout(self._deadline):
                # RS256 takes a thread longer than a loop should be held up.
                assertion = await asyncio.to_thread(self._assertions.new)
                form = {
                    "grant_type": GRANT_TYPE,
                    "subject_token": subject_token,
                    "subject_token_type": ACCESS_TOKEN_TYPE,
                    "resource": resource,
                    "scope": scope,
                    "client_assertion_type": CLIENT_ASSERTION_TYPE,
                    "client_assertion": assertion,
                }
                return _token_in(*await self._ask(form))
        except TimeoutError:
            raise ExchangeUnavailable(f"it took longer than {self._deadline:g} s") from None
        except (ExchangeRefused, ExchangeUnavailable):
            raise
        except Exception as fault:  # noqa: BLE001 -- whatever a transport raises, an order must not fail with it
            # Without its cause: what failed holds the request, and with it both tokens.
            raise ExchangeUnavailable(f"it failed with {type(fault).__name__}") from None

    async def _ask(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        headers = {
            **self._headers(),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
            # A few compressed bytes can become as many as they like.
            "accept-encoding": "identity",
        }
        body = urllib.parse.urlencode(form).encode("ascii")
        asking = self._http.stream(
            "POST", self._token_endpoint, content=body, headers=headers, follow_redirects=False, timeout=None
        )
        async with asking as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise ExchangeUnavailable("the answer was compressed")
            answer = bytearray()
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > self._byte_cap:
                    raise ExchangeUnavailable(f"the answer was larger than {self._byte_cap} bytes")
            return response.status_code, bytes(answer)


def _token_in(status: int, body: bytes) -> str:
    """Return the token in an answer of the token endpoint (RFC 8693, section 2.2)."""
    try:
        answer = json_object(body)
    except ValueError:
        answer = {}
    if status in {400, 401} and (error := answer.get("error")) in _REFUSALS:
        reason = answer.get("reason")
        raise ExchangeRefused(error, reason if isinstance(reason, str) and _REASON.match(reason) else error)
    if status != 200:
        raise ExchangeUnavailable(f"the answer was {status}")
    if not _is_a_token_response(answer):
        raise ExchangeUnavailable("the answer was 200, and no access token for a bearer")
    return str(answer["access_token"])


def _is_a_token_response(answer: Mapping[str, Any]) -> bool:
    token = answer.get("access_token")
    return (
        answer.get("issued_token_type") == ACCESS_TOKEN_TYPE
        and str(answer.get("token_type")).lower() == "bearer"
        and isinstance(token, str)
        and len(token) <= SIZE_LIMIT
        and _TOKEN.match(token) is not None
    )
