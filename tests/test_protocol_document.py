"""docs/protocol.md says what the code does: its tables are read here and held against it."""

import ast
import functools
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI

import auth_service.app
import orders_service.app
import orders_service.settings
import profile_service.app
import profile_service.settings
from auth_service import scopes
from auth_service.endpoints.tokens import _PARAMETERS
from auth_service.revocations import LONGEST_PAGE
from auth_service.settings import Settings as AuthSettings
from auth_service.signing_keys import KeyState, KeyTimes
from gateway.cookie_login import _LONGEST_WISH
from gateway.cookies import LARGEST, Cookies
from gateway.login_tokens import Glance, LoginTokens
from gateway.request_framing import FREE_CHUNKS, LEAST_CHUNK
from gateway.settings import GatewaySettings
from gateway.upstreams import UpstreamLimits
from service_chassis.request_bodies import JsonBodies
from token_verification import AccessTokenVerifier, RemoteKeySet, RevocationFeed, StaticKeySet
from token_verification.claims import ID_LIMIT, REQUIRED
from token_verification.client_assertion import LONGEST_LIFE, TYPE
from token_verification.errors import Reason
from token_verification.key_set import KEY_ID_LIMIT
from token_verification.revocation_answer import TYPE as ANSWER_TYPE
from token_verification.revocation_answer import read, take_apart
from token_verification.revocation_feed import _FETCHES, WAIT
from token_verification.revocation_question import ask
from token_verification.token_exchange import ACCESS_TOKEN_TYPE, CLIENT_ASSERTION_TYPE, GRANT_TYPE, TokenExchange
from token_verification.verifier import SIZE_LIMIT

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text()
SOURCES = [
    *(ROOT / "libs").rglob("src/**/*.py"),
    *(ROOT / "services").rglob("src/**/*.py"),
    *(ROOT / "gateway/src").rglob("*.py"),
]


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> list[FastAPI]:
    data = tmp_path_factory.mktemp("data")

    def common(name: str) -> dict[str, Any]:
        return {"port": 1, "database_url": f"sqlite+aiosqlite:///{data}/{name}.db", "issuer": "http://localhost:8080"}

    remote: dict[str, Any] = {
        "jwks_uri": "http://localhost:1/",
        "key_set_file": data / "keys.json",
        "revocations_mode": "plain",
    }
    secrets: dict[str, Any] = {"key_encryption_key_file": data / "key"}
    onwards: dict[str, Any] = {"token_endpoint": "http://localhost:1/", "profile_url": "http://localhost:1"}
    return [
        auth_service.app.create_app(AuthSettings(**common("auth"), **secrets)),
        profile_service.app.create_app(profile_service.settings.Settings(**common("profile"), **remote)),
        orders_service.app.create_app(
            orders_service.settings.Settings(**common("orders"), **remote, **secrets, **onwards)
        ),
    ]


def test_the_scopes_are_the_codes_and_go_to_whom_it_says() -> None:
    """The table names every scope there is, and who gets it."""
    documented = {quoted(scope)[0]: who for scope, who, _ in rows("Scopes")}
    everyone = scopes.grant_scopes(None, administrator=False)
    assert documented == {scope: "everyone" if scope in everyone else "administrators" for scope in scopes.SCOPES}


def test_the_endpoints_of_a_scope_are_those_that_ask_for_it(applications: list[FastAPI]) -> None:
    """The third column is what the services' OpenAPI documents say."""
    asking: dict[str, set[str]] = {scope: set() for scope in scopes.SCOPES}
    for app in applications:
        for path, operations in app.openapi()["paths"].items():
            for method, operation in operations.items():
                for demand in operation.get("security", []):
                    for scope in demand.get("access_token", ()):
                        asking[scope].add(f"{method.upper()} {path}")
    assert {quoted(scope)[0]: set(quoted(endpoints)) for scope, _, endpoints in rows("Scopes")} == asking


def test_every_reason_is_documented_with_its_status() -> None:
    """No reason that the code can give is missing from the table, and the table has none that it cannot give."""
    documented = {reason for _, reasons, _ in rows("Errors") for reason in quoted(reasons)}
    assert documented == set(reasons_in_code())


def reasons_in_code() -> Iterator[str]:
    """Every reason: those of tokens by their type, all others where a Problem or one of its kind is made."""
    yield from get_args(Reason)
    for source in SOURCES:
        if source.name in {"testing.py", "first_administrator.py"}:  # a fake, and a command: neither answers requests
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and _makes_a_problem(node.func):
                for argument in node.args[:2]:
                    if isinstance(argument, ast.Constant) and re.fullmatch("[a-z]+(_[a-z]+)*", str(argument.value)):
                        yield str(argument.value)
            if isinstance(node, ast.Dict | ast.Assign) and source.name == "problems.py":
                yield from (
                    re.findall(r"'([a-z]+_[a-z_]+)'", ast.unparse(node)) if "_FRAMEWORK" in ast.unparse(node) else []
                )


def _makes_a_problem(function: ast.expr) -> bool:
    spelled = ast.unparse(function)
    makers = {"Problem", "Unavailable", "TokenRefusal", "_unfit"}
    return spelled == "super().__init__" or spelled.rpartition(".")[2] in makers


def default(called: Callable[..., object], name: str) -> Any:  # noqa: ANN401 -- defaults are of any type
    return inspect.signature(called).parameters[name].default


def test_the_numbers_of_the_key_set_are_its_defaults() -> None:
    """Each number in the key set's table is the default of the setting that it speaks of."""
    table = {row[0]: row[1] for row in rows("Key set, at a resource server")}
    for matter, numbers in {
        "after a failed fetch": [default(RemoteKeySet, "retry_first"), default(RemoteKeySet, "retry_last")],
        "an unknown key id": [default(RemoteKeySet, "cooldown")],
        "who waits for that fetch": [default(RemoteKeySet, "patience"), default(RemoteKeySet, "most_waiting")],
        "the issuer is away": [default(RemoteKeySet, "keep_for")],
        "one fetch": [default(RemoteKeySet, "deadline"), default(RemoteKeySet, "byte_cap")],
    }.items():
        for number in numbers:
            assert re.search(rf"\b{number:g}\b" if number < 1e6 else str(number), table[matter]), (matter, number)
    assert default(RemoteKeySet, "patience") < UpstreamLimits().answer_seconds, "else the gateway's 504 hides the 503"


def test_the_numbers_of_the_feed_are_its_defaults() -> None:
    """Each number that the section on the feed has is the default of what it speaks of, at auth and at a follower."""
    auth = {name: field.default for name, field in AuthSettings.model_fields.items()}
    text = section("Revocation feed").replace("\n", " ")
    feed = functools.partial(default, RevocationFeed)
    table = {row[0]: row[1] for row in rows("Revocation feed")}
    assert table["any other one"] == f"waits up to {WAIT['follow']} s, or {WAIT['strict']} s in a strict service"
    assert max(WAIT.values()) <= auth["feed_longest_wait"]
    assert f"given up {feed('patience'):g} s after its wait" in table["one question"]
    assert f"{feed('byte_cap') // 1024**2} MiB" in table["one question"]
    assert f"after {feed('retry_first'):g} s, doubling up to {feed('retry_last'):g} s" in table["after a failure"]
    assert (
        f"again after {feed('retry_first'):g} s"
        in table["after an answer without rows that came in less than 0.1 s, though it was to wait"]
    )
    assert f"at most {_FETCHES} times in {feed('cooldown'):g} s" in text
    assert f"the age is above {feed('max_age_for_changes'):g} s" in table["strict"]
    assert f"above {feed('max_age'):g} s" in table["strict"]
    assert f"by more than the {feed('leeway'):g} s" in text
    assert f"the wait and {auth['feed_answer_life']} s" in text
    assert f"at most {LONGEST_PAGE} rows" in text
    assert f"More than {auth['feed_longest_wait']} s count as" in text
    assert f"({auth['feed_places']} wait at that process already)" in text
    assert f"a string of 1 to {ID_LIMIT} characters" in text
    assert f"`kid` (1 to {KEY_ID_LIMIT} characters)" in text
    assert f"`{ANSWER_TYPE}`" in text


async def test_the_example_of_the_feed_is_one() -> None:
    """With the key that is given, the answer is good to the question, and says what it is said to."""
    blocks = re.findall(r"```(\w*)\n(.*?)```", section("Revocation feed"), re.DOTALL)
    (_, jwk), (_, question), (_, answer), (_, claims) = blocks[-4:]
    asked: list[httpx.Request] = []

    def network(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text=answer.replace("\n", ""), headers={"content-type": "application/jwt"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(network)) as http:
        after = 1_799_999_990_123_456
        url = "http://auth:8000/revocations"
        body = await ask(http, url, after=after, wait=20, connect_within=3, byte_cap=10_000)
    first, *headers = question.splitlines()
    assert first == f"{asked[0].method} {asked[0].url.raw_path.decode()} HTTP/1.1"
    for name, _, value in (header.partition(": ") for header in headers):
        assert asked[0].headers[name] == value

    said = json.loads(claims)
    jws, key_id = take_apart(body)
    assert json.loads(jws.payload) == said
    key = StaticKeySet({"keys": [json.loads(jwk)]}).known(key_id)
    assert key is not None
    read_answer = read(jws, key, issuer=said["iss"], after=after, wait=20, now=1_800_000_000, leeway=5)
    assert [list(row) for row in read_answer.revoked] == said["revoked"]
    assert f"question is `after={read_answer.seq}`" in section("Revocation feed").replace("\n", " ")
    assert not read_answer.more
    for _, id_, until in read_answer.revoked:
        assert f"`{id_}`" in section("Revocation feed")
        assert until in {None, 1_800_000_606}


def test_the_numbers_of_tokens_are_the_defaults() -> None:
    """Life, longest life, leeway, size, key size, and attempts."""
    auth = {name: field.default for name, field in AuthSettings.model_fields.items()}
    text = section("Access token").replace("\n", " ")
    assert f"a token lives {auth['access_token_life']} s" in text
    assert f"more than {default(AccessTokenVerifier, 'max_life'):g} s" in text
    assert f"allows {default(AccessTokenVerifier, 'leeway'):g} s between clocks" in text
    assert f"remembers {default(AccessTokenVerifier, 'remembered')} tokens" in text
    assert SIZE_LIMIT == 8 * 1024
    assert "at most 8 KiB" in text.replace("\n", " ")
    assert [quoted(claim) for claim, _, _ in rows("Access token")][: len(REQUIRED)]
    assert {name for claim, _, _ in rows("Access token") for name in quoted(claim)} == {*REQUIRED, "name", "act"}
    attempts = section("Login")
    assert f"({auth['attempts_per_account']} in {auth['attempts_window']} s" in attempts
    assert f"({auth['attempts_per_address']} in {auth['attempts_window']} s" in attempts
    assert f"max-age={auth['key_set_max_age']}`" in section("JWK Set")
    assert f"two keys of {auth['signing_key_bits']} bits" in section("JWK Set")


def test_the_life_of_a_key_is_the_codes() -> None:
    """Every state in its order, what follows it, and each bound as it is computed from the defaults."""
    auth = {name: field.default for name, field in AuthSettings.model_fields.items()}
    times = KeyTimes(
        max_age=auth["key_set_max_age"],
        max_token_life=auth["max_token_life"],
        leeway=auth["leeway"],
        rotate_every=auth["key_rotate_every"],
    )
    table = {quoted(row[0])[0]: row[1:] for row in rows("Key life cycle")}
    assert list(table) == [str(state) for state in KeyState]
    assert [quoted(table[state][2]) for state in table] == [["active"], ["retiring"], ["removed"], [], []]
    assert [state for state in table if table[state][0] == "yes"] == ["pending", "active", "retiring"]
    assert table["pending"][3].startswith(f"{times.pending_for:g} s after")
    assert f"by itself after {times.rotate_every:.0f} s" in table["active"][3]
    assert table["retiring"][3].startswith(f"{times.retiring_for:g} s after")
    text = section("Key life cycle").replace("\n", " ")
    assert f"at most {auth['key_trust_for']:g} s before" in text
    assert f"from a login of the last {auth['administrator_login_age']:g} s" in text
    assert f"has not been able to read them for {times.max_age / 2:g} s" in section("JWK Set").replace("\n", " ")


def test_the_numbers_of_an_exchange_are_the_defaults() -> None:
    """Life and leeway of a proof, the size of its key, the caller's deadline and cap, and every parameter's name."""
    auth = {name: field.default for name, field in AuthSettings.model_fields.items()}
    orders = {name: field.default for name, field in orders_service.settings.Settings.model_fields.items()}
    text = section("Service to service").replace("\n", " ")
    assert f"at most {auth['client_assertion_life']} s after `iat`" in text
    assert LONGEST_LIFE == auth["client_assertion_life"] == orders["client_assertion_life"]
    assert f"Clocks may be {auth['leeway']:g} s apart" in text
    assert f"its own key of {orders['client_key_bits']} bits" in text
    assert f"waits {orders['exchange_deadline']:g} s" in text
    assert default(TokenExchange, "deadline") == orders["exchange_deadline"]
    assert f"reads at most {default(TokenExchange, 'byte_cap') // 1024} KiB" in text
    parameters = text.split("| parameter | value |")[1].split("`requested_token_type`")[0]
    for name in (GRANT_TYPE, ACCESS_TOKEN_TYPE, CLIENT_ASSERTION_TYPE, *_PARAMETERS):
        assert f"`{name}`" in parameters
    assert f"`{TYPE}`" in text


def test_the_numbers_of_orders_are_the_defaults() -> None:
    """The deadline of a look-up, which lies within the door's, how many wait, and how long a key is remembered."""
    orders = {name: field.default for name, field in orders_service.settings.Settings.model_fields.items()}
    door = {name: field.default for name, field in GatewaySettings.model_fields.items()}
    text = section("Orders").replace("\n", " ")
    assert f"at most {orders['delivery_deadline']:g} s" in text
    # What is left is for orders itself, and for the way.
    assert orders["delivery_deadline"] + 0.5 <= door["upstream_answer_seconds"]
    assert f"or {orders['delivery_look_ups']} orders were waiting" in text
    assert f"remembered for {orders['idempotency_keep_for']:.0f} s" in text


def test_the_states_of_orders_are_the_codes() -> None:
    """Every status and every reason stands in a table of its own."""
    text = section("Orders")
    tables = re.findall(r"\| `(?:delivery\.)?(status|reason)` \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text)
    first_cells = [{word for row in table.splitlines() for word in quoted(row.split("|")[1])} for _, table in tables]
    order = orders_service.orders.order
    assert first_cells == [
        set(get_args(each)) for each in (order.OrderStatus, order.DeliveryStatus, order.PendingReason)
    ]


def test_a_login_in_a_browser_is_as_it_says() -> None:
    """Names, attributes, sizes and times of the cookies, and where no caller is asked for."""
    text = section("A login in a browser").replace("\n", " ")
    door = {name: field.default for name, field in GatewaySettings.model_fields.items()}
    tokens = LoginTokens("a", "r", "s", 1, 2)
    access, refresh = Cookies("http://localhost:8080").setting(tokens)
    assert f"`{access.partition('=')[0]}`" in text
    assert [quoted(cells[0])[0] for cells in rows("A login in a browser") if "`__Host-" in cells[0]] == [
        each.partition("=")[0] for each in Cookies("https://id.example").setting(tokens)
    ]
    assert f"Both are `{access.partition('; ')[2].partition('; ')[2]}`" in text
    assert refresh.endswith("SameSite=Strict")
    assert f"at most {LARGEST} bytes" in text
    assert f"at most {_LONGEST_WISH // 1024} KiB, answers" in text
    assert f"answers them for {door['renewal_keep_seconds']:g} s more" in text
    assert f"within {door['upstream_answer_seconds']:g} s, and" in text
    assert f"body has at most {door['upload_held_bytes'] // 1024} KiB" in text
    young, old = Glance("", "", 0, 300), Glance("", "", 0, 299)
    assert (young.is_due(269), young.is_due(270), old.is_due(269)) == (False, True, False), "a tenth of its life"


def test_the_caps_of_the_door_and_of_the_services_are_the_defaults() -> None:
    """The sizes and the deadline in the table of errors."""
    door = {name: field.default for name, field in GatewaySettings.model_fields.items()}
    table = {quoted(reasons)[0]: when for _, reasons, when in rows("Errors")}
    assert default(JsonBodies, "max_bytes") == 64 * 1024
    assert door["body_bytes"] == 1024 * 1024
    assert table["body_too_large"] == "64 KiB at a service, 1 MiB at the door"
    levels, marks = default(JsonBodies, "max_depth"), default(JsonBodies, "max_marks")
    assert f"JSON of more than {levels} levels, or {marks} brackets and commas" in table["malformed_request"]
    assert table["headers_too_large"] == f"more than {door['header_bytes'] // 1024} KiB of them"
    assert f"after {door['upstream_answer_seconds']:g} s" in table["upstream_timeout"]
    assert door["upload_held_bytes"] == default(JsonBodies, "max_bytes"), "what the services take is held at the door"
    assert f"{door['uploads_held_bytes'] // 1024**2} MiB are held" in section("The door").replace("\n", " ")
    chunks = f"may have {FREE_CHUNKS:,} chunks of any size, and beyond those one for every {LEAST_CHUNK} bytes"
    assert chunks in section("The door").replace("\n", " ")
