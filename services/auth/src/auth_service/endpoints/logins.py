"""Logging in, and going on with it: an e-mail and a password for tokens, and a refresh token for the next."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from auth_service.endpoints.documented_problems import refusals_of_bodies, refusals_of_credentials
from auth_service.endpoints.fields import Email, Password, RefreshToken, client_address, client_device
from auth_service.logins import IssuedTokens, Logins
from auth_service.scopes import RESOURCES, SCOPES

_Scope = Annotated[
    str | None,
    Field(
        max_length=1000,
        pattern=r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$",
        description=f"Space separated, of {', '.join(SCOPES)}; all that can be had by default.",
    ),
]

# No enum: an operator can have added further ones.
_RESOURCE = {"type": "string", "maxLength": 200, "examples": list(RESOURCES)}


def _as_list(resource: Any) -> Any:  # noqa: ANN401 -- before validation it may be anything
    return [resource] if isinstance(resource, str) else resource


class Credentials(BaseModel):
    """Who logs in, and optionally for less than everything."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"email": "ada@example.com", "password": "correct horse battery"},
                {
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                    "resource": "urn:signet:orders",
                    "scope": "orders:read",
                },
            ]
        },
    )

    email: Email
    password: Password
    resource: Annotated[
        list[Annotated[str, Field(max_length=200)]] | None,
        Field(min_length=1, max_length=10, description="The resource servers the token is for; all by default."),
        BeforeValidator(_as_list),
        WithJsonSchema({"anyOf": [_RESOURCE, {"type": "array", "items": _RESOURCE, "minItems": 1, "maxItems": 10}]}),
    ] = None
    scope: _Scope = None


class Refresh(BaseModel):
    """The login's present refresh token, and optionally the wish for less scope in the next access token."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"refresh_token": "vGuLVRLSRyZNu8q9rG7mB2uF1i2AaYJ1lOcQhIMm6cQ"}]},
    )

    refresh_token: RefreshToken
    scope: _Scope = None


class LoginAnswer(BaseModel):
    """The tokens and what their holder needs to know; seconds. [RFC 6749 section 5.1]

    `expires_in` is the access token's life; `refresh_expires_in` how long the login goes on without a refresh.
    """

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the name of a scheme
    expires_in: int
    scope: str
    refresh_token: str
    refresh_expires_in: int

    @classmethod
    def of(cls, issued: IssuedTokens) -> Self:
        """Return the answer that hands out tokens."""
        return cls(
            access_token=issued.access.access_token,
            expires_in=issued.access.expires_in,
            scope=issued.access.scope,
            refresh_token=issued.refresh_token,
            refresh_expires_in=issued.refresh_expires_in,
        )


def logins_router(logins: Logins, *, trust_forwarded: bool) -> APIRouter:
    """Return the routes `POST /login` and `POST /refresh`."""
    router = APIRouter(tags=["logins"])

    @router.post(
        "/login",
        responses=refusals_of_credentials(
            {
                400: ("invalid_scope", "This account cannot have a scope asked for."),
                401: ("wrong_credentials", "The e-mail or the password is wrong."),
            }
        ),
    )
    async def log_in(credentials: Credentials, request: Request, response: Response) -> LoginAnswer:
        """Log in, and get an access token, and a refresh token for the next."""
        issued = await logins.log_in(
            email=credentials.email,
            password=credentials.password.get_secret_value(),
            address=client_address(request, trust_forwarded=trust_forwarded),
            device=client_device(request),
            resources=credentials.resource,
            scopes=_words(credentials.scope),
        )
        response.headers["Cache-Control"] = "no-store"
        return LoginAnswer.of(issued)

    @router.post(
        "/refresh",
        responses=refusals_of_bodies(
            {
                400: (
                    "invalid_grant",
                    "The refresh token is unknown or used up, or its login has ended. Log in again.",
                ),
                429: ("too_many_refreshes", "This login was refreshed too often."),
                503: ("storage_unavailable", "The database cannot be used at this moment."),
            }
        ),
    )
    async def refresh(wanted: Refresh, response: Response) -> LoginAnswer:
        """Get the next access token and the next refresh token. An answer that was lost can be asked for again."""
        issued = await logins.refresh(wanted.refresh_token.get_secret_value(), scopes=_words(wanted.scope))
        response.headers["Cache-Control"] = "no-store"
        return LoginAnswer.of(issued)

    return router


def _words(scope: str | None) -> list[str] | None:
    return None if scope is None else scope.split(" ")
