"""Which of the servers that check credentials could make one."""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from session_twin.session_cookie import NAME as COOKIE
from session_twin.sessions import key_of
from side_by_side.exchange import ask_once
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.shared_secret_server import signed
from signet.ports import free_ports

NAME = "forgery"
CLAIM = (
    "With HS256 whoever can check a token can make one; with RS256 only the issuer can. Whoever can write to a "
    "session store can be anyone."
)
PROCEDURE = (
    "With what one server holds, a credential for somebody else is made and shown to another server. Sessions: a "
    "record is written to the shared store. HS256: two servers with the article's shared secret; the second one's "
    "makes a token. RS256: the public keys that profile keeps are used as an HS256 secret in every form they "
    "have, a good token's subject is changed, and what profile keeps on disk is searched for a private key; the "
    "gateway, which has no keys, is shown the same forgeries in its cookie. "
    "Counted are the servers whose forgery was let in, in per cent."
)
_PRIVATE = re.compile(rb'"d"\s*:|PRIVATE KEY')


def measure(lab: Laboratory) -> Result:
    """Forge in each way."""
    measured = {"hs256": Measured.of("% could forge", _with_the_shared_secret(lab.data))}
    followed = lab.ways["jwt-followed"]
    token = followed.log_in(followed.register()).value.removeprefix("Bearer ")
    keys = _public_keys(lab)
    accepted = [
        any(
            ask_once(server.port, "GET", server.path, {"Authorization": f"Bearer {forged}"}).status == 200
            for forged in _forgeries(token, keys)
        )
        or _holds_a_private_key(lab.stack.data.of("profile"))
        for server in followed.servers
    ]
    measured["rs256"] = Measured.of("% could forge", [100.0 * each for each in accepted])
    measured["jwt-cookie"] = Measured.of("% could forge", [100.0 * _in_a_cookie(lab, _forgeries(token, keys))])
    if lab.store is not None:
        measured["session-valkey"] = Measured.of("% could forge", [100.0 * _by_the_store(lab, lab.store.url)])
    return Result(NAME, CLAIM, PROCEDURE, measured, {"rs256 forgeries": len(_forgeries(token, keys))})


def _in_a_cookie(lab: Laboratory, forgeries: Sequence[str]) -> bool:
    way = lab.ways["jwt-cookie"]
    name = way.log_in(way.register()).value.partition("=")[0]
    asked = [(server, {"Cookie": f"{name}={forged}"}) for server in way.servers for forged in forgeries]
    return any(ask_once(server.port, "GET", server.path, headers).status == 200 for server, headers in asked)


def _by_the_store(lab: Laboratory, url: str) -> bool:
    id_, now = secrets.token_urlsafe(16), time.time()
    record = {"subject": "somebody-else", "name": "Eve", "device": "", "began": now, "used": now, "ends": now + 60}
    with redis.Redis.from_url(url) as store:
        store.set(f"session:{key_of(id_)}", json.dumps(record), ex=60)
    reply = ask_once(lab.ports["twin-valkey"], "GET", "/api/profile", {"Cookie": f"{COOKIE}={id_}"})
    return reply.status == 200


def _with_the_shared_secret(folder: Path) -> list[float]:
    """Return 100 for each of two servers whose forgery the other one lets in, 0 otherwise."""
    ports = free_ports(2)
    file = folder / "shared-secret"
    file.write_bytes(secrets.token_bytes(32))
    with _shared_secret_servers(ports, file):
        found = []
        for other in reversed(ports):
            # Each of them has the file, and needs nothing else.
            token = signed({"sub": "somebody-else"}, file.read_bytes())
            found.append(100.0 * (ask_once(other, "GET", "/", {"Authorization": f"Bearer {token}"}).status == 200))
        stranger = signed({"sub": "somebody-else"}, secrets.token_bytes(32))
        if ask_once(ports[0], "GET", "/", {"Authorization": f"Bearer {stranger}"}).status != 401:
            raise RuntimeError("a token that was made with no secret at all was let in")
    return found


@contextlib.contextmanager
def _shared_secret_servers(ports: Sequence[int], file: Path) -> Iterator[None]:
    module = "side_by_side.shared_secret_server"
    running = [
        subprocess.Popen([sys.executable, "-P", "-m", module, str(port), str(file)], start_new_session=True)  # noqa: S603
        for port in ports
    ]
    try:
        deadline = time.monotonic() + 30
        for port in ports:
            while True:
                try:
                    ask_once(port, "GET", "/")
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def _public_keys(lab: Laboratory) -> bytes:
    return ask_once(lab.ports["auth"], "GET", "/.well-known/jwks.json").body


def _forgeries(token: str, keys: bytes) -> list[str]:
    """Return tokens for somebody else, made with all that a server that verifies has."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    other = _encoded(json.dumps(claims | {"sub": "somebody-else"}).encode())
    forged = [f"{head}.{other}.{signature}"]
    kid = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    for algorithm in ("HS256", "none"):
        changed = _encoded(json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": kid}).encode())
        for key in json.loads(keys)["keys"]:
            for secret in (
                keys,
                key["n"].encode(),
                base64.urlsafe_b64decode(key["n"] + "=="),
                json.dumps(key).encode(),
            ):
                mac = (
                    ""
                    if algorithm == "none"
                    else _encoded(hmac.digest(secret, f"{changed}.{other}".encode(), hashlib.sha256))
                )
                forged.append(f"{changed}.{other}.{mac}")
    return sorted(set(forged))


def _holds_a_private_key(folder: Path) -> bool:
    return any(_PRIVATE.search(file.read_bytes()) for file in folder.rglob("*") if file.is_file())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
