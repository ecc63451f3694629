"""How an endpoint's problems stand in the OpenAPI document: each status with its media type and an example."""

from http import HTTPStatus
from typing import Any

from service_chassis.problems import PROBLEM_MEDIA_TYPE

_SCHEMA = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "A stable word for programs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "The challenge.", "schema": {"type": "string"}}}
_HEADERS = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}

# What any endpoint that takes a body may say, whatever it is about.
_OF_BODIES = {
    400: ("malformed_body", "The body is not JSON that can be read."),
    413: ("body_too_large", "The body is larger than 65536 bytes."),
    415: ("unsupported_media_type", "The body must be one of application/json, in UTF-8."),
    422: ("invalid_body", "The body is JSON, but not what this endpoint takes."),
    429: ("too_many_attempts", "Too many attempts. Try again after the time that `Retry-After` names."),
    503: ("overloaded", "Too many people are logging in at this moment."),
}


def problems_with_credentials(problems: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that takes credentials: by status, an example's reason and detail."""
    return {status: _documented(status, *example) for status, example in sorted((_OF_BODIES | problems).items())}


def _documented(status: int, reason: str, detail: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    if status == 422:
        example["errors"] = [{"field": "password", "message": "must have 8 to 128 characters"}]
    answer = {"description": detail, "content": {PROBLEM_MEDIA_TYPE: {"schema": _SCHEMA, "example": example}}}
    return answer | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
