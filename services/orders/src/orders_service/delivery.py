"""Where an order goes: profile's word, asked for with a token that was exchanged for this alone."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol, cast, get_args

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from orders_service.orders import Delivery, DeliveryAddress
from service_chassis.server_timing import part
from token_verification import AccessToken
from token_verification.errors import Reason
from token_verification.token_exchange import ExchangeRefused, ExchangeUnavailable

SCOPE = "profile:read"
BYTE_CAP = 64 * 1024

_REASONS: frozenset[str] = frozenset(get_args(Reason))

_log = structlog.get_logger()


class AddressUnavailable(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """Auth or profile is away, late, or says what cannot be understood; or too many ask at once."""


class AddressNotPermitted(Exception):  # noqa: N818 -- same reason
    """The caller's token does not allow to ask. `reason`: what auth finds wrong with it; None: it lacks the scope."""

    def __init__(self, reason: Reason | None) -> None:
        super().__init__(reason)
        self.reason = reason


class Exchange(Protocol):
    """What `TokenExchange` does."""

    async def exchange(self, subject_token: str, resource: str, scope: str) -> str:
        """Return a token for `resource` alone. Raises ExchangeRefused or ExchangeUnavailable."""
        ...


class _OnFile(BaseModel):
    """What matters here of profile's answer. A member that is missing is not one that is null."""

    sub: str
    delivery_address: DeliveryAddress | None


class DeliveryAddresses:
    """The addresses that profile has on file.

    `profile_url` is profile's internal base URL, `resource` its audience. `deadline` bounds one look-up in seconds,
    the exchange included. At most `at_once` look-ups wait for others; what comes beyond is told at once that it cannot
    be known now, so that a hanging auth holds up no more than these. `headers` go along with each request.
    """

    def __init__(
        self,
        exchange: Exchange,
        http: httpx.AsyncClient,
        *,
        profile_url: str,
        resource: str,
        deadline: float,
        at_once: int,
        headers: Callable[[], Mapping[str, str]],
    ) -> None:
        self._exchange = exchange
        self._http = http
        self._url = f"{profile_url.rstrip('/')}/api/profile"
        self._resource = resource
        self._deadline = deadline
        self._at_once = at_once
        self._headers = headers
        self._under_way = 0

    async def look_up(self, caller: AccessToken, token: str) -> Delivery:
        """Return what can be said within the deadline, for an order that is placed in any case."""
        try:
            return await self.read(caller, token)
        except AddressNotPermitted:
            return Delivery(status="pending", reason="not_permitted")
        except AddressUnavailable:
            return Delivery(status="pending", reason="unavailable")

    async def read(self, caller: AccessToken, token: str) -> Delivery:
        """Return what profile has on file of the caller, whose verified token this is: settled, or none_on_file.

        Raises AddressNotPermitted and AddressUnavailable.
        """
        if SCOPE not in caller.scope:
            raise AddressNotPermitted(None)
        if self._under_way >= self._at_once:
            _unknown("busy")
        self._under_way += 1
        try:
            async with asyncio.timeout(self._deadline):
                with part("exchange"):
                    narrowed = await self._exchange.exchange(token, self._resource, SCOPE)
                with part("profile"):
                    answer = await self._ask(narrowed)
                on_file = _on_file(caller, answer)
        except ExchangeRefused as refusal:
            if refusal.error == "invalid_scope":
                raise AddressNotPermitted(None) from None
            if refusal.reason in _REASONS:
                raise AddressNotPermitted(cast("Reason", refusal.reason)) from None
            # Not the caller's fault: auth does not know this service, or not that it may ask profile.
            _unknown("refused", error=refusal.error)
        except ExchangeUnavailable as fault:
            _unknown("exchange", detail=fault.detail)
        except TimeoutError:
            _unknown("deadline")
        except httpx.HTTPError as error:
            _unknown("profile", detail=type(error).__name__)
        finally:
            self._under_way -= 1
        return on_file

    async def _ask(self, token: str) -> bytes:
        headers = {
            **self._headers(),
            "authorization": f"Bearer {token}",
            "accept": "application/json",
            "accept-encoding": "identity",  # a few compressed bytes can become as many as they like
        }
        body = bytearray()
        # The deadline of the look-up is the only one: a chunk now and then does not make it longer.
        asking = self._http.stream("GET", self._url, headers=headers, follow_redirects=False, timeout=None)
        async with asking as answer:
            if answer.status_code != 200 or answer.headers.get("content-encoding", "identity").lower() != "identity":
                _unknown("answer", status=answer.status_code)
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > BYTE_CAP:
                    _unknown("answer", detail="too_large")
        return bytes(body)


def _on_file(caller: AccessToken, answer: bytes) -> Delivery:
    try:
        found = _OnFile.model_validate_json(answer)
    except ValidationError as error:
        # Where it is not as it should be; never what is there, which is somebody's address.
        places = [".".join(map(str, fault["loc"]))[:100] for fault in error.errors(include_input=False)]
        _unknown("answer", detail="not_as_expected", places=places[:5])
    if found.sub != caller.subject:
        _unknown("answer", detail="another_subject")
    if found.delivery_address is None:
        return Delivery(status="none_on_file")
    return Delivery(status="settled", address=found.delivery_address)


def _unknown(why: str, **more: object) -> NoReturn:
    _log.warning("delivery_address_unavailable", why=why, **more)
    raise AddressUnavailable from None
