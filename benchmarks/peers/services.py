"""How each resource server is started: Signet's own, and its peers."""

import os
import sys
from pathlib import Path

from benchmarks.peers.credentials import AUDIENCE, NAME, SUBJECT, Issuer
from benchmarks.peers.installation import HERE, debian_program, node, python_program
from benchmarks.servers import HOST, Server, free_port

PATH = "/api/profile"
ROOT = Path(__file__).parents[2]


def signet_profile(issuer: Issuer, folder: Path, *, module: str = "profile_service", **more: str) -> Server:
    """Return Signet's profile service as `signet up` runs it, on a database of its own in `folder`."""
    port = free_port()
    data = folder / f"profile-{port}"
    data.mkdir()
    environment = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{data}/profile.db",
        "SIGNET_HOST": HOST,
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": issuer.fake.issuer,
        "SIGNET_JWKS_URI": f"{issuer.address}/.well-known/jwks.json",
        "SIGNET_KEY_SET_FILE": str(data / "key-set.json"),
        "SIGNET_REVOCATIONS_URL": f"{issuer.address}/revocations",
        "SIGNET_REVOCATIONS_FOLDER": str(data / "revocations"),
        "PYTHONPATH": str(ROOT),
        **more,
    }
    return Server([sys.executable, "-P", "-m", module], port, environment, "/readyz")


def express(issuer: Issuer, kind: str) -> Server:
    """Return Express 5 with jsonwebtoken. `kind`: see express.js."""
    program, environment = node()
    key = issuer.secret if kind == "secret" else issuer.public_key
    return _node_service(program, environment, "express.js", kind, str(key), issuer.fake.issuer, AUDIENCE)


def fastify(issuer: Issuer, kind: str) -> Server:
    """Return Fastify with fast-jwt, `cached` or `uncached`."""
    program, environment = node()
    return _node_service(program, environment, "fastify.js", kind, str(issuer.public_key), issuer.fake.issuer, AUDIENCE)


def express_session(*, redis: int | None = None) -> Server:
    """Return Express 5 with express-session, in memory or in the Redis at a port."""
    program, environment = node()
    return _node_service(
        program, environment, "express_session.js", SUBJECT, NAME, *([] if redis is None else [str(redis)])
    )


def redis_store() -> Server:
    """Return Redis, or Valkey, which keeps nothing on disk."""
    port = free_port()
    program = debian_program("redis-server")
    return Server([program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"], port, path=None)


def usual_python_service(issuer: Issuer) -> Server:
    """Return the usual Python demo's service."""
    port = free_port()
    script = HERE / "usual_service.py"
    return Server([python_program("python"), "-P", script, str(port), issuer.public_key, issuer.fake.issuer, AUDIENCE],
                  port)  # fmt: skip


def _node_service(program: Path, environment: dict[str, str], script: str, *arguments: str) -> Server:
    port = free_port()
    return Server([program, HERE / script, str(port), *arguments], port, {"PATH": os.defpath, **environment})
