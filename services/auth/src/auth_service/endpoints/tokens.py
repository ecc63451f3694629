"""The token endpoint: a form in, a token or an OAuth error out. [RFC 6749 sections 3.2 and 5, RFC 8693 section 2]"""

import urllib.parse
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from auth_service.clients import Clients
from auth_service.scopes import RESOURCES
from auth_service.token_exchange import TokenExchange
from auth_service.token_refusals import InvalidClient, TokenRefusal
from service_chassis.documentation import refusals
from service_chassis.problems import Problem, problem_members
from service_chassis.request_bodies import FORM
from token_verification import KeysUnavailable
from token_verification.token_exchange import ACCESS_TOKEN_TYPE, CLIENT_ASSERTION_TYPE, GRANT_TYPE

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 -- a path

_MOST_PARAMETERS = 50
# Cache-Control does what Pragma did; RFC 6749, section 5.1, asks for both.
_NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_log = structlog.get_logger()


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
    "client_assertion_type": {"const": CLIENT_ASSERTION_TYPE},
    "client_assertion": {"type": "string", "description": "RFC 7523: typ client-authentication+jwt, aud the issuer."},
}
_FORM_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": [name for name in _PARAMETERS if name != "scope"],
                    "properties": _PARAMETERS,
                }
            }
        },
    }
}
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error", "error_description", "type", "title", "status", "detail", "reason"],
    "properties": {
        "error": {"type": "string", "description": "The code of RFC 6749, section 5.2, or RFC 8707, section 2."},
        "error_description": {"type": "string"},
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "Stable, for programs, and finer than `error`."},
    },
}


def _documented(status: int, error: str, description: str, **headers: str) -> dict[int | str, dict[str, Any]]:
    example = _error_members(TokenRefusal(error, description, status=status), error)
    answer = {
        "description": description,
        "content": {"application/json": {"schema": _ERROR_SCHEMA, "example": example}},
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()},
    }
    return {status: answer}


def tokens_router(clients: Clients, exchange: TokenExchange) -> APIRouter:
    """Return the route `POST /oauth/token`."""
    router = APIRouter(tags=["tokens"])

    @router.post(
        TOKEN_PATH,
        response_model=ExchangedToken,
        openapi_extra=_FORM_BODY,
        responses=refusals(413, 415)
        | _documented(400, "invalid_request", "The request, the subject token, the resource or the scope is refused.")
        | _documented(401, "invalid_client", "The client did not prove itself.", **{"WWW-Authenticate": "A challenge."})
        | _documented(503, "temporarily_unavailable", "Nobody can tell just now.", **{"Retry-After": "In seconds."}),
    )
    async def issue_token(request: Request) -> Response:
        """Exchange a caller's token for one that reaches one other service. For services alone. [RFC 8693]"""
        try:
            form = await _form_of(request)
            if _wanted(form, "grant_type") != GRANT_TYPE:
                raise TokenRefusal("unsupported_grant_type", f"The one grant here is {GRANT_TYPE}.")
            if form.get("client_assertion_type") != CLIENT_ASSERTION_TYPE or "client_assertion" not in form:
                raise InvalidClient
            client = await clients.prove(form["client_assertion"])
            if form.get("client_id", client.client_id) != client.client_id:
                raise InvalidClient
            token = await exchange.exchange(
                client, subject_token=_subject_token(form), resource=_resource(form), scope=form.get("scope")
            )
        except KeysUnavailable as lack:
            _log.warning("client_keys_unavailable", detail=lack.detail)
            detail = "The client's keys cannot be fetched just now, so nobody can tell whether it is the client."
            return _error(Problem(503, lack.reason, detail, headers={"Retry-After": str(lack.retry_after)}))
        except Problem as problem:
            return _error(problem)
        answer = ExchangedToken(access_token=token.access_token, expires_in=token.expires_in, scope=token.scope)
        return JSONResponse(answer.model_dump(), headers=_NOT_STORED)

    return router


def _error(problem: Problem) -> JSONResponse:
    """Answer in the one shape in which an OAuth client finds its `error`, and everyone else the problem."""
    # RFC 6749 has no code for 503 at this endpoint; section 4.1.2.1 has one for it at another.
    error = problem.error if isinstance(problem, TokenRefusal) else "temporarily_unavailable"
    return JSONResponse(_error_members(problem, error), problem.status, _NOT_STORED | problem.headers)


def _error_members(problem: Problem, error: str) -> dict[str, object]:
    return {"error": error, "error_description": problem.detail, **problem_members(problem)}


async def _form_of(request: Request) -> dict[str, str]:
    """Read the parameters, each once; one without a value counts as left out. [RFC 6749 section 3.2]"""
    if request.url.query:
        raise TokenRefusal("invalid_request", "Parameters belong in the body: addresses are logged.")
    if "authorization" in request.headers:
        raise TokenRefusal("invalid_request", "A client proves itself by its client assertion, and in no other way.")
    try:
        pairs = urllib.parse.parse_qsl(
            (await request.body()).decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise TokenRefusal("invalid_request", "The body is not a form that can be read.") from None
    names = [name for name, _ in pairs]
    if names.count("resource") > 1:
        raise _not_one_resource()
    if len(set(names)) != len(names):
        raise TokenRefusal("invalid_request", "A parameter stands in the form twice.")
    return {name: value for name, value in pairs if value}


def _wanted(form: dict[str, str], name: str) -> str:
    if name not in form:
        raise TokenRefusal("invalid_request", f"The parameter {name} is missing.")
    return form[name]


def _subject_token(form: dict[str, str]) -> str:
    types = {_wanted(form, "subject_token_type"), form.get("requested_token_type", ACCESS_TOKEN_TYPE)}
    if types != {ACCESS_TOKEN_TYPE}:
        raise TokenRefusal("invalid_request", "Access tokens are exchanged for access tokens, and nothing else is.")
    if "actor_token" in form:
        raise TokenRefusal("invalid_request", "The actor is the client itself, and needs no token besides its proof.")
    return _wanted(form, "subject_token")


def _resource(form: dict[str, str]) -> str:
    # RFC 8693 knows logical names too: to overlook one that was given would issue a token for something else.
    if "resource" not in form or "audience" in form:
        raise _not_one_resource()
    return form["resource"]


def _not_one_resource() -> TokenRefusal:
    return TokenRefusal("invalid_target", "A token is for exactly one resource, and `resource` names it.")
