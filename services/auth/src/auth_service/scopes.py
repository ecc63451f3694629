"""The one table of scopes: which there are, who gets them, and which resource servers a token can be for."""

from collections.abc import Iterable, Sequence

from service_chassis.problems import Problem

OWN_RESOURCE = "urn:signet:auth"
"""Auth itself, which is a resource server too."""

RESOURCES = (OWN_RESOURCE, "urn:signet:profile", "urn:signet:orders")
"""The resource identifiers of Signet's own services; an operator can add more. [RFC 8707 section 2]"""

_FOR_EVERYONE = ("profile:read", "profile:write", "orders:read", "orders:write", "logins:manage")
_FOR_ADMINISTRATORS = ("profiles:read", "orders:ship", "accounts:manage", "keys:manage")

SCOPES = (*_FOR_EVERYONE, *_FOR_ADMINISTRATORS)
"""Every scope there is, in the order in which tokens list them."""


class InvalidScope(Problem):
    """A scope was asked for that does not exist or that this account cannot have. [RFC 6749 section 5.2]"""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "invalid_scope", detail)


class InvalidTarget(Problem):
    """A resource was asked for that no token of this issuer can be for. [RFC 8707 section 2]"""

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(
            400, "invalid_target", f"A resource asked for is not known here. Known are {', '.join(known)}."
        )


def check_scopes_exist(asked: Iterable[str]) -> None:
    """Raise InvalidScope when a scope is asked for that nobody can have."""
    if not set(asked) <= set(SCOPES):
        raise InvalidScope(f"A scope asked for is not known here. Known are {', '.join(SCOPES)}.")


def allowed_scopes(*, administrator: bool) -> tuple[str, ...]:
    """Return every scope that an account may have."""
    return SCOPES if administrator else _FOR_EVERYONE


def grant_scopes(asked: Iterable[str] | None, *, administrator: bool) -> tuple[str, ...]:
    """Return the scopes a token gets: those asked for, or all that the account may have.

    Raises InvalidScope when the account may not have one that was asked for.
    """
    allowed = allowed_scopes(administrator=administrator)
    if asked is None:
        return allowed
    if not set(asked) <= set(allowed):
        raise InvalidScope(f"This account cannot have a scope asked for. It can have {', '.join(allowed)}.")
    wanted = set(asked)
    return tuple(scope for scope in allowed if scope in wanted)


def choose_audience(asked: Iterable[str] | None, *, known: Sequence[str] = RESOURCES) -> tuple[str, ...]:
    """Return the resources a token will be for: those asked for, or all that are known. Raises InvalidTarget."""
    wanted = set(known if asked is None else asked)
    if not wanted <= set(known):
        raise InvalidTarget(known)
    return tuple(resource for resource in known if resource in wanted)
