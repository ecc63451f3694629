"""Who gets an account, and under what name."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.postgresql_plugin import on_one_database

from auth_service.accounts import normalise_email, normalise_name
from auth_service.passwords import check_new_password

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth


def _as_ascii(label: str) -> str:
    return f"xn--{label.encode('punycode').decode()}"


REGISTRATION = {"email": "ada@example.com", "password": "correct horse battery", "name": "Ada Lovelace"}


async def test_registration_answers_with_the_account_and_never_with_the_password(auth: Auth) -> None:
    """Registering answers 201 with an opaque subject, the e-mail in its one spelling and the name, and no more."""
    answer = await auth.client.post("/register", json=REGISTRATION | {"email": "Ada@Example.COM", "name": "  Ada  "})
    assert answer.status_code == 201
    body = answer.json()
    assert body == {"sub": body["sub"], "email": "ada@example.com", "name": "Ada"}
    assert len(body["sub"]) == 32
    assert not body["sub"].isdecimal()


@pytest.mark.parametrize(
    "again", ["ada@example.com", "ADA@EXAMPLE.COM", "\uff41\uff44\uff41@example.com", "ada@Example.Com"]
)
async def test_one_mailbox_has_one_account(auth: Auth, again: str) -> None:
    """Another spelling of a taken e-mail, in case or in Unicode form, is taken too."""
    await auth.register("Ada@example.com")
    answer = await auth.client.post("/register", json=REGISTRATION | {"email": again})
    assert (answer.status_code, answer.json()["reason"]) == (409, "email_taken")


async def test_of_many_registrations_at_once_one_wins(auth: Auth) -> None:
    """Ten people who register one e-mail at the same time get one account between them."""
    answers = await asyncio.gather(*(auth.client.post("/register", json=REGISTRATION) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


async def test_a_taken_email_can_be_asked_for_as_rarely_as_a_password_can_be_tried(auth: Auth) -> None:
    """Registration has the limits of logins, and counters of its own: it locks nobody out of their account."""
    await auth.register()
    for _ in range(9):
        assert (await auth.client.post("/register", json=REGISTRATION)).status_code == 409
    refused = await auth.client.post("/register", json=REGISTRATION)
    assert (refused.status_code, refused.json()["reason"]) == (429, "too_many_attempts")
    for _ in range(9):
        assert (await auth.log_in(password="not the password")).status_code == 401
    assert (await auth.log_in()).status_code == 200


async def test_registering_gives_nobody_their_logins_back(auth: Auth) -> None:
    """Guesses at an e-mail without an account stay counted when one is made."""
    for _ in range(10):
        await auth.log_in(password="not the password")
    await auth.register()
    assert (await auth.log_in()).status_code == 429


@on_one_database
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "ada"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "ada@@example.com"}, "email"),
        ({"email": "a\u0000da@example.com"}, "email"),
        ({"email": f"{'a' * 300}@example.com"}, "email"),
        ({"email": 7}, "email"),
        ({"email": None}, "email"),
        ({"email": "ada@example.com\ud800"}, "email"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "Ada\u0000"}, "name"),
        ({"name": "Ada\nLovelace"}, "name"),
        ({"name": "Ada\u202e"}, "name"),
        ({"name": "\ud83d"}, "name"),
        ({"name": ["Ada"]}, "name"),
        ({"password": "short12"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "x" * 2000}, "password"),
        ({"password": "password"}, "password"),
        ({"password": "PassWord"}, "password"),
        ({"password": "trustno1"}, "password"),
        ({"password": "\uff54\uff52ustno1"}, "password"),
        ({"password": "ada@example.com"}, "password"),
        ({"password": "ADA LOVELACE"}, "password"),
        ({"password": "eight\u0007bells"}, "password"),
        ({"password": "\udfff" * 10}, "password"),
        ({"password": 12345678}, "password"),
        ({"administrator": True}, "administrator"),
        ({"sub": "root"}, "sub"),
    ],
)
async def test_a_registration_that_cannot_be_is_refused_by_name(
    auth: Auth, change: dict[str, object], field: str
) -> None:
    """What is wrong is named, with what it should be; what was sent is not repeated."""
    answer = await auth.client.post(
        "/register", content=json.dumps(REGISTRATION | change), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["reason"] == "invalid_body"
    assert [error["field"] for error in problem["errors"]] == [field]
    sent = next(iter(change.values()))
    assert not isinstance(sent, str) or len(sent) < 5 or sent not in answer.text or sent == "password"


async def test_every_wrong_field_is_named(auth: Auth) -> None:
    """Somebody who got everything wrong hears of all of it at once."""
    answer = await auth.client.post("/register", json={"email": "x", "name": "", "nickname": "x"})
    assert sorted(error["field"] for error in answer.json()["errors"]) == ["email", "name", "nickname", "password"]


@pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "tschüß, du da", "e\u0301" * 128, "🐴" * 8, "pass word"])
def test_a_password_has_8_to_128_characters(password: str) -> None:
    """Characters are counted after composition, and any can be had: no rule asks for digits or signs."""
    check_new_password(password, email="ada@example.com", name="Ada")


@pytest.mark.parametrize("name", ["Zoë", "李小龍", "نام‌خانوادگی", "👩‍🚀", "O'Brien; DROP TABLE accounts", "a" * 100])
def test_names_are_peoples_own(name: str) -> None:
    """A name may be in any script, with the joiners some cannot be written without."""
    assert normalise_name(name) == name


@settings(deadline=None)  # the machine may be busy
@given(st.emails())
def test_an_email_has_one_spelling(email: str) -> None:
    """The case of an e-mail makes no difference."""
    try:
        once = normalise_email(email)
    except ValueError:
        return
    assert normalise_email(email.swapcase()) == once


_INTERNATIONAL = st.text(st.characters(exclude_categories=["C", "Z", "P", "S"], max_codepoint=0xFFFF), min_size=1)


@settings(deadline=None)  # the machine may be busy
@given(local_part=_INTERNATIONAL, label=st.one_of(_INTERNATIONAL, _INTERNATIONAL.map(_as_ascii)))
@example(local_part="ada", label="xn--fa-hia")
@example(local_part="ada", label="ς")
def test_normalising_an_email_twice_is_normalising_it_once(local_part: str, label: str) -> None:
    """Otherwise an address, copied from where we show it, would be another one's."""
    try:
        once = normalise_email(f"{local_part}@{label}.example.com")
    except ValueError:
        return
    assert normalise_email(once) == once


@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        ("Straße@Faß.DE", "strasse@faß.de"),
        ("ada@xn--fa-hia.de", "ada@faß.de"),
        ("ada@XN--FA-HIA.de", "ada@faß.de"),
        ("ada@FASS.de", "ada@fass.de"),
        ("ada@βόλος.com", "ada@βόλος.com"),
        ("ada@ΒΌΛΟΣ.com", "ada@βόλοσ.com"),
        ("ada@ｅｘａｍｐｌｅ。com", "ada@example.com"),  # noqa: RUF001 -- full width is the point
    ],
)
def test_domains_are_the_ones_that_idna_2008_tells_apart(written: str, normalised: str) -> None:
    """A sharp s and a final sigma make another domain, which can be another person's; case and width make none."""
    assert normalise_email(written) == normalised


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_any_text_is_an_email_or_refused(text: str) -> None:
    """No text makes the check of an e-mail or a name fail in another way than by refusing it."""
    for normalise in (normalise_email, normalise_name):
        try:
            assert normalise(normalise(text)) == normalise(text)
        except ValueError as refusal:
            assert str(refusal).startswith(("is ", "must "))  # noqa: PT017 -- refusing is one of two right outcomes
