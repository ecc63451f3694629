"""Auth as a resource server: tokens of its own, verified without HTTP, and looked up in its database."""

import re

import jwt
from sqlalchemy import Exists, and_, exists, select

from auth_service.database import accounts, logins, revocations
from auth_service.revocations import RevocationKind
from service_chassis.database import Database
from token_verification import AccessToken, AccessTokenVerifier, InvalidToken

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}")  # a thumbprint [RFC 7638]


class OwnTokens:
    """Decides about tokens of this issuer: by the whole policy first, and then by what the database knows.

    What other resource servers learn from the feed stands here itself, so nothing is ever late.
    """

    def __init__(self, verifier: AccessTokenVerifier, database: Database) -> None:
        self._verifier = verifier
        self._database = database

    async def verify(self, token: str, *, changes_state: bool = True) -> AccessToken:
        """Return what the token says, if its login is open and neither it nor its key was revoked.

        Raises InvalidToken, among others with the reasons key_revoked, login_ended and token_revoked;
        StorageUnavailable.
        """
        try:
            caller = await self._verifier.verify(token, changes_state=changes_state)
        except InvalidToken as refusal:
            # A compromised key is no longer among those that are known here.
            if refusal.reason == "unknown_kid":
                key_id = jwt.get_unverified_header(token)["kid"]
                # What stands in a forged header may be text that no database takes.
                if _KEY_ID.fullmatch(key_id) and await self._key_is_revoked(key_id):
                    raise _key_revoked() from None
            raise
        asked = select(
            _revoked(RevocationKind.KEY, caller.key_id),
            _login_is_open(caller.login_id),
            _revoked(RevocationKind.TOKEN, caller.token_id),
        )
        async with self._database.reading() as connection:
            key_revoked, login_open, token_revoked = (await connection.execute(asked)).one()
        if key_revoked:
            raise _key_revoked()
        if not login_open:
            raise InvalidToken("login_ended", "The token's login has ended.")
        if token_revoked:
            raise InvalidToken("token_revoked", "The token was revoked.")
        return caller

    async def _key_is_revoked(self, key_id: str) -> bool:
        async with self._database.reading() as connection:
            return bool((await connection.execute(select(_revoked(RevocationKind.KEY, key_id)))).scalar_one())


def _login_is_open(sid: str) -> Exists:
    # Its life by itself needs no question: no token outlives it.
    of_account = and_(accounts.c.sub == logins.c.sub, accounts.c.disabled_at.is_(None))
    return exists().where(logins.c.sid == sid, logins.c.ended_at.is_(None), of_account)


def _revoked(kind: RevocationKind, revoked: str) -> Exists:
    return exists().where(revocations.c.kind == kind, revocations.c.id == revoked)


def _key_revoked() -> InvalidToken:
    return InvalidToken("key_revoked", "The token's key was revoked.")
