"""What narrowing is for: a token for orders alone leads nowhere else, and orders alone can make one more of it."""

import json
import shlex
import subprocess
import sys

import pytest
from tests.composed_system import ComposedSystem
from tests.running_system import EmbeddedSystem, Person, System, problem

from signet.environment import environment_of

AS_ORDERS = """
import asyncio, json, sys
import httpx
from orders_service.app import own_client_key
from orders_service.settings import Settings
from service_chassis.database import Database
from token_verification.client_assertion import ClientAssertions
from token_verification.token_exchange import ExchangeRefused, TokenExchange

async def main(questions):
    settings = Settings()
    database = Database.of(settings)
    own = own_client_key(settings, database)
    await own.open()
    await database.close()
    assertions = ClientAssertions(settings.client_id, own.key, issuer=settings.issuer)
    answers = []
    async with httpx.AsyncClient(trust_env=False) as http:
        exchange = TokenExchange(settings.token_endpoint, assertions=assertions, http=http, deadline=10)
        for question in questions:
            try:
                answers.append([await exchange.exchange(*question)])
            except ExchangeRefused as refusal:
                answers.append([refusal.error, refusal.reason])
    print(json.dumps([own.key.key_id, answers]))

asyncio.run(main(json.loads(sys.argv[1])))
"""
"""Asks as orders does, with orders' own key, from where orders is."""

FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "resource": "urn:signet:profile",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}


def question(token: str, resource: str = "urn:signet:profile", scope: str = "profile:read") -> list[str]:
    """Return what one exchange is asked for: by default, what orders asks for."""
    return [token, resource, scope]


def as_orders(system: System, *questions: list[str]) -> tuple[str, list[list[str]]]:
    """Return the id of orders' client key, and for each question the token that it got, or the error and its reason."""
    arguments = ["python", "-c", AS_ORDERS, json.dumps(questions)]
    if isinstance(system, ComposedSystem):
        ran = system.inside("orders", shlex.join(arguments))
    else:
        assert isinstance(system, EmbeddedSystem)
        environment = environment_of("orders", system.stack.addresses, system.stack.data)
        ran = subprocess.run(
            [sys.executable, *arguments[1:]], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    assert ran.returncode == 0, ran.stderr
    key_id, answers = json.loads(ran.stdout)
    system.secrets |= {
        part for answer in answers if len(answer) == 1 for part in (answer[0], *answer[0].split(".")[1:])
    }
    return key_id, answers


def exchanged(system: System, token: str) -> str:
    """Return the token that orders gets for this one."""
    _, [[got]] = as_orders(system, question(token))
    return got


@pytest.fixture
def narrow(ada: Person) -> str:
    """Give a token that Ada got for orders alone."""
    return ada.fresh_token(resource="urn:signet:orders")


def test_forwarding_fails_and_exchanging_works(system: System, ada: Person, narrow: str) -> None:
    """Profile refuses the token that orders was given; what orders gets for it, profile takes as Ada's."""
    assert problem(system.get("/api/profile", token=narrow)) == (401, "wrong_audience")
    answer = system.get("/api/profile", token=exchanged(system, narrow))
    assert (answer.status_code, answer.json()["sub"]) == (200, ada.sub)


@pytest.mark.stack("embedded")
def test_the_exchanged_token_is_narrow_too(system: System, narrow: str) -> None:
    """It may read one profile, write none, and opens nothing at orders."""
    got = exchanged(system, narrow)
    assert problem(system.get("/api/orders", token=got)) == (401, "wrong_audience")
    merge_patch = {"Content-Type": "application/merge-patch+json", "If-Match": "*"}
    changed = system.request("PATCH", "/api/profile", token=got, json={"name": "Eve"}, headers=merge_patch)
    assert problem(changed) == (403, "insufficient_scope")


@pytest.mark.stack("embedded")
def test_orders_gets_no_more_than_it_was_given(system: System, ada: Person, narrow: str) -> None:
    """Not what is for another service, not another target, and not a scope outside its own."""
    for_profile = ada.fresh_token(resource="urn:signet:profile")
    read_only = ada.fresh_token(resource="urn:signet:orders", scope="orders:read")
    _, answers = as_orders(
        system,
        question(for_profile),
        question(narrow, resource="urn:signet:auth"),
        question(narrow, scope="profile:write"),
        question(read_only),
        question(exchanged(system, narrow)),
    )
    assert answers == [
        ["invalid_request", "wrong_audience"],
        ["invalid_target", "invalid_target"],
        ["invalid_scope", "invalid_scope"],
        ["invalid_scope", "invalid_scope"],
        ["invalid_request", "wrong_audience"],
    ]


@pytest.mark.stack("embedded")
@pytest.mark.parametrize("proof", ["", "a.b.c", "the token itself"])
def test_nobody_else_can_exchange(system: System, narrow: str, proof: str) -> None:
    """The endpoint is at the door, and whoever holds a token but no client key gets nothing for it there."""
    assertion = narrow if proof == "the token itself" else proof
    answer = system.post("/oauth/token", data=FORM | {"subject_token": narrow, "client_assertion": assertion})
    assert (answer.status_code, answer.json()["error"], answer.json()["reason"]) == (
        401,
        "invalid_client",
        "invalid_client",
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_the_metadata_leads_to_the_endpoint(system: System) -> None:
    """Whoever reads the metadata finds the endpoint at the door, and what it wants."""
    metadata = system.get("/.well-known/oauth-authorization-server").json()
    assert metadata["token_endpoint"] == f"{system.url}/oauth/token"
    # None is the first party's, which refreshes without; an exchange takes a service's key.
    assert metadata["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "none"]
    answer = system.post(metadata["token_endpoint"].removeprefix(system.url), json=FORM)
    assert problem(answer) == (415, "unsupported_media_type")


def test_a_clients_key_signs_no_tokens(system: System, narrow: str) -> None:
    """What verifiers trust is at the door, and orders' client key is not in it."""
    key_id, _ = as_orders(system)
    published = system.get("/.well-known/jwks.json").json()["keys"]
    assert len(key_id) == 43
    assert key_id not in {key["kid"] for key in published}
