"""Going on with a login for a browser: the question to auth, and what its answers mean."""

import asyncio
import re
from typing import NoReturn

from starlette.types import Scope

from gateway.forwarding import Forwarder
from gateway.login_tokens import LoginTokens
from gateway.own_questions import own_request, whole_answer
from gateway.renewals import Renewals
from gateway.upstreams import Upstream
from service_chassis.problems import Problem, Unavailable

_REFRESH_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


class LoginOver(Problem):
    """There is no going on with the login: the cookies go. [RFC 9110 section 15.5.2 wants a challenge]"""

    def __init__(self) -> None:
        super().__init__(
            401,
            "invalid_grant",
            "The login has ended, or its refresh token was used up elsewhere. Log in again.",
            headers={"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"},
        )


class RefreshUnavailable(Unavailable):
    """Nobody can go on with the login at this moment: it may be fine, and the cookies stay."""

    def __init__(self) -> None:
        super().__init__(
            "refresh_unavailable",
            "The login has to be refreshed, and the authorization server cannot be asked. Try again.",
            retry_after=1,
        )


class Refresher:
    """Refreshes logins at auth, each once for all who wait. `deadline`: seconds for one question in all."""

    def __init__(self, forwarder: Forwarder, auth: Upstream, renewals: Renewals, *, deadline: float) -> None:
        self._forwarder = forwarder
        self._auth = auth
        self._renewals = renewals
        self._deadline = deadline

    async def refreshed(self, refresh_token: str, scope: Scope, *, anew: bool = False) -> LoginTokens:
        """Return what a refresh token leads to, for the client of the request with this `scope`.

        `anew`: auth is asked, also if it was a moment ago. Raises LoginOver, RefreshUnavailable, `Problem` (429
        too_many_refreshes).
        """
        if not _REFRESH_TOKEN.fullmatch(refresh_token):
            raise LoginOver
        return await self._renewals.renewed(refresh_token, lambda: self._ask(refresh_token, scope), anew=anew)

    async def _ask(self, refresh_token: str, scope: Scope) -> LoginTokens:
        request, receive = own_request(scope, "/refresh", {"refresh_token": refresh_token})
        try:
            async with asyncio.timeout(self._deadline):
                answer = await whole_answer(self._forwarder, self._auth, request, receive)
        except (Problem, TimeoutError):
            raise RefreshUnavailable from None
        if answer.status != 200:
            _refuse(answer.status, dict(answer.headers))
        try:
            return LoginTokens.of(answer.body)
        except ValueError:
            raise RefreshUnavailable from None


def _refuse(status: int, headers: dict[bytes, bytes]) -> NoReturn:
    if status == 400:  # `invalid_grant`, or that the account may have nothing any more of what the login was granted
        raise LoginOver
    if status == 429:
        wait = headers.get(b"retry-after", b"1").decode("latin-1")
        raise Problem(429, "too_many_refreshes", "This login was refreshed too often.", headers={"Retry-After": wait})
    raise RefreshUnavailable
