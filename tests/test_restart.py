"""What must survive when everything ends, and starting what runs already."""

import pytest
from tests.composed_system import ComposedSystem
from tests.running_system import System


def test_everything_survives_a_restart(system: System) -> None:
    """After everything was down and up again, accounts, profiles, orders and keys are what they were."""
    person = system.person("Emmy")
    token = person.token
    person.change_profile(person.get("/api/profile").headers["etag"], bio="Proved a theorem.")
    sku = system.get("/api/catalogue").json()["items"][0]["sku"]
    person.order((sku, 3))
    key_set = system.get("/.well-known/jwks.json").content
    profile, orders = (person.get(path).json() for path in ("/api/profile", "/api/orders"))

    system.down_and_up()

    assert system.get("/.well-known/jwks.json").content == key_set
    assert system.get("/api/profile", token=token).json() == profile
    assert system.get("/api/orders", token=token).json() == orders
    assert person.log_in().status_code == 200


@pytest.mark.stack("compose")
def test_a_second_up_changes_nothing(system: System) -> None:
    """`docker compose up` while it runs leaves every container as it is, and the system works."""
    assert isinstance(system, ComposedSystem)
    before = system.compose("ps -q")
    system.compose("up --wait")
    assert system.compose("ps -q") == before
    assert system.person("Lise").get("/api/profile").status_code == 200
