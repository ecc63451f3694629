"""The environment of each process: what it is configured with, and the little that it inherits."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from signet.data_directory import DataDirectory

SERVICES = ("auth", "profile", "orders", "gateway")
"""The processes of a stack, in the order in which they are named to people."""

PLAIN, SESSION_TWIN = "plain-profile", "session-twin"
"""The processes of the laboratory."""

MODULES = {
    "auth": "auth_service",
    "profile": "profile_service",
    "orders": "orders_service",
    "gateway": "gateway",
    SESSION_TWIN: "session_twin",
}

_UPSTREAMS = {
    "SIGNET_AUTH_URL": "auth",
    "SIGNET_PROFILE_URL": "profile",
    "SIGNET_ORDERS_URL": "orders",
    "SIGNET_PLAIN_URL": PLAIN,
    "SIGNET_SESSION_TWIN_URL": SESSION_TWIN,
}
"""Whom the gateway is told of, if they run."""

_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Addresses:
    """Where the processes of one stack listen: one host, a port for each, and the gateway's second one."""

    host: str
    ports: Mapping[str, int]
    operations_port: int

    @property
    def issuer(self) -> str:
        """The public URL: the door, and the issuer that every token names."""
        return f"http://localhost:{self.ports['gateway']}"

    def internal_url(self, service: str) -> str:
        """Return the base URL of one service behind the door, or of the gateway's operations."""
        return f"http://{self.host}:{self.operations_port if service == 'gateway' else self.ports[service]}"


def environment_of(
    service: str, addresses: Addresses, data: DataDirectory, *, twin: str | None = None
) -> dict[str, str]:
    """Return the whole environment of one process. Nothing else is inherited: no proxy may stand in between.

    `twin`: the name of another process of that service, which has its data and a port of its own.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - what is handed on, not what this command is set by
        if name in _INHERITED
    }
    own = {
        "SIGNET_HOST": addresses.host,
        "SIGNET_PORT": str(addresses.ports[twin or service]),
        "SIGNET_LOG_LEVEL": "INFO",
    }
    if service == "gateway":
        own |= {
            setting: addresses.internal_url(name) for setting, name in _UPSTREAMS.items() if name in addresses.ports
        }
        own["SIGNET_PUBLIC_URL"] = addresses.issuer
        own["SIGNET_OPERATIONS_PORT"] = str(addresses.operations_port)
        return inherited | own
    own["DATABASE_URL"] = f"sqlite+aiosqlite:///{data.database(service)}"
    if service == SESSION_TWIN:
        own["SIGNET_SESSION_STORE"] = "sqlite"
        return inherited | own
    own["SIGNET_ISSUER"] = addresses.issuer
    if service in {"auth", "orders"}:
        own["SIGNET_KEY_ENCRYPTION_KEY_FILE"] = str(data.key_encryption_key(service))
    if service == "auth":
        own["SIGNET_SERVICES"] = json.dumps(_services(addresses))
    else:
        own["SIGNET_JWKS_URI"] = f"{addresses.internal_url('auth')}/.well-known/jwks.json"
        own["SIGNET_KEY_SET_FILE"] = str(data.of(service) / "key-set.json")
        own["SIGNET_REVOCATIONS_URL"] = f"{addresses.internal_url('auth')}/revocations"
        own["SIGNET_REVOCATIONS_FOLDER"] = str(data.of(service) / "revocations")
    if service == "orders":
        own["SIGNET_TOKEN_ENDPOINT"] = f"{addresses.internal_url('auth')}/oauth/token"
        own["SIGNET_PROFILE_URL"] = addresses.internal_url("profile")
    return inherited | own


def _services(addresses: Addresses) -> list[dict[str, object]]:
    """Return auth's table of the services that may exchange their callers' tokens, and for what."""
    return [
        {
            "client_id": "orders",
            "audience": "urn:signet:orders",
            "jwks_uri": f"{addresses.internal_url('orders')}/.well-known/jwks.json",
            "may_ask": {"urn:signet:profile": ["profile:read"]},
        }
    ]
