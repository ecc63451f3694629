"""One's logins: listed, and ended. Whoever is answered knows that it is done, and by which seq everyone will know."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from auth_service.endpoints.documented_problems import refusals_of, refusals_of_bodies
from auth_service.endpoints.fields import PRINTABLE, RefreshToken
from auth_service.open_logins import Ended, OpenLogins
from auth_service.own_tokens import OwnTokens
from auth_service.refresh_tokens import hash_of
from token_verification.errors import InsufficientScope, InvalidRequest
from token_verification.fastapi import Caller, bearer_token, requires_scope
from token_verification.openapi import SCHEME_NAME

SCOPE = "logins:manage"


class OpenLogin(BaseModel):
    """A login that has not ended. `last_used_at` is when its tokens were last refreshed, or when it began."""

    sid: str
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    current: bool


class LoginList(BaseModel):
    """One's open logins, the last used first, at most 200."""

    logins: list[OpenLogin]


class EndedLogins(BaseModel):
    """How many logins were ended. Every follower of the revocation feed that has reached `seq` refuses their tokens."""

    ended: int
    seq: int

    @classmethod
    def of(cls, ended: Ended) -> "EndedLogins":
        """Return the answer to an ending."""
        return cls(ended=ended.number, seq=ended.seq)


class Logout(BaseModel):
    """The refresh token of the login that is to end, for whoever has no access token for auth at hand."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"refresh_token": "vGuLVRLSRyZNu8q9rG7mB2uF1i2AaYJ1lOcQhIMm6cQ"}]},
    )

    refresh_token: RefreshToken


_MANAGES = requires_scope(SCOPE)
_UNAVAILABLE = {503: ("storage_unavailable", "The database cannot be used just now. Nothing was changed.")}


def open_logins_router(open_logins: OpenLogins, own_tokens: OwnTokens) -> APIRouter:
    """Return the routes of `/logins` and `/logout`; `own_tokens` verifies those that are shown to the latter."""
    router = APIRouter(tags=["logins"])

    @router.get("/logins", dependencies=[_MANAGES])
    async def list_logins(caller: Caller, response: Response) -> LoginList:
        """List one's own open logins, the last used first."""
        response.headers["Cache-Control"] = "no-store"
        return LoginList(
            logins=[
                OpenLogin(
                    sid=login.sid,
                    device=login.device,
                    address=login.address,
                    created_at=datetime.fromtimestamp(login.created_at, UTC),
                    last_used_at=datetime.fromtimestamp(login.last_used_at, UTC),
                    current=login.sid == caller.login_id,
                )
                for login in await open_logins.of(caller.subject)
            ]
        )

    @router.delete(
        "/logins/{sid}",
        dependencies=[_MANAGES],
        responses=refusals_of({404: ("not_found", "You have no open login of that id.")}),
    )
    async def end_login(sid: Annotated[str, Path(pattern=PRINTABLE)], caller: Caller) -> EndedLogins:
        """End one of one's own logins, on whatever device it is."""
        return EndedLogins.of(await open_logins.end(caller.subject, sid))

    @router.post(
        "/logout",
        responses=refusals_of_bodies(
            {
                400: ("invalid_request", "The request says by two tokens which login is to end."),
                401: ("no_credentials", "This needs an access token: Authorization: Bearer, a space, the token."),
                403: ("insufficient_scope", f"This needs the scope {SCOPE}."),
            }
            | _UNAVAILABLE
        ),
        openapi_extra={"security": [{SCHEME_NAME: [SCOPE]}, {}]},
    )
    async def log_out(request: Request, wanted: Logout | None = None) -> EndedLogins:
        """End the login of the access token, or of the refresh token in the body.

        A refresh token does whatever has become of it; one of a login that has ended, or of none, ends nothing.
        """
        if wanted is not None:
            if "authorization" in request.headers:
                raise InvalidRequest("The request says by two tokens which login is to end.")
            return EndedLogins.of(await open_logins.end_family(hash_of(wanted.refresh_token.get_secret_value())))
        caller = await own_tokens.verify(bearer_token(request.scope))
        if SCOPE not in caller.scope:
            raise InsufficientScope(SCOPE)
        return EndedLogins.of(await open_logins.end(caller.subject, caller.login_id))

    @router.post("/logout/everywhere", dependencies=[_MANAGES])
    async def log_out_everywhere(caller: Caller) -> EndedLogins:
        """End all of one's logins, this one too."""
        return EndedLogins.of(await open_logins.end_all(caller.subject))

    return router
