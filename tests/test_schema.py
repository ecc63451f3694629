"""schemathesis makes up requests from the merged OpenAPI document, and sends them through the door."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from tests.running_system import EmbeddedSystem, Person
from tests.test_the_door import PUBLIC

EXAMPLES = 20
NOTHING_TO_GET_WRONG = ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/api/catalogue")
CASES = [
    (mode, method, path)
    for path, methods in PUBLIC.items()
    for method in sorted(methods)
    for mode in schemathesis.GenerationMode
    if mode is schemathesis.GenerationMode.POSITIVE or path not in NOTHING_TO_GET_WRONG
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSystem]:
    """Run a system of its own, with room for more attempts than people make."""
    with EmbeddedSystem(
        tmp_path_factory.mktemp("data"),
        auth={"SIGNET_ATTEMPTS_PER_ADDRESS": "100000", "SIGNET_ATTEMPTS_PER_ACCOUNT": "100000"},
    ) as system:
        yield system


@pytest.fixture(scope="module")
def person(fuzzed: EmbeddedSystem) -> Person:
    return fuzzed.person()


@pytest.fixture(scope="module")
def schema(fuzzed: EmbeddedSystem) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(fuzzed.get("/docs/openapi.json").json())


@pytest.mark.parametrize(
    ("mode", "method", "path"), CASES, ids=lambda part: str(getattr(part, "value", part)).strip("/")
)
def test_no_made_up_request_breaks_it(
    person: Person, schema: schemathesis.BaseSchema, method: str, path: str, mode: schemathesis.GenerationMode
) -> None:
    """Whatever fits the document, and whatever does not, is answered: refused with a problem, never with a 5xx."""
    operation = schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def answered(case: schemathesis.Case[Any]) -> None:
        # At the token endpoint a client proves itself in the body, and a second proof would end every request alike.
        headers = {} if path.startswith("/oauth/") else {"Authorization": f"Bearer {person.token}"}
        answer = case.call(base_url=person.system.url, headers=headers, timeout=20)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            (media_type,) = answer.headers["content-type"]
            oauth = path.startswith("/oauth/") and media_type == "application/json"
            assert oauth or media_type == "application/problem+json"
            assert answer.json().keys() >= {"reason", "detail"} | ({"error"} if oauth else set())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what schemathesis thinks of its own dependencies
        answered()
