"""What the twin has of its own: register, log in, log out, and one's sessions. Profile and orders bring the rest."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from auth_service.endpoints.accounts import RegisteredAccount, Registration
from auth_service.endpoints.fields import Email, Password, client_device
from session_twin.accounts import Accounts
from session_twin.session_cookie import removing, session_ids, setting
from session_twin.sessions import Sessions, key_of
from token_verification.fastapi import Caller

Key = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


class Credentials(BaseModel):
    """What a person logs in with."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password


class OwnSession(BaseModel):
    """One of the caller's sessions. Times are seconds since the epoch."""

    key: str
    device: str
    began: float
    used: float
    current: bool


class OwnSessions(BaseModel):
    """Those of the caller's sessions that go on, newest first."""

    sessions: list[OwnSession]


def session_router(accounts: Accounts, sessions: Sessions, *, absolute_life: float) -> APIRouter:
    """Return the routes. A cookie lives as long as a session can; whether it still counts is for the store to say."""
    router = APIRouter()

    @router.post("/register", status_code=201)
    async def register(registration: Registration) -> RegisteredAccount:
        """Make an account, by auth's rules."""
        account = await accounts.register(
            email=registration.email,
            name=registration.name,
            password=registration.password.get_secret_value(),
        )
        return RegisteredAccount(sub=account.sub, email=account.email, name=account.name)

    @router.post("/login", status_code=204)
    async def log_in(credentials: Credentials, request: Request) -> Response:
        """Begin a session under a new id, and end the one that the client came with, if any."""
        account = await accounts.with_credentials(
            email=credentials.email, password=credentials.password.get_secret_value()
        )
        id_ = await sessions.begin(subject=account.sub, name=account.name, device=client_device(request))
        for old in session_ids(request.headers.raw):
            await sessions.end(key_of(old))
        return _without_content(setting(id_, max_age=absolute_life))

    @router.post("/logout", status_code=204)
    async def log_out(caller: Caller) -> Response:
        """End the session: its id is nobody's from now on."""
        await sessions.end(caller.login_id)
        return _without_content(removing())

    @router.get("/sessions")
    async def list_sessions(caller: Caller, response: Response) -> OwnSessions:
        """Return the caller's sessions."""
        response.headers["Cache-Control"] = "no-store"
        return OwnSessions(
            sessions=[
                OwnSession(
                    key=key,
                    device=session.device,
                    began=session.began,
                    used=session.used,
                    current=key == caller.login_id,
                )
                for key, session in (await sessions.of(caller.subject)).items()
            ]
        )

    @router.delete("/sessions/{key}", status_code=204)
    async def end_session(key: Key, caller: Caller) -> Response:
        """End one of the caller's sessions, on whichever device."""
        await sessions.end_one_of(caller.subject, key)
        return _without_content(removing() if key == caller.login_id else None)

    return router


def _without_content(set_cookie: str | None) -> Response:
    headers = {"Cache-Control": "no-store"} | ({"Set-Cookie": set_cookie} if set_cookie else {})
    return Response(status_code=204, headers=headers)
