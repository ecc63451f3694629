"""What a process does without the feed of revocations, by its mode: two processes of orders beside the usual one."""

import shutil
from collections.abc import Iterator
from time import monotonic

import httpx
import pytest
from tests.running_system import EmbeddedSystem, Person, eventually
from tests.workers import Everyone

pytestmark = pytest.mark.stack("embedded")

STRICT = {
    "SIGNET_REVOCATIONS_MODE": "strict",
    "SIGNET_REVOCATIONS_MAX_AGE": "8",
    "SIGNET_REVOCATIONS_RETRY_LAST": "0.5",
}
TWINS = {"plain-orders": ("orders", {"SIGNET_REVOCATIONS_MODE": "plain"}), "strict-orders": ("orders", STRICT)}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSystem]:
    """Run the embedded system with two more processes of orders, which differ from it in their mode alone."""
    with EmbeddedSystem(tmp_path_factory.mktemp("data"), twins=TWINS) as system:
        yield system


@pytest.fixture
def grace(system: EmbeddedSystem) -> Person:
    return system.person("Grace")


def asked(system: EmbeddedSystem, process: str, method: str, token: str) -> tuple[int, str]:
    """Ask one process for the orders, or for a new one; return the status, and of a refusal the reason."""
    answer = httpx.request(
        method,
        f"{system.stack.service_url(process)}/api/orders",
        headers={"Authorization": f"Bearer {token}"},
        json={"items": [{"sku": "SEAL-BRASS", "quantity": 1}]} if method == "POST" else None,
        trust_env=False,
        timeout=20,
    )
    return answer.status_code, "" if answer.is_success else answer.json()["reason"]


def test_where_nobody_follows_a_token_outlives_its_login(system: EmbeddedSystem, grace: Person) -> None:
    """The article's lesson: a plain process goes on honouring what every following one refuses within the second."""
    token = grace.fresh_token()
    assert asked(system, "plain-orders", "POST", token) == (201, "")
    with Everyone(system) as everyone:
        assert system.post("/logout", token=token).status_code == 200
        everyone.refuses_soon(token, "login_ended", since=monotonic())
    assert asked(system, "strict-orders", "GET", token) == (401, "login_ended")
    assert asked(system, "plain-orders", "GET", token) == (200, "")
    assert asked(system, "plain-orders", "POST", token) == (201, "")


def test_a_hanging_issuer_stops_a_strict_process_and_no_other(system: EmbeddedSystem, grace: Person) -> None:
    """Changes are refused after 3 s, everything once it is older than that; a following process goes on as if plain."""
    token = grace.fresh_token()
    eventually(lambda: asked(system, "strict-orders", "POST", token) == (201, ""))
    system.pause("auth")
    try:
        began = monotonic()
        eventually(lambda: asked(system, "strict-orders", "POST", token) == (503, "revocations_unavailable"))
        read = asked(system, "strict-orders", "GET", token)
        if monotonic() - began < 6:  # as of when it was answered: a busy machine takes its time
            assert read == (200, "")
        eventually(lambda: asked(system, "strict-orders", "GET", token) == (503, "revocations_unavailable"))
        for method in ("GET", "POST"):
            for process in ("orders", "plain-orders"):
                assert asked(system, process, method, token)[0] in {200, 201}
    finally:
        system.resume("auth")
    eventually(lambda: asked(system, "strict-orders", "POST", token) == (201, ""))
    with Everyone(system) as everyone:
        assert system.post("/logout", token=token).status_code == 200
        eventually(lambda: everyone.refuses(token, "login_ended"))
        eventually(lambda: asked(system, "strict-orders", "GET", token) == (401, "login_ended"))


def test_a_first_start_without_the_issuer_serves_nobody(system: EmbeddedSystem, grace: Person) -> None:
    """What has been revoked is not known, so the answer is 503 and not 200, until auth is back."""
    token = grace.fresh_token()
    with Everyone(system) as everyone:
        assert everyone.honours(token)
    system.stop("auth")
    system.stop("profile")
    shutil.rmtree(system.stack.data.of("profile") / "revocations")
    system.stack.start("profile", until="alive")
    try:
        url = system.stack.service_url("profile")
        bearer = {"Authorization": f"Bearer {token}"}
        refused = httpx.get(f"{url}/api/profile", headers=bearer, trust_env=False)
        assert (refused.status_code, refused.json()["reason"]) == (503, "revocations_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        ready = httpx.get(f"{url}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()["checks"]["keys"]) == (503, "ready")
    finally:
        system.start("auth")
    eventually(lambda: httpx.get(f"{url}/api/profile", headers=bearer, trust_env=False).status_code == 200)
