"""Accounts: registering."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from auth_service.accounts import Accounts
from auth_service.endpoints.documented_problems import refusals_of_credentials
from auth_service.endpoints.fields import Email, Name, Password, client_address


class Registration(BaseModel):
    """Who wants an account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"email": "ada@example.com", "password": "correct horse battery", "name": "Ada Lovelace"}]
        },
    )

    email: Email
    password: Password
    name: Name


class RegisteredAccount(BaseModel):
    """The account as made: `sub` is what tokens will call its owner, `email` its normalised spelling."""

    sub: str
    email: str
    name: str


def accounts_router(accounts: Accounts, *, trust_forwarded: bool) -> APIRouter:
    """Return the route `POST /register`."""
    router = APIRouter(tags=["accounts"])

    @router.post(
        "/register",
        status_code=201,
        responses=refusals_of_credentials(
            {409: ("email_taken", "There already is an account with this e-mail.")},
        ),
    )
    async def register(registration: Registration, request: Request) -> RegisteredAccount:
        """Make an account. Its password has 8 to 128 characters and is not among the common ones."""
        account = await accounts.register(
            email=registration.email,
            name=registration.name,
            password=registration.password.get_secret_value(),
            address=client_address(request, trust_forwarded=trust_forwarded),
        )
        return RegisteredAccount(sub=account.sub, email=account.email, name=account.name)

    return router
