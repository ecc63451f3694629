"""Token exchange: a caller's token, in the hands of a service, for one that reaches one other service. [RFC 8693]"""

import re
from collections.abc import Callable

import structlog

from auth_service.access_tokens import AccessTokens, IssuedToken
from auth_service.clients import Service
from auth_service.own_tokens import OwnTokens
from auth_service.scopes import SCOPES
from auth_service.token_refusals import TokenRefusal
from token_verification import AccessToken, InvalidToken

_log = structlog.get_logger()

# RFC 6749, section 3.3. `\Z`, not `$`, which would let a final newline through.
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*\Z")


class TokenExchange:
    """Narrows tokens: in audience to one resource, in scope, and never in anything the other way."""

    def __init__(
        self,
        access_tokens: AccessTokens,
        *,
        verifier_for: Callable[[str], OwnTokens],
        clock: Callable[[], float],
    ) -> None:
        """`verifier_for` makes a verifier of this issuer's own tokens for an audience."""
        self._access_tokens = access_tokens
        self._verifier_for = verifier_for
        self._clock = clock

    async def exchange(self, client: Service, *, subject_token: str, resource: str, scope: str | None) -> IssuedToken:
        """Return a token for `resource` alone, of the same subject and login, in which `client` is the actor.

        It ends no later than the subject token, and its scope lies in that one's, in what is asked for, and in what the
        client may ask for. Raises TokenRefusal: invalid_target, invalid_request when the subject token is none that
        this client may exchange (RFC 8693, section 2.2.2), invalid_scope.
        """
        if resource not in client.may_ask:
            raise TokenRefusal("invalid_target", f"{client.client_id} may ask for no token for that resource.")
        now = int(self._clock())
        subject = await self._subject_of(client, subject_token, now)
        scopes = _narrowed(subject, client.may_ask[resource], scope)
        token = await self._access_tokens.exchange(
            subject, client_id=client.client_id, resource=resource, scopes=scopes, now=now
        )
        _log.info(
            "token_exchanged", client=client.client_id, sub=subject.subject, sid=subject.login_id, resource=resource
        )
        return token

    async def _subject_of(self, client: Service, subject_token: str, now: int) -> AccessToken:
        """Verify the subject token as the client itself would: it must be for the client, and for someone's login."""
        try:
            subject = await self._verifier_for(client.audience).verify(subject_token)
        except InvalidToken as refusal:
            raise _unfit(refusal.reason, f"The subject token is refused: {refusal.detail}") from None
        if subject.expires_at <= now:
            # A verifier grants a leeway between clocks, but nothing issued now could end before it began.
            raise _unfit("expired", "The subject token has expired.")
        if subject.actor is not None:
            # Nobody here asks on behalf of somebody who asks on behalf of somebody: one hop is all there is to audit.
            raise _unfit("already_exchanged", "The subject token was itself got by an exchange.")
        return subject


def _unfit(reason: str, detail: str) -> TokenRefusal:
    return TokenRefusal("invalid_request", detail, reason=reason)


def _narrowed(subject: AccessToken, allowed: tuple[str, ...], asked: str | None) -> tuple[str, ...]:
    possible = subject.scope.intersection(allowed)
    if asked is None:
        wanted = possible
    elif _SCOPE.match(asked):
        wanted = frozenset(asked.split(" "))
    else:
        raise TokenRefusal("invalid_scope", "A scope is one or more words with a space between them.")
    if not wanted or not wanted <= possible:
        raise TokenRefusal("invalid_scope", "The subject token and this client do not both reach that far.")
    return tuple(scope for scope in SCOPES if scope in wanted)
