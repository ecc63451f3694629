"""schemathesis makes up requests from the OpenAPI document."""

import tempfile
from pathlib import Path

import hypothesis
import schemathesis
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from profile_service.app import create_app
from profile_service.settings import Settings
from token_verification.testing import FakeIssuer

ISSUER = FakeIssuer(audience="urn:signet:profile")


def profile(folder: str) -> FastAPI:
    """Return the service, not started."""
    settings = Settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{folder}/profile.db",
        port=1,
        issuer=ISSUER.issuer,
        jwks_uri=ISSUER.jwks_uri,
        key_set_file=Path(folder) / "key_set.json",
        revocations_mode="plain",
    )
    return create_app(settings, network=ISSUER.transport)


class FreshService:
    """ASGI: a new service each time that schemathesis starts it, which it does for every operation."""

    _service: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "lifespan":
            await self._service(scope, receive, send)
            return
        with tempfile.TemporaryDirectory() as folder:
            self._service = profile(folder)
            await self._service(scope, receive, send)


document = schemathesis.openapi.from_dict(profile(".").openapi())
document.app = FreshService()
document.config.update(base_url="http://localhost")


@document.parametrize()
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
def test_made_up_requests_get_documented_answers(case: schemathesis.Case) -> None:  # type: ignore[type-arg]
    """No 5xx, and no status, media type or body that the document does not name."""
    token = ISSUER.token(scope="profile:read profile:write profiles:read")
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}", "If-Match": "*"},
        # A document says less than the rules do: what fits it may still be refused, with a status that it names. And a
        # query may say more than it does: unknown parameters are ignored.
        excluded_checks=[schemathesis.checks.positive_data_acceptance]
        + ([schemathesis.checks.negative_data_rejection] if case.query else []),
    )
