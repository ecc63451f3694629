"""What each claim of an access token has to look like."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

REQUIRED: Final = ("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time", "scope")
"""Claims without which a token is refused. Without `sid` or `jti` a revocation could not reach it."""

ID_LIMIT: Final = 255
"""Characters of an id: what OpenID Connect Core, section 2, allows a `sub`."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# RFC 6749, section 3.3. `\Z`, not `$`, which would let a final newline through.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*\Z")
_END_OF_TIME = 253_402_300_799  # the last second that a datetime can hold


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _CONTROL.search(value)


def is_id(value: object) -> TypeGuard[str]:
    """Tell whether it is an id: 1 to `ID_LIMIT` characters, none of them a control character."""
    return isinstance(value, str) and 0 < len(value) <= ID_LIMIT and not _CONTROL.search(value)


def is_time(value: object) -> TypeGuard[int]:
    """Tell whether it is a moment: whole seconds since the epoch."""
    # `type`, not `isinstance`: True is an int to Python. Floats are refused although RFC 7519 allows them: not a
    # number, infinity and rounding come with them, and no issuer needs them.
    return type(value) is int and 0 <= value <= _END_OF_TIME


def _is_audience(value: object) -> bool:
    return is_id(value) or (isinstance(value, list) and all(map(is_id, value)))


def _is_scope(value: object) -> bool:
    return isinstance(value, str) and _SCOPE.match(value) is not None


def _is_actor(value: object) -> bool:
    return isinstance(value, dict) and is_id(value.get("sub"))


_AN_ID = f"a string of 1 to {ID_LIMIT} characters"
_A_TIME = "a whole number of seconds since the epoch"

_FORMS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "iss": (is_id, _AN_ID),
    "sub": (is_id, _AN_ID),
    "aud": (_is_audience, "a string, or a list of strings"),
    "client_id": (is_id, _AN_ID),
    "iat": (is_time, _A_TIME),
    "exp": (is_time, _A_TIME),
    "nbf": (is_time, _A_TIME),
    "jti": (is_id, _AN_ID),
    "sid": (is_id, _AN_ID),
    "auth_time": (is_time, _A_TIME),
    "scope": (_is_scope, "one or more scopes with a space between them"),
    "name": (_is_text, "a string without control characters"),
    "act": (_is_actor, "an object with a string sub"),
}


def fault_in(claims: Mapping[str, Any]) -> str | None:
    """Return a sentence about the first claim that has not its form, or None.

    Other claims than the known ones are ignored (RFC 7519, section 4): the issuer is trusted, and if a verifier
    refused what it does not know, an issuer could never add a claim before every last service had been upgraded.
    """
    for name, (has_its_form, form) in _FORMS.items():
        if name in claims and not has_its_form(claims[name]):
            return f"The token's {name} is not {form}."
    return None


def current_actor(claims: Mapping[str, Any]) -> str | None:
    """Return who acts for the subject: the outermost `act`; inner ones are history (RFC 8693, section 4.1)."""
    actor = claims.get("act")
    return None if actor is None else actor["sub"]
