"""The first administrator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from auth_service.accounts import EmailTaken
from auth_service.first_administrator import AdministratorExists, create_first_administrator
from service_chassis.problems import Problem

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    ("email", "name", "password", "sentence"),
    [
        ("root@example.com", "Root", "password", "The password is one of the most common passwords."),
        ("root@example.com", "Root", "short", "The password must have 8 to 128 characters."),
        ("root@example.com", "Root", "", "The password must have 8 to 128 characters."),
        ("root@example.com", "Root", "ROOT@example.com", "The password must not be the e-mail or the name."),
        ("root", "Root", PASSWORD, "The e-mail is not an e-mail address."),
        ("root@example.com", "\x07", PASSWORD, "The name must be text that can be shown, without control characters."),
    ],
)
async def test_an_administrator_keeps_the_rules_of_everyone(
    auth: Auth, email: str, name: str, password: str, sentence: str
) -> None:
    """What no account may have, an administrator may not have either, and the refusal is one sentence."""
    with pytest.raises((Problem, ValueError)) as refused:
        await create_first_administrator(auth.settings, email=email, name=name, password=password)
    assert getattr(refused.value, "detail", str(refused.value)) == sentence


async def test_an_email_that_is_taken_makes_no_administrator(auth: Auth) -> None:
    """Nobody is promoted by it: an e-mail that has an account is refused, and its password stays."""
    await auth.register()
    with pytest.raises(EmailTaken):
        await create_first_administrator(
            auth.settings, email="ada@example.com", name="Ada", password="another good one"
        )
    assert (await auth.log_in()).json()["scope"].endswith("logins:manage")


async def test_of_several_at_once_one_becomes_the_first(auth: Auth) -> None:
    """Four commands run at the same moment make one administrator."""
    made = await asyncio.gather(
        *(
            create_first_administrator(auth.settings, email=f"root{number}@example.com", name="Root", password=PASSWORD)
            for number in range(4)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, str) for outcome in made) == 1
    assert sum(isinstance(outcome, AdministratorExists) for outcome in made) == 3
