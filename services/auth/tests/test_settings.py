"""What an operator can set, and what not."""

import inspect
import json

import pytest
from pydantic import ValidationError

from auth_service.app import create_app
from auth_service.settings import Settings
from service_chassis.settings import read_settings

REQUIRED = {
    "port": 8000,
    "database_url": "sqlite+aiosqlite:////tmp/auth.db",
    "issuer": "https://id.example",
    "key_encryption_key_file": "/secrets/kek",
}


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example",
        "https://id.example:8443",
        "http://localhost:8080",
        "http://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    ],
)
def test_an_issuer_is_an_https_url_or_this_machine(issuer: str) -> None:
    """An https URL identifies an issuer, and so does http on the machine itself. [RFC 8414 section 2]"""
    assert Settings.model_validate(REQUIRED | {"issuer": issuer}).jwks_uri == f"{issuer}/.well-known/jwks.json"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "http://localhost.evil.example",
        "http://127.0.0.2",
        "http://0.0.0.0:8080",
        "https://id.example/",
        "https://id.example/tenant",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://id.example?",
        "https://id.example#",
        "https://user@id.example",
        "https://ID.example",
        "HTTPS://id.example",
        "https://id.example:0",
        "https://id.example:99999",
        "https://",
        "https:id.example",
        "id.example",
        "ftp://localhost",
        "https://id .example",
        "https://id.example\n",
        "https://bücher.example",
        "https://[::1",
        "",
    ],
)
def test_nothing_else_is_an_issuer(issuer: str) -> None:
    """What could be written in two ways, or read by others on the way, identifies nobody."""
    with pytest.raises(ValidationError):
        Settings.model_validate(REQUIRED | {"issuer": issuer})


@pytest.mark.parametrize(
    "change",
    [
        {"signing_key_bits": 1024},
        {"signing_key_bits": "many"},
        {"access_token_life": 601},
        {"access_token_life": 0},
        {"access_token_life": 300, "max_token_life": 299},
        {"max_token_life": 0},
        {"key_set_max_age": 0},
        {"hashing_threads": 0},
        {"attempts_per_account": 0},
        {"attempts_window": 0},
    ],
)
def test_a_setting_that_cannot_work_is_refused(change: dict[str, int]) -> None:
    """Limits and durations have bounds; a token cannot be made to live longer than verifiers allow."""
    with pytest.raises(ValidationError):
        Settings.model_validate(REQUIRED | change)


def test_the_defaults_are_the_protocols() -> None:
    """Out of the box: RSA 3072, tokens for 300 s, a key set for 300 s, ten attempts in ten minutes."""
    settings = Settings.model_validate(REQUIRED)
    assert settings.signing_key_bits == 3072
    assert (settings.access_token_life, settings.key_set_max_age) == (300, 300)
    assert (settings.attempts_per_account, settings.attempts_per_address, settings.attempts_window) == (10, 300, 600)
    assert settings.trust_forwarded


SERVICE = {
    "client_id": "orders",
    "audience": "urn:signet:orders",
    "jwks_uri": "http://orders:8000/.well-known/jwks.json",
    "may_ask": {"urn:signet:profile": ["profile:read"]},
}


def test_the_table_of_services_is_read_as_json() -> None:
    """As it stands in an environment variable; none is known by default."""
    (service,) = Settings.model_validate(REQUIRED | {"services": json.dumps([SERVICE])}).services
    assert service.model_dump(mode="json") == SERVICE
    assert Settings.model_validate(REQUIRED).services == ()
    with pytest.raises(ValidationError):
        service.client_id = "profile"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("orders", "is not JSON"),
        ("{}", "valid tuple"),
        ("[1]", "valid dictionary"),
        (json.dumps([SERVICE, SERVICE]), "name a client or an audience twice"),
        (json.dumps([SERVICE, SERVICE | {"client_id": "other"}]), "name a client or an audience twice"),
        (json.dumps([SERVICE | {"client_id": "signet"}]), "is the client of logins with a password"),
        (json.dumps([SERVICE | {"client_id": "Orders"}]), "should match pattern"),
        (json.dumps([SERVICE | {"client_id": ""}]), "should match pattern"),
        (json.dumps([SERVICE | {"audience": "urn:signet:bank"}]), "is not one of"),
        (json.dumps([SERVICE | {"jwks_uri": "orders/jwks"}]), "valid URL"),
        (json.dumps([SERVICE | {"jwks_uri": "file:///etc/passwd"}]), "URL scheme should be 'http' or 'https'"),
        (json.dumps([SERVICE | {"may_ask": {"urn:signet:bank": ["profile:read"]}}]), "is not one of"),
        (json.dumps([SERVICE | {"may_ask": {"urn:signet:profile": ["everything"]}}]), "is not one of"),
        (json.dumps([SERVICE | {"may_ask": {"urn:signet:profile": []}}]), "at least 1 item"),
        (json.dumps([SERVICE | {"secret": "hunter2"}]), "not permitted"),
        (
            json.dumps([{name: SERVICE[name] for name in SERVICE if name != "audience"}]),
            "is not set, and has no default",
        ),
    ],
)
def test_a_table_of_services_that_cannot_be_is_said_in_a_sentence(
    written: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A start with such a table ends with status 2, and says where in it what is wrong."""
    for name, value in REQUIRED.items():
        monkeypatch.setenv("DATABASE_URL" if name == "database_url" else f"SIGNET_{name.upper()}", str(value))
    monkeypatch.setenv("SIGNET_SERVICES", written)
    with pytest.raises(SystemExit) as ended:
        read_settings(Settings)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("SIGNET_SERVICES")
    assert sentence in said


def test_secrets_and_places_have_no_default() -> None:
    """The issuer, the database and the key file must be said; the clock, the hasher and the network are arguments."""
    required = {name for name, field in Settings.model_fields.items() if field.is_required()}
    assert required == {"port", "database_url", "issuer", "key_encryption_key_file"}
    assert list(inspect.signature(create_app).parameters) == ["settings", "clock", "hasher", "network"]


@pytest.mark.parametrize(
    "written",
    ["urn:signet:greetings", '["greetings"]', '["urn:a#b"]', '["urn:signet:auth"]', '["urn:a", "urn:a"]', '"x"'],
)
def test_a_further_resource_is_an_absolute_uri_and_new(written: str) -> None:
    """A list, in JSON, of URIs without a fragment, none named twice and none that is there anyway. [RFC 8707]"""
    with pytest.raises(ValidationError):
        Settings.model_validate(REQUIRED | {"further_resources": written})


def test_a_service_names_resources_that_are_known() -> None:
    """What is asked for in the table of services is one of Signet's own or a further one, else it is no setting."""
    row = {"client_id": "greetings", "audience": "urn:signet:greetings", "jwks_uri": "http://localhost:1/"}
    services = [row | {"may_ask": {"urn:signet:profile": ["profile:read"]}}]
    with pytest.raises(ValidationError, match="urn:signet:greetings"):
        Settings.model_validate(REQUIRED | {"services": services})
    further = {"further_resources": '["urn:signet:greetings"]', "services": services}
    assert Settings.model_validate(REQUIRED | further).resources[-1] == "urn:signet:greetings"
