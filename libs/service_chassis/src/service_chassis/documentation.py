"""What an OpenAPI document says about refusals: each is a problem document."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from service_chassis.problems import PROBLEM_MEDIA_TYPE

_PROBLEM = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for a person."},
        "reason": {"type": "string", "description": "Stable, for programs."},
        "errors": {
            "description": "With 422: every field that is not as it should be.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for the statuses it refuses with."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def document_problems(app: FastAPI) -> None:
    """Let the application's OpenAPI document say what a problem is, which `refusals` refers to."""
    undocumented = app.openapi

    def openapi() -> dict[str, Any]:
        document = undocumented()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending it
