"""After everything else: what the logs of a whole run hold, and what they do not."""

import base64
import json
import re

import pytest
from tests.composed_system import ComposedSystem
from tests.running_system import SERVICES, EmbeddedSystem, Person, System

REFUSAL_TO_START = re.compile(r"The (key-encryption key does not open|database holds private keys, but) [^{}]+\.")


@pytest.mark.parametrize("service", SERVICES)
def test_no_log_holds_a_secret(system: System, ada: Person, administrator: Person, service: str) -> None:
    """No log of the whole run has a password, a token or a part of one, an e-mail, or key material."""
    ada.get(f"/api/profile?access_token={ada.token}")
    ada.get("/api/orders", headers={"Cookie": f"token={ada.token}"})
    ada.log_in(scope=ada.password)
    log = system.logs(service)
    assert len(system.secrets) > 20
    assert [secret for secret in system.secrets if secret in log] == []
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}", log)
    assert "PRIVATE KEY" not in log
    assert "$argon2" not in log
    assert "@example.com" not in log
    for owner in ("auth", "orders"):
        for spelling in _spellings_of(_key_encryption_key(system, owner)):
            assert spelling not in log


@pytest.mark.parametrize("service", SERVICES)
def test_every_line_is_an_event(system: System, service: str) -> None:
    """Every line of a log is one JSON object that says when, who and what; no trace among them.

    But for the sentence with which a process refuses to start, and which is for whoever started it.
    """
    lines = system.logs(service).splitlines()
    for line in lines:
        if REFUSAL_TO_START.fullmatch(line):
            continue
        event = json.loads(line)
        assert event.keys() >= {"timestamp", "level", "event", "service"}, line
        assert event["service"] == service
        assert "Traceback" not in line
    assert lines or service == "gateway"


def _key_encryption_key(system: System, owner: str) -> bytes:
    if isinstance(system, ComposedSystem):
        read = system.inside(owner, "base64 -w0 /secrets/key-encryption-key")
        assert read.returncode == 0, read.stderr
        return base64.b64decode(read.stdout)
    assert isinstance(system, EmbeddedSystem)
    return system.stack.data.key_encryption_key(owner).read_bytes()


def _spellings_of(raw: bytes) -> set[str]:
    assert len(raw) >= 32
    spellings = {
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return spellings | ({raw.decode().strip()} if raw.isascii() else set())
