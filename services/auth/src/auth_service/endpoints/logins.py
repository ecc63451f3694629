"""Logins: an e-mail and a password for an access token."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from auth_service.endpoints.documented_problems import refusals_of_credentials
from auth_service.endpoints.fields import Email, Password, client_address
from auth_service.logins import Logins
from auth_service.scopes import RESOURCES, SCOPES

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
    scope: Annotated[
        str | None,
        Field(
            max_length=1000,
            pattern=r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$",
            description=f"Space separated, of {', '.join(SCOPES)}; all that the account may have by default.",
        ),
    ] = None


class LoginAnswer(BaseModel):
    """The token and what its holder needs to know; `expires_in` is in seconds. [RFC 6749 section 5.1]"""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the name of a scheme
    expires_in: int
    scope: str


def logins_router(logins: Logins, *, trust_forwarded: bool) -> APIRouter:
    """Return the route `POST /login`."""
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
        """Log in, and get an access token."""
        token = await logins.log_in(
            email=credentials.email,
            password=credentials.password.get_secret_value(),
            address=client_address(request, trust_forwarded=trust_forwarded),
            resources=credentials.resource,
            scopes=None if credentials.scope is None else credentials.scope.split(" "),
        )
        response.headers["Cache-Control"] = "no-store"
        return LoginAnswer(access_token=token.access_token, expires_in=token.expires_in, scope=token.scope)

    return router
