"""What an administrator's endpoint asks for besides its scope: a token for auth alone, from a recent login."""

from collections.abc import Callable

from fastapi import Depends
from fastapi.params import Depends as Dependency

from auth_service.scopes import OWN_RESOURCE
from service_chassis.problems import Problem
from token_verification.fastapi import Caller


class AudienceTooWide(Problem):
    """The token is also for others, any of whom could use it here."""

    def __init__(self) -> None:
        super().__init__(
            403,
            "audience_too_wide",
            f"This takes only tokens that are for auth alone: log in with resource {OWN_RESOURCE}.",
        )


class LoginTooOld(Problem):
    """The password was given too long ago. `max_age` is in seconds. [RFC 9470 section 3]"""

    def __init__(self, *, max_age: float) -> None:
        detail = "The password was given too long ago for this: log in again."
        challenge = (
            f'Bearer error="insufficient_user_authentication", error_description="{detail}", max_age={int(max_age)}'
        )
        super().__init__(401, "insufficient_user_authentication", detail, headers={"WWW-Authenticate": challenge})


def requires_recent_login(*, max_age: float, clock: Callable[[], float]) -> Dependency:
    """Make a dependency that stands behind `requires_scope` in `dependencies=[…]` of an administrators' router.

    `max_age`: seconds since the password was given. A token that also other services get is refused whatever its age:
    a service that is broken into could use what its callers send it.
    """

    async def logged_in_just_now_and_for_auth(caller: Caller) -> None:
        if set(caller.audience) != {OWN_RESOURCE}:
            raise AudienceTooWide
        if clock() - caller.auth_time >= max_age:
            raise LoginTooOld(max_age=max_age)

    dependency: Dependency = Depends(logged_in_just_now_and_for_auth)
    return dependency
