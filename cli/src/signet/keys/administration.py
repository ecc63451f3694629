"""Asks auth, as an administrator, about its signing keys. Each question begins with a login that is for auth alone."""

from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from signet.failure import Failure

_SECONDS: Final = 10.0
"""For one request: a new key may have to be made, and auth be busy."""

_FOR_AUTH: Final = {"resource": "urn:signet:auth", "scope": "keys:manage"}


class RefusedError(Failure):
    """Auth has answered, and not with what was asked for; `problem` is its document."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or f"Refused with status {problem.get('status')}."))
        self.problem = problem


class KeyAdministration:
    """An administrator's access to the keys, from a login on. Raises RefusedError; Failure where nobody answers."""

    def __init__(self, door: httpx.Client) -> None:
        self._door = door

    @classmethod
    def of(cls, url: str) -> Self:
        """Return it for the system whose door is at that URL. Raises Failure when it is no URL."""
        try:
            return cls(httpx.Client(base_url=url, trust_env=False, timeout=_SECONDS))
        except httpx.InvalidURL as error:
            raise Failure(f"{url} is not a URL: {error}.", status=2) from None

    def log_in(self, email: str, password: str) -> None:
        """Get a token for auth alone, with one scope."""
        token = self._ask("POST", "/login", json={"email": email, "password": password, **_FOR_AUTH})["access_token"]
        self._door.headers["Authorization"] = f"Bearer {token}"

    def all(self) -> list[dict[str, Any]]:
        """Return every key: `kid`, `state`, `since` and `next`."""
        return list(self._ask("GET", "/admin/keys")["keys"])

    def rotate(self) -> dict[str, Any]:
        """Let the pending key sign, and return `active`, `pending` and `seq`."""
        return self._ask("POST", "/admin/keys/rotate")

    def compromise(self, kid: str) -> dict[str, Any]:
        """Have every service reject a key, and return `active`, `pending` and `seq`."""
        return self._ask("POST", f"/admin/keys/{quote(kid, safe='')}/compromise")

    def close(self) -> None:
        """Close the connections."""
        self._door.close()

    def _ask(self, method: str, path: str, json: object = None) -> dict[str, Any]:
        try:
            answer = self._door.request(method, path, json=json)
            document = answer.json()
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(f"{self._door.base_url} does not answer: {error}.", status=2) from None
        except ValueError:
            raise Failure(f"{self._door.base_url} answers, but not as Signet does.", status=2) from None
        if not isinstance(document, dict):
            raise Failure(f"{self._door.base_url} answers, but not as Signet does.", status=2)
        if not answer.is_success:
            raise RefusedError(document)
        return document
