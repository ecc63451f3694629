"""The token endpoint: a form in, a token or an OAuth error out. [RFC 6749 sections 3.2, 5 and 6, RFC 8693 section 2]"""

import re
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from auth_service.clients import Clients
from auth_service.endpoints.oauth import (
    CLIENT_PARAMETERS,
    NOT_STORED,
    documented_form,
    documented_haste,
    documented_refusals,
    error_answer,
    form_of,
    is_first_party,
    not_one_resource,
    proved_service,
    wanted,
)
from auth_service.logins import Logins
from auth_service.scopes import RESOURCES
from auth_service.token_exchange import TokenExchange
from auth_service.token_refusals import TokenRefusal
from service_chassis.problems import Problem
from token_verification.token_exchange import ACCESS_TOKEN_TYPE, GRANT_TYPE

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 -- a path
REFRESH_GRANT: Final = "refresh_token"
GRANT_TYPES: Final = (GRANT_TYPE, REFRESH_GRANT)


class RefreshedTokens(BaseModel):
    """The next tokens of a login; `expires_in` and `refresh_expires_in` are in seconds. [RFC 6749 section 5.1]"""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the name of a scheme
    expires_in: int
    scope: str
    refresh_token: str
    refresh_expires_in: int


class ExchangedToken(BaseModel):
    """The token that was got; `expires_in` is in seconds. [RFC 8693 section 2.2.1]"""

    access_token: str
    issued_token_type: Literal["urn:ietf:params:oauth:token-type:access_token"] = ACCESS_TOKEN_TYPE
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the name of a scheme
    expires_in: int
    scope: str


_PARAMETERS: dict[str, Any] = {
    "grant_type": {"const": GRANT_TYPE},
    "subject_token": {"type": "string", "description": "An access token that names the client in `aud`."},
    "subject_token_type": {"const": ACCESS_TOKEN_TYPE},
    "resource": {
        "type": "string",
        "examples": list(RESOURCES),
        "description": "The one resource server that the new token is for.",
    },
    "scope": {"type": "string", "description": "Space separated; all that is possible by default."},
    "client_assertion_type": CLIENT_PARAMETERS["client_assertion_type"],
    "client_assertion": CLIENT_PARAMETERS["client_assertion"],
}
_REFRESH_PARAMETERS: dict[str, Any] = {
    "grant_type": {"const": REFRESH_GRANT},
    "refresh_token": {"type": "string", "description": "The login's present one."},
    "client_id": CLIENT_PARAMETERS["client_id"],
    "scope": {"type": "string", "description": "Space separated; all that the login was granted by default."},
}

# RFC 6749, section 3.3. `\Z`, not `$`, which would let a final newline through.
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*\Z")


def _schema(parameters: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in parameters if name != "scope"]
    return {"type": "object", "required": required, "properties": parameters}


def tokens_router(clients: Clients, exchange: TokenExchange, logins: Logins) -> APIRouter:
    """Return the route `POST /oauth/token`."""
    router = APIRouter(tags=["tokens"])

    @router.post(
        TOKEN_PATH,
        response_model=ExchangedToken | RefreshedTokens,
        openapi_extra=documented_form(_schema(_PARAMETERS), _schema(_REFRESH_PARAMETERS)),
        responses=documented_refusals("The request, the token, the resource or the scope is refused.")
        | documented_haste(),
    )
    async def issue_token(request: Request) -> Response:
        """Exchange a caller's token for one that reaches one other service (RFC 8693), or go on with a login."""
        try:
            form = await form_of(request)
            match wanted(form, "grant_type"):
                case "urn:ietf:params:oauth:grant-type:token-exchange":
                    answer: BaseModel = await exchanged(form)
                case "refresh_token":
                    answer = await refreshed(form)
                case _:
                    raise TokenRefusal("unsupported_grant_type", f"The grants here are {' and '.join(GRANT_TYPES)}.")
        except Problem as problem:
            return error_answer(problem)
        return JSONResponse(answer.model_dump(), headers=NOT_STORED)

    async def exchanged(form: dict[str, str]) -> ExchangedToken:
        client = await proved_service(clients, form)
        token = await exchange.exchange(
            client, subject_token=_subject_token(form), resource=_resource(form), scope=form.get("scope")
        )
        return ExchangedToken(access_token=token.access_token, expires_in=token.expires_in, scope=token.scope)

    async def refreshed(form: dict[str, str]) -> RefreshedTokens:
        if not is_first_party(form):
            raise TokenRefusal("unauthorized_client", "Refresh tokens are those of the client that `client_id` names.")
        if "resource" in form:
            # To overlook it would issue a token for more than was asked for.
            raise TokenRefusal("invalid_target", "A login's tokens are for what the login was for.")
        issued = await logins.refresh(wanted(form, "refresh_token"), scopes=_words(form.get("scope")))
        return RefreshedTokens(
            access_token=issued.access.access_token,
            expires_in=issued.access.expires_in,
            scope=issued.access.scope,
            refresh_token=issued.refresh_token,
            refresh_expires_in=issued.refresh_expires_in,
        )

    return router


def _words(scope: str | None) -> list[str] | None:
    if scope is not None and not _SCOPE.match(scope):
        raise TokenRefusal("invalid_scope", "A scope is one or more words with a space between them.")
    return None if scope is None else scope.split(" ")


def _subject_token(form: dict[str, str]) -> str:
    types = {wanted(form, "subject_token_type"), form.get("requested_token_type", ACCESS_TOKEN_TYPE)}
    if types != {ACCESS_TOKEN_TYPE}:
        raise TokenRefusal("invalid_request", "Access tokens are exchanged for access tokens, and nothing else is.")
    # Neither alone, the type, which is for a token that is not there, least of all. [RFC 8693 section 2.1]
    if not form.keys().isdisjoint({"actor_token", "actor_token_type"}):
        raise TokenRefusal("invalid_request", "The actor is the client itself, and needs no token besides its proof.")
    return wanted(form, "subject_token")


def _resource(form: dict[str, str]) -> str:
    # RFC 8693 knows logical names too: to overlook one that was given would issue a token for something else.
    if "resource" not in form or "audience" in form:
        raise not_one_resource()
    return form["resource"]
