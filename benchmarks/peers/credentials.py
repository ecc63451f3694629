"""What is shown to those who are measured: tokens of one issuer with one key of 2048 bits, and forgeries of them."""

import logging
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.issuer_over_http import IssuerOverHttp

from token_verification.testing import FakeIssuer

AUDIENCE = "urn:signet:profile"
SCOPE = "orders:read orders:write profile:read profile:write"
SUBJECT = "018f6f6e-0000-7000-8000-5f3a3c1d2b4e"
NAME = "Ada Lovelace"
BODY = (
    b'{"display_name":null,"bio":null,"locale":null,"delivery_address":null,'
    b'"sub":"018f6f6e-0000-7000-8000-5f3a3c1d2b4e","name":"Ada Lovelace"}'
)
"""What every resource server has to answer: the profile of somebody who has written nothing there."""

OPEN = "open."
"""How a token begins that the open door of one of Signet's services lets in, unseen."""

LIFE = 600
"""Seconds that a token lives: the most that Signet's services accept."""


@dataclass(frozen=True)
class Issuer:
    """An issuer whose key set and feed are at `address`, and what peers have to be told of it, in files."""

    fake: FakeIssuer
    address: str
    public_key: Path
    secret: Path

    def bearers(self, number: int) -> list[str]:
        """Sign so many tokens, no two alike."""
        with ThreadPoolExecutor(2) as threads:  # signing leaves the interpreter to others
            return [f"Authorization: Bearer {token}" for token in threads.map(lambda _: self._token(), range(number))]

    def open_bearer(self) -> str:
        """Return what the open door lets in: as long as a token, and none."""
        return f"Authorization: Bearer {OPEN}{self._token()[len(OPEN) :]}"

    def secret_bearers(self, number: int) -> list[str]:
        """Sign so many by the secret that the article's servers share."""
        secret = self.secret.read_text("ascii")
        return [f"Authorization: Bearer {jwt.encode(self._claims(), secret, 'HS256')}" for _ in range(number)]

    def forgeries(self) -> dict[str, str | None]:
        """Return headers that nobody may accept, by what is wrong with them."""
        other = self.fake.attackers_key()
        header, payload, signature = self._token().split(".")
        _, another_payload, _ = self._token(sub="somebody-else").split(".")
        tokens = {
            "a token that another key has signed": jwt.encode(
                self._claims(), other, "RS256", headers=self.fake.header()
            ),
            "a token with another's claims": f"{header}.{another_payload}.{signature}",
            "a token without a signature": jwt.encode(self._claims(), "", "none"),
            "a token that has expired": self._token(expires_in=-60),
            "a token for another audience": self._token(aud="urn:signet:orders"),
        }
        return _as_headers(tokens) | {"no token": None, "a token in pieces": f"Authorization: Bearer {payload}"}

    def secret_forgeries(self) -> dict[str, str | None]:
        """Return the same for those who share a secret."""
        secret = self.secret.read_text("ascii")
        expired = {**self._claims(), "iat": 1, "exp": 600}
        tokens = {
            "a token by another secret": jwt.encode(self._claims(), secrets.token_hex(32), "HS256"),
            "a token without a signature": jwt.encode(self._claims(), "", "none"),
            "a token that has expired": jwt.encode(expired, secret, "HS256"),
        }
        return _as_headers(tokens) | {"no token": None}

    def _claims(self, **claims: Any) -> dict[str, object]:  # noqa: ANN401 -- whatever a claim may be
        return self.fake.claims(**_claims(**claims))

    def _token(self, **claims: Any) -> str:  # noqa: ANN401
        return self.fake.token(**_claims(**claims))


def _claims(**claims: Any) -> dict[str, Any]:  # noqa: ANN401
    good = {"aud": AUDIENCE, "sub": SUBJECT, "name": NAME, "scope": SCOPE, "sid": secrets.token_hex(16)}
    return {"client_id": "signet-web", "expires_in": LIFE, **good, **claims}


def _as_headers(tokens: Mapping[str, str]) -> dict[str, str | None]:
    return {fault: f"Authorization: Bearer {token}" for fault, token in tokens.items()}


@contextmanager
def issuing(folder: Path) -> Iterator[Issuer]:
    """Run an issuer for the length of a block."""
    # Who waits for its feed at the end is cut off, and uvicorn would say so at length.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    with IssuerOverHttp() as served:
        public_key, secret = folder / "public-key.pem", folder / "secret"
        key = served.fake.private_key.public_key()
        public_key.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        secret.write_text(secrets.token_hex(32), "ascii")
        yield Issuer(served.fake, f"http://127.0.0.1:{served.port}", public_key, secret)
