"""The table of forgeries against an application of our own."""

from collections import Counter

import httpx
import pytest
from fastapi import FastAPI

from token_verification import AccessTokenVerifier
from token_verification.fastapi import Caller, protect
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.testing import FakeIssuer

AUDIENCE = "urn:test:api"


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE)


@pytest.fixture(scope="module")
def client(issuer: FakeIssuer) -> httpx.AsyncClient:
    app = FastAPI()

    @app.get("/who")
    async def who(caller: Caller) -> str:
        return caller.subject

    protect(
        app,
        AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set),
        public=(),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
async def test_is_refused_with_its_reason(forgery: Forgery, issuer: FakeIssuer, client: httpx.AsyncClient) -> None:
    """Every forgery is refused by the check it was made for, with a challenge, and nothing it says is echoed raw."""
    attempt = forgery.make(issuer, AUDIENCE)
    answer = await client.get(f"/who?{attempt.query}", headers=attempt.headers)

    problem = answer.json()
    assert (answer.status_code, problem["reason"]) == (forgery.status, forgery.reason), problem
    assert answer.headers["content-type"] == "application/problem+json"
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer")
    assert challenge.isascii()
    assert challenge.isprintable()
    assert challenge.count('"') in (0, 4)
    for _, value in attempt.headers:
        credentials = value.decode("latin-1").partition(" ")[2]
        assert len(credentials) < 20 or credentials not in answer.text + challenge


async def test_the_same_requests_with_a_good_token_pass(issuer: FakeIssuer, client: httpx.AsyncClient) -> None:
    """What the table deviates from is let in: a good token, in a header, with the scheme in any case."""
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
        answer = await client.get("/who?a=b", headers={"authorization": f"{scheme} {issuer.token()}"})
        assert (answer.status_code, answer.json()) == (200, "subject-1")


def test_names_are_stable_ids() -> None:
    """Each forgery has a name of its own, fit for a test id, and there are many."""
    assert len(FORGERIES) >= 80
    assert [name for name, times in Counter(map(str, FORGERIES)).items() if times > 1] == []
    assert all(forgery.name.isascii() and " " not in forgery.name for forgery in FORGERIES)
