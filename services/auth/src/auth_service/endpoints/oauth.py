"""What the endpoints of OAuth share: a form in, its client proved, and errors in the one shape that clients know."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse

from auth_service.access_tokens import FIRST_PARTY_CLIENT
from auth_service.clients import Clients, Service
from auth_service.token_refusals import InvalidClient, TokenRefusal
from service_chassis.documentation import refusals
from service_chassis.problems import Problem, problem_members
from service_chassis.request_bodies import FORM
from token_verification import KeysUnavailable
from token_verification.token_exchange import CLIENT_ASSERTION_TYPE

_MOST_PARAMETERS = 50
# Cache-Control does what Pragma did; RFC 6749, section 5.1, asks for both.
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_log = structlog.get_logger()

_RETRY_AFTER = {"Retry-After": "In seconds."}

CLIENT_PARAMETERS: Mapping[str, dict[str, Any]] = {
    "client_id": {
        "type": "string",
        "description": f"{FIRST_PARTY_CLIENT}, the client of logins with a password; no other needs it.",
    },
    "client_assertion_type": {"const": CLIENT_ASSERTION_TYPE},
    "client_assertion": {"type": "string", "description": "RFC 7523: typ client-authentication+jwt, aud the issuer."},
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


def documented_form(*schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the `openapi_extra` of an endpoint whose form has one of these schemas."""
    (schema, *others) = schemas
    content = {FORM: {"schema": {"oneOf": list(schemas)} if others else schema}}
    return {"requestBody": {"required": True, "content": content}}


def documented_refusals(invalid_request: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that refuses as this one does; the text says what 400 stands for."""
    return (
        refusals(413, 415)
        | _documented(400, "invalid_request", invalid_request)
        | _documented(401, "invalid_client", "The client did not prove itself.", **{"WWW-Authenticate": "A challenge."})
        | _documented(503, "temporarily_unavailable", "Nobody can tell just now.", **_RETRY_AFTER)
    )


def documented_haste() -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint where a login can be refreshed too often."""
    return _documented(429, "temporarily_unavailable", "The login was refreshed too often.", **_RETRY_AFTER)


def _documented(status: int, error: str, description: str, **headers: str) -> dict[int | str, dict[str, Any]]:
    example = _error_members(TokenRefusal(error, description, status=status), error)
    answer = {
        "description": description,
        "content": {"application/json": {"schema": _ERROR_SCHEMA, "example": example}},
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()},
    }
    return {status: answer}


def error_answer(problem: Problem) -> JSONResponse:
    """Answer in the one shape in which an OAuth client finds its `error`, and everyone else the problem."""
    # RFC 6749 has no code for 503 and 429 at this endpoint; section 4.1.2.1 has one for the former at another.
    error = problem.error if isinstance(problem, TokenRefusal) else "temporarily_unavailable"
    return JSONResponse(_error_members(problem, error), problem.status, NOT_STORED | problem.headers)


def _error_members(problem: Problem, error: str) -> dict[str, object]:
    return {"error": error, "error_description": problem.detail, **problem_members(problem)}


async def form_of(request: Request) -> dict[str, str]:
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
        raise not_one_resource()
    if len(set(names)) != len(names):
        raise TokenRefusal("invalid_request", "A parameter stands in the form twice.")
    return {name: value for name, value in pairs if value}


def wanted(form: Mapping[str, str], name: str) -> str:
    """Return a parameter that cannot be left out."""
    if name not in form:
        raise TokenRefusal("invalid_request", f"The parameter {name} is missing.")
    return form[name]


def not_one_resource() -> TokenRefusal:
    """Return the refusal of what names no resource, or several."""
    return TokenRefusal("invalid_target", "A token is for exactly one resource, and `resource` names it.")


def is_first_party(form: Mapping[str, str]) -> bool:
    """Tell whether a form comes from the public client, which can prove nothing and says who it is. [RFC 6749 s. 3.2.1]

    Whoever shows an assertion is somebody else.
    """
    return form.get("client_id") == FIRST_PARTY_CLIENT and form.keys().isdisjoint(
        {"client_assertion", "client_assertion_type"}
    )


async def proved_service(clients: Clients, form: Mapping[str, str]) -> Service:
    """Return the service that a form's assertion proves. Raises InvalidClient; 503 while its keys cannot be had."""
    if form.get("client_assertion_type") != CLIENT_ASSERTION_TYPE or "client_assertion" not in form:
        raise InvalidClient
    try:
        client = await clients.prove(form["client_assertion"])
    except KeysUnavailable as lack:
        _log.warning("client_keys_unavailable", detail=lack.detail)
        detail = "The client's keys cannot be fetched just now, so nobody can tell whether it is the client."
        raise Problem(503, lack.reason, detail, headers={"Retry-After": str(lack.retry_after)}) from None
    if form.get("client_id", client.client_id) != client.client_id:
        raise InvalidClient
    return client
