"""What the protection of an application adds to its OpenAPI document."""

from collections.abc import Collection
from typing import Any, Final

SCHEME_NAME: Final = "access_token"

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

_PROBLEM = {
    "title": "VerificationProblem",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for a human."},
        "reason": {"type": "string", "description": "Stable, for programs."},
        "scope": {"type": "string", "description": "With 403: the scope that is needed."},
    },
}
_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750, section 3.", "schema": {"type": "string"}}}
_RETRY_AFTER = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer", "minimum": 1}}}


def document_protection(document: dict[str, Any], public: Collection[str]) -> None:
    """Add the security scheme, and to each operation that is not public what it demands and how it refuses.

    Written from the same list that the protection goes by, so that the document cannot say anything else. Doing it
    twice changes nothing.
    """
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {})[SCHEME_NAME] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    components.setdefault("schemas", {})["VerificationProblem"] = _PROBLEM
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            if method in _METHODS and f"{method.upper()} {path}" not in public:
                _document_operation(operation)


def _document_operation(operation: dict[str, Any]) -> None:
    demands = operation.setdefault("security", [{SCHEME_NAME: []}])
    refusals = {
        "400": _refusal("The request is malformed, or says in two ways who is calling.", {}),
        "401": _refusal("There is no access token, or it is refused.", _CHALLENGE),
        "503": _refusal("Nobody can tell now whether the token is good.", _RETRY_AFTER),
    }
    if any(demand.get(SCHEME_NAME) for demand in demands):
        refusals["403"] = _refusal("The token has not the scope that this needs.", _CHALLENGE)
    for status, refusal in refusals.items():
        operation.setdefault("responses", {}).setdefault(status, refusal)


def _refusal(description: str, headers: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/VerificationProblem"}
    answer = {"description": description, "content": {"application/problem+json": {"schema": schema}}}
    return answer | ({"headers": headers} if headers else {})
