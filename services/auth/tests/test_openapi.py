"""The OpenAPI document is true: generated requests, good and bad, meet nothing that it does not say."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance, unsupported_method

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema


@pytest.fixture(scope="session")
def served_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """Serve auth as a process, with limits too wide to be met, and read its OpenAPI document."""
    folder = tmp_path_factory.mktemp("served")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": "http://localhost:8080",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(folder / "kek"),
        "SIGNET_SIGNING_KEY_BITS": "2048",
        "SIGNET_ATTEMPTS_PER_ACCOUNT": "1000000",
        "SIGNET_ATTEMPTS_PER_ADDRESS": "1000000",
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/auth.db",
    }
    with subprocess.Popen([sys.executable, "-m", "auth_service"], env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/readyz")
            yield schemathesis.openapi.from_url(f"{url}/openapi.json")
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("POST", "/login", GenerationMode.POSITIVE),
        ("POST", "/login", GenerationMode.NEGATIVE),
        ("POST", "/register", GenerationMode.POSITIVE),
        ("POST", "/register", GenerationMode.NEGATIVE),
        ("POST", "/refresh", GenerationMode.POSITIVE),
        ("POST", "/refresh", GenerationMode.NEGATIVE),
        ("POST", "/logout", GenerationMode.POSITIVE),
        ("POST", "/logout", GenerationMode.NEGATIVE),
        ("POST", "/oauth/revoke", GenerationMode.POSITIVE),
        ("POST", "/oauth/revoke", GenerationMode.NEGATIVE),
        ("POST", "/oauth/token", GenerationMode.POSITIVE),
        ("POST", "/oauth/token", GenerationMode.NEGATIVE),
        ("GET", "/.well-known/jwks.json", GenerationMode.POSITIVE),
        ("GET", "/.well-known/oauth-authorization-server", GenerationMode.POSITIVE),
        ("GET", "/revocations", GenerationMode.POSITIVE),
        ("GET", "/revocations", GenerationMode.NEGATIVE),
    ],
)
def test_generated_requests_meet_what_is_documented(
    served_schema: BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    """No 5xx, and no status, media type, header or body that the document does not name.

    Left out: that what the document's schema allows is accepted (an e-mail and a good password are more than a
    schema can say), and what concerns paths and methods that a token is asked for before they are looked at.
    """
    operation = served_schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance, unsupported_method, ignored_auth])

    holds()


def test_every_endpoint_documents_its_refusals(served_schema: BaseSchema) -> None:
    """What takes credentials says each way in which it refuses, with an example that has its reason."""
    paths = served_schema.raw_schema["paths"]
    assert sorted(paths) == [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/admin/accounts/{sub}/disabled",
        "/admin/keys",
        "/admin/keys/rotate",
        "/admin/keys/{kid}/compromise",
        "/login",
        "/logins",
        "/logins/{sid}",
        "/logout",
        "/logout/everywhere",
        "/oauth/revoke",
        "/oauth/token",
        "/password",
        "/refresh",
        "/register",
        "/revocations",
    ]
    for path, success, own in (("/login", "200", "401"), ("/register", "201", "409")):
        responses = paths[path]["post"]["responses"]
        assert sorted(responses) == sorted([success, own, "400", "413", "415", "422", "429", "503"])
        for status, response in responses.items():
            if status != success:
                (media_type, content), = response["content"].items()  # fmt: skip
                assert media_type == "application/problem+json"
                assert content["example"]["status"] == int(status)
                assert content["example"]["reason"]


def test_the_token_endpoint_documents_its_form_and_its_refusals(served_schema: BaseSchema) -> None:
    """It takes a form and nothing else, and says each refusal in the shape that it has there."""
    operation = served_schema.raw_schema["paths"]["/oauth/token"]["post"]
    ((media_type, form),) = operation["requestBody"]["content"].items()
    assert media_type == "application/x-www-form-urlencoded"
    assert [sorted(grant["required"]) for grant in form["schema"]["oneOf"]] == [
        [
            "client_assertion",
            "client_assertion_type",
            "grant_type",
            "resource",
            "subject_token",
            "subject_token_type",
        ],
        ["client_id", "grant_type", "refresh_token"],
    ]
    responses = operation["responses"]
    assert sorted(responses) == ["200", "400", "401", "413", "415", "429", "503"]
    for status, error in (("400", "invalid_request"), ("401", "invalid_client"), ("503", "temporarily_unavailable")):
        example = responses[status]["content"]["application/json"]["example"]
        assert (example["status"], example["error"]) == (int(status), error)
    for status in ("413", "415"):
        assert list(responses[status]["content"]) == ["application/problem+json"]


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{url} did not become ready")
