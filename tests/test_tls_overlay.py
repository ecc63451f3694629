"""deploy/compose.tls.yml: Caddy ends TLS, and the door behind it knows who asks and what it is called."""

import secrets
import ssl

import httpx
import pytest
from tests.composed_system import containers, docker, text
from tests.conftest import why_not_compose
from tests.running_system import ROOT

from signet.demo.token_parts import taken_apart
from signet.ports import free_ports

FILES = [str(ROOT / "docker-compose.yml"), str(ROOT / "deploy" / "compose.tls.yml")]
ADA = {"email": "ada@example.com", "password": "correct horse battery"}
ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"


def test_the_door_is_reached_through_tls_alone(docker_cleanup: list[str]) -> None:
    """Its own cookies, the issuer's name, and the client's address are as without; browsers are told to stay."""
    if lack := why_not_compose():
        pytest.skip(f"compose: {lack}")
    plain, port = free_ports(2)
    project, url = f"signet-test-{secrets.token_hex(4)}", f"https://localhost:{port}"
    command = f"env SIGNET_PORT={plain} SIGNET_PUBLIC_URL={url} SIGNET_TLS_PORT={port} docker compose"
    setup = ["up --build --wait tls gateway auth"]
    with containers(command, FILES, project, setup=setup, cleanup=docker_cleanup) as services:
        compose = services._docker_compose
        trust = ssl.create_default_context(cadata=text(compose.execute(f"exec -T tls cat {ROOT_CERTIFICATE}")))
        with httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=20) as door:
            page = door.get("/", headers={"Accept": "text/html"})
            assert (page.status_code, "max-age=" in page.headers["strict-transport-security"]) == (200, True)
            assert door.post("/register", json=ADA | {"name": "Ada"}).status_code == 201
            forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
            login = door.post("/login", json=ADA, headers=forged).json()
            assert taken_apart(login["access_token"]).payload["iss"] == url
            logins = door.get("/logins", headers={"Authorization": f"Bearer {login['access_token']}"}).json()["logins"]
        caddy = docker(
            "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", _container(compose)
        )
        assert logins[0]["address"] not in {"203.0.113.7", *caddy.split()}
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://localhost:{plain}/", trust_env=False)


def _container(compose: object) -> str:
    return text(compose.execute("ps -q tls")).strip()  # type: ignore[attr-defined]
