"""Passwords: another one for oneself."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from auth_service.account_changes import AccountChanges
from auth_service.endpoints.documented_problems import refusals_of_credentials
from auth_service.endpoints.fields import Password, client_address
from auth_service.endpoints.open_logins import EndedLogins
from token_verification.fastapi import Caller, requires_scope


class PasswordChange(BaseModel):
    """The password as it is, and as it shall be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"current_password": "correct horse battery", "new_password": "staple of my choice"}]
        },
    )

    current_password: Password
    new_password: Password


def passwords_router(changes: AccountChanges, *, trust_forwarded: bool) -> APIRouter:
    """Return the route `PUT /password`."""
    router = APIRouter(tags=["accounts"])

    @router.put(
        "/password",
        dependencies=[requires_scope("logins:manage")],
        responses=refusals_of_credentials({403: ("wrong_password", "The current password is wrong.")}),
    )
    async def change_password(wanted: PasswordChange, request: Request, caller: Caller) -> EndedLogins:
        """Change one's password. All other logins end; this one goes on."""
        ended = await changes.change_password(
            sub=caller.subject,
            sid=caller.login_id,
            current=wanted.current_password.get_secret_value(),
            new=wanted.new_password.get_secret_value(),
            address=client_address(request, trust_forwarded=trust_forwarded),
        )
        return EndedLogins.of(ended)

    return router
