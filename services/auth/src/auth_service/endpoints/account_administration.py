"""Accounts, as administrators see them: disabled, or not."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.params import Depends

from auth_service.account_changes import AccountChanges
from auth_service.endpoints.documented_problems import refusals_of
from auth_service.endpoints.fields import PRINTABLE
from auth_service.endpoints.open_logins import EndedLogins
from token_verification.fastapi import Caller, requires_scope

_Sub = Annotated[str, Path(pattern=PRINTABLE)]


def account_administration_router(changes: AccountChanges, *, recent_login: Depends) -> APIRouter:
    """Return the routes of `/admin/accounts`."""
    router = APIRouter(
        prefix="/admin/accounts",
        tags=["administration"],
        dependencies=[requires_scope("accounts:manage"), recent_login],
    )
    unknown = {404: ("not_found", "There is no account of that subject.")}

    @router.put(
        "/{sub}/disabled",
        responses=refusals_of(unknown | {409: ("own_account", "Nobody can disable their own account.")}),
    )
    async def disable(sub: _Sub, caller: Caller) -> EndedLogins:
        """Disable an account: its logins end, and it can begin none."""
        return EndedLogins.of(await changes.disable(sub, by=caller.subject))

    @router.delete("/{sub}/disabled", status_code=204, responses=refusals_of(unknown))
    async def enable(sub: _Sub, caller: Caller) -> None:
        """Let an account log in again. Logins that were ended stay ended."""
        await changes.enable(sub, by=caller.subject)

    return router
