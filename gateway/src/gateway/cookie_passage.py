"""A browser's request on its way to a service: its cookie becomes a bearer token, renewed where that is needed."""

from collections.abc import Callable, Sequence

from starlette.types import Receive, Scope, Send

from gateway.cookies import Carried, Cookies
from gateway.dressed_answer import DressedAnswer, dressed
from gateway.forwarding import Forwarder
from gateway.login_tokens import Glance
from gateway.methods import REPEATABLE
from gateway.problem_answer import send_problem
from gateway.refreshing import LoginOver, Refresher
from gateway.repeatable_body import RepeatableBody
from gateway.upstreams import Upstream
from service_chassis.problems import Problem


class CookiePassage:
    """The way of every request with a login in cookies to its service and back.

    An access token that is gone, has expired or is about to is renewed before, and once more when the service answers
    that its key was revoked. `clock`: seconds since the epoch.
    """

    def __init__(
        self, cookies: Cookies, refresher: Refresher, forwarder: Forwarder, *, clock: Callable[[], float]
    ) -> None:
        self.cookies = cookies
        self.refresher = refresher
        self.forwarder = forwarder
        self.clock = clock

    async def serve(self, carried: Carried, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever the answer is, it has the cookies with it that came of the request."""
        passing = _Passing(self, carried, upstream, scope)
        try:
            await passing.forward(receive, send)
        except Problem as problem:
            await send_problem(problem, dressed(send, passing.cookies_with_problem(problem)))


class _Passing:
    """One request. `_access` and `_refresh` are its tokens at this moment, `_set_cookies` what a renewal has led to."""

    def __init__(self, way: CookiePassage, carried: Carried, upstream: Upstream, scope: Scope) -> None:
        self._way = way
        self._upstream = upstream
        self._scope = scope
        self._access = carried.access
        self._refresh = carried.refresh
        self._set_cookies: Sequence[str] = ()

    async def forward(self, receive: Receive, send: Send) -> None:
        await self._renew_if_due()
        body = RepeatableBody(receive, most=self._way.forwarder.limits.upload_held_bytes)
        answer = await self._ask(body.receive, send)
        if answer.reason == "key_revoked" and self._refresh:
            # The login outlives the key. Also an answer that cannot be asked for again brings the new cookies.
            await self._renew_past_key()
            if self._scope["method"] in REPEATABLE and body.is_repeatable:
                answer = await self._ask(body.again(), send)
        await answer.release()

    def cookies_with_problem(self, problem: Problem) -> Sequence[str]:
        return self._way.cookies.clearing() if isinstance(problem, LoginOver) else self._set_cookies

    async def _renew_if_due(self) -> None:
        if not self._refresh:
            return
        now, seen = self._way.clock(), Glance.at(self._access)
        if seen is not None and not seen.is_due(now):
            return
        try:
            await self._renew()
        except LoginOver:
            raise
        except Problem:
            # Nobody has to suffer from it before the token has really expired.
            if seen is None or seen.is_over(now):
                raise

    async def _renew_past_key(self) -> None:
        refused, used = Glance.at(self._access), self._refresh
        await self._renew()
        renewed = Glance.at(self._access)
        if refused and renewed and renewed.key_id == refused.key_id:
            # It was kept, from a moment before: auth was not asked since.
            self._refresh = used
            await self._renew(anew=True)

    async def _renew(self, *, anew: bool = False) -> None:
        tokens = await self._way.refresher.refreshed(self._refresh, self._scope, anew=anew)
        self._set_cookies = self._way.cookies.setting(tokens)
        self._access, self._refresh = tokens.access, tokens.refresh

    async def _ask(self, receive: Receive, send: Send) -> DressedAnswer:
        answer = DressedAnswer(send, self._cookies_with_answer)
        headers = list(self._scope["headers"])  # of which `Cookie` passes no further, as from anybody
        if self._access:
            headers.append((b"authorization", b"Bearer " + self._access.encode("latin-1")))
        await self._way.forwarder.forward(self._upstream, {**self._scope, "headers": headers}, receive, answer.send)
        return answer

    def _cookies_with_answer(self, status: int, reason: str | None) -> Sequence[str]:
        if reason == "login_ended" or (status == 200 and self._ends_this_login()):
            return self._way.cookies.clearing()
        return self._set_cookies

    def _ends_this_login(self) -> bool:
        match self._scope["method"], self._scope["raw_path"]:
            case "POST", b"/logout" | b"/logout/everywhere":
                return True
            case "DELETE", path:
                seen = Glance.at(self._access)
                return seen is not None and path == f"/logins/{seen.login_id}".encode()
        return False
