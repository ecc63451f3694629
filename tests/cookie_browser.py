"""What a browser does with a login in cookies, without one: it keeps them, sends them, and says that it is our page."""

from typing import Any

import httpx
from tests.running_system import Person, System


class CookieBrowser:
    """A page of the door's own, and its cookies. (httpx sends no Secure cookie over HTTP, not even to localhost.)"""

    def __init__(self, system: System) -> None:
        self.system = system
        port = httpx.URL(system.url).port
        self.access, self.refresh = (f"__Host-signet-{port}-{name}" for name in ("access", "refresh"))
        self.jar: dict[str, str] = {}

    def log_in(self, person: Person) -> httpx.Response:
        answer = self.ask("POST", "/login", json=person.credentials | {"transport": "cookie"})
        assert answer.status_code == 200, answer.text
        return answer

    def ask(self, method: str, path: str, *, jar: dict[str, str] | None = None, **more: Any) -> httpx.Response:  # noqa: ANN401 -- as httpx takes it
        """Send a request with the cookies, or those of another `jar`, and do with the answer's as a browser does."""
        carried = self.jar if jar is None else jar
        headers = {"Sec-Fetch-Site": "same-origin"}
        if carried:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in carried.items())
        answer = self.system.request(method, path, headers=headers, **more)
        for set_cookie in answer.headers.get_list("set-cookie"):
            pair, *attributes = set_cookie.split("; ")
            name, _, value = pair.partition("=")
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} < set(attributes)
            if jar is None and "Max-Age=0" in attributes:
                self.jar.pop(name, None)
            elif value:
                self.system.secrets |= {value, value.rpartition(".")[2]}
                if jar is None:
                    self.jar[name] = value
        return answer

    def let_the_access_cookie_end(self) -> None:
        """Do what a browser does when Max-Age has passed."""
        del self.jar[self.access]
