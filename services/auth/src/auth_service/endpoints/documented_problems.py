"""How the refusals of an endpoint that takes credentials stand in the OpenAPI document."""

from http import HTTPStatus
from typing import Any

from service_chassis.documentation import refusals
from service_chassis.problems import PROBLEM_MEDIA_TYPE

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "The challenge.", "schema": {"type": "string"}}}
_HEADERS = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}

# What any endpoint that takes a body may say, and what those may besides that take a password.
_EXAMPLES_OF_BODIES = {
    400: ("malformed_body", "The body is not JSON that can be read."),
    413: ("body_too_large", "The body is larger than 65536 bytes."),
    415: ("unsupported_media_type", "The body must be one of application/json, in UTF-8."),
    422: ("invalid_body", "The body is JSON, but not what this endpoint takes."),
}
_EXAMPLES_OF_CREDENTIALS = {
    429: ("too_many_attempts", "Too many attempts. Try again after the time that `Retry-After` names."),
    503: ("overloaded", "Too many people are logging in at this moment."),
}


def refusals_of_credentials(own: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint: `own` has, by status, the reason and the detail of an example."""
    return refusals_of_bodies(_EXAMPLES_OF_CREDENTIALS | own)


def refusals_of_bodies(own: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    """Return the same for an endpoint that takes a body without a password in it."""
    return _documented(_EXAMPLES_OF_BODIES | own)


def refusals_of(own: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    """Return the same for an endpoint that takes no body."""
    return _documented(own)


def _documented(examples: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    documented = refusals(*sorted(examples))
    for status, (reason, detail) in examples.items():
        example: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "reason": reason,
        }
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            example["errors"] = [{"field": "password", "message": "must have 8 to 128 characters"}]
        answer = documented[status]
        content = answer["content"][PROBLEM_MEDIA_TYPE] | {"example": example}
        documented[status] = answer | {"description": detail, "content": {PROBLEM_MEDIA_TYPE: content}}
        if status in _HEADERS:
            documented[status]["headers"] = _HEADERS[status]
    return documented
