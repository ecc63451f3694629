"""Revoking a token that one holds: for clients that know OAuth and nothing of Signet. [RFC 7009]"""

from collections.abc import Callable

import structlog

from auth_service.access_tokens import FIRST_PARTY_CLIENT
from auth_service.open_logins import OpenLogins
from auth_service.own_tokens import OwnTokens
from auth_service.refresh_tokens import hash_of
from auth_service.revocations import RevocationKind, RevocationLog
from auth_service.token_refusals import TokenRefusal
from token_verification import AccessToken, InvalidToken
from token_verification.compact_jws import json_object, split_compact_jws
from token_verification.verifier import SIZE_LIMIT

_log = structlog.get_logger()


class TokenRevocation:
    """Ends the login of a refresh token, or one access token; each by the client alone that it was issued to."""

    def __init__(
        self,
        log: RevocationLog,
        *,
        open_logins: OpenLogins,
        verifier_for: Callable[[str], OwnTokens],
    ) -> None:
        """`verifier_for` makes a verifier of this issuer's own tokens for an audience."""
        self._log = log
        self._open_logins = open_logins
        self._verifier_for = verifier_for

    async def revoke(self, client_id: str, token: str) -> None:
        """Let a token count no more; one that is unknown, or counts no more already, is as good as revoked.

        Raises TokenRefusal with invalid_grant for another client's token (RFC 7009, section 2.1), StorageUnavailable.
        """
        if "." in token:  # no refresh token has one, and every access token two
            await self._revoke_access_token(client_id, token)
        elif client_id == FIRST_PARTY_CLIENT:
            await self._open_logins.end_family(hash_of(token))
        elif await self._open_logins.knows(hash_of(token)):
            raise _anothers()

    async def _revoke_access_token(self, client_id: str, token: str) -> None:
        try:
            revoked = await self._verified(token)
        except InvalidToken as refusal:
            _log.info("token_revoked_already", reason=refusal.reason)
            return
        if revoked.client_id != client_id:
            raise _anothers()
        async with self._log.writing() as connection:
            await self._log.append(connection, RevocationKind.TOKEN, [revoked.token_id])
        _log.info("token_revoked", client=client_id, sub=revoked.subject, sid=revoked.login_id, jti=revoked.token_id)

    async def _verified(self, token: str) -> AccessToken:
        """Verify a token as one of the resource servers would that it says it is for. Raises InvalidToken."""
        try:
            said = json_object(split_compact_jws(token[: SIZE_LIMIT + 1]).payload).get("aud")
        except ValueError:
            raise InvalidToken("malformed", "The token cannot be read.") from None
        audience = said[0] if isinstance(said, list) and said else said
        return await self._verifier_for(str(audience)).verify(token)


def _anothers() -> TokenRefusal:
    return TokenRefusal("invalid_grant", "The token was issued to another client.")
