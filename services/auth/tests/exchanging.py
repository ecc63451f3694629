"""A second replica of the authorization server under test, with one service in its table that may exchange tokens."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import jwt
from fastapi import FastAPI
from services.auth.tests.key_replicas import Replica
from sqlalchemy import insert

from auth_service.accounts import insert_account
from auth_service.app import create_app
from auth_service.database import logins
from auth_service.signing_keys import SigningKey
from service_chassis.database import Database
from token_verification.testing import FakeIssuer, json_bytes

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth

ISSUER = "http://localhost:8080"
FORM = "application/x-www-form-urlencoded"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ORDERS = {
    "client_id": "orders",
    "audience": "urn:signet:orders",
    "jwks_uri": "http://orders.test/.well-known/jwks.json",
    "may_ask": {"urn:signet:profile": ["profile:read"]},
}


@dataclass
class Exchanging:
    """The replica, the service that asks it, and the server where people log in."""

    auth: "Auth"
    app: FastAPI
    client: httpx.AsyncClient
    service: FakeIssuer
    """No issuer here: it has keys, publishes them, and signs whatever it is told to."""
    key: SigningKey
    """The authorization server's own, to sign what it never would."""
    sid: str
    """An open login, of which such tokens are."""

    async def log_in(self, **wishes: Any) -> str:  # noqa: ANN401 -- as a login takes it
        """Return somebody's access token."""
        answer = await self.auth.log_in(**wishes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def assertion(self, *, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """Sign a new assertion: a good one, unless the arguments make it a bad one. None leaves a claim out."""
        now = int(self.auth.clock())
        good = {
            "iss": "orders",
            "sub": "orders",
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        said = {name: value for name, value in (good | claims).items() if value is not None}
        head = {"alg": "RS256", "typ": "client-authentication+jwt", "kid": self.service.key_id} | dict(header or {})
        return self.service.sign(json_bytes(head), json_bytes(said))

    def form(self, subject_token: str, /, **changes: object) -> dict[str, Any]:
        """Return a good form, but for the changes; None leaves a parameter out."""
        good = {
            "grant_type": GRANT,
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": "urn:signet:profile",
            "client_assertion_type": CLIENT_ASSERTION,
        }
        if "client_assertion" not in changes:
            good["client_assertion"] = self.assertion()
        return {name: value for name, value in (good | changes).items() if value is not None}

    async def send(self, form: Mapping[str, Any], **more: Any) -> httpx.Response:  # noqa: ANN401 -- as httpx takes it
        """Post a form; a list is a repeated parameter."""
        return await self.client.post(
            "/oauth/token", content=urlencode(form, doseq=True), headers={"Content-Type": FORM}, **more
        )

    async def exchange(self, subject_token: str, /, **changes: object) -> httpx.Response:
        """Ask for an exchange."""
        return await self.send(self.form(subject_token, **changes))

    def signed(self, *, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """Sign an access token with the authorization server's own key; None leaves a claim out."""
        now = int(self.auth.clock())
        good = {
            "iss": ISSUER,
            "sub": "somebody",
            "aud": ["urn:signet:orders"],
            "client_id": "signet",
            "iat": now,
            "exp": now + 300,
            "jti": "one",
            "sid": self.sid,
            "auth_time": now,
            "scope": "profile:read orders:read",
        }
        said = {name: value for name, value in (good | claims).items() if value is not None}
        head = {"typ": "at+jwt", "kid": self.key.kid} | dict(header or {})
        return jwt.encode(said, self.key.private_key, algorithm="RS256", headers=head)


def read(token: str) -> dict[str, Any]:
    """Return what a token says, its signature unread."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def _begin_a_login(database: Database, sid: str) -> None:
    """Make the one of which `signed` tokens are."""
    async with database.writing() as connection:
        account = await insert_account(
            connection, email=f"{sid}@example.com", name="Some", password_hash="", administrator=False, created_at=0
        )
        row = {"sid": sid, "sub": account.sub, "device": "", "address": "", "audience": "", "scope": ""}
        times = {"created_at": 0, "last_used_at": 0, "ends_at": 4e9}
        await connection.execute(insert(logins).values(row | times))


@contextlib.asynccontextmanager
async def exchanging(auth: "Auth", service: FakeIssuer | None = None, **changes: object) -> AsyncIterator[Exchanging]:
    """Run the replica on the database of `auth`; `changes` are settings."""
    service = service or FakeIssuer("orders")
    # As from the environment, so that the table of services is checked as it will be.
    values = {"client_key_set_cooldown": 0.05, "client_key_set_retry_first": 0.05, "services": [ORDERS], **changes}
    settings = auth.settings.model_validate(auth.settings.model_dump() | values)
    app = create_app(settings, clock=auth.clock, hasher=auth.hasher, network=service.transport)
    database = Database.of(settings)
    keys = Replica(database, settings.key_encryption_key_file, auth.clock).keys
    await keys.open()
    signer = await keys.signer()
    await _begin_a_login(database, sid := secrets.token_hex(8))
    await database.close()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth.test") as client,
    ):
        yield Exchanging(auth, app, client, service, signer, sid)
