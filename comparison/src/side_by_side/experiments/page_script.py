"""What a script on the page can take with it."""

from side_by_side.cookie_rules import Cookie
from side_by_side.exchange import ask_once
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import UnexpectedAnswerError

NAME = "page script"
CLAIM = "A script that got onto the page reads whatever local storage holds, and nothing of an HttpOnly cookie."
PROCEDURE = (
    "The log-in's answer is taken as a browser takes it: a cookie by the rules of RFC 6265bis, a body by the "
    "page's own script, which puts it into local storage. Counted are the bytes of credentials that a script can "
    "read. No browser is run. A script can still send requests from the page, with either."
)


def measure(lab: Laboratory) -> Result:
    """Log in and see what is left for a script."""
    session, jwt = lab.way("session-valkey", "session-memory"), lab.ways["jwt-followed"]
    person = session.register()
    body = {"email": person.email, "password": person.password}
    set_cookie = ask_once(session.desk, "POST", "/login", body=body).headers["set-cookie"]
    careless = set_cookie.replace("; HttpOnly", "")
    kept = jwt.log_in(jwt.register())
    in_cookies = lab.ways["jwt-cookie"]
    other = in_cookies.register()
    body = {"email": other.email, "password": other.password, **in_cookies.wish}
    begun = ask_once(in_cookies.desk, "POST", "/login", in_cookies.page, body=body)
    shown_to_scripts = "".join(Cookie.parse(each).script_sees for each in begun.set_cookies)
    if len(begun.set_cookies) != 2 or any(
        each.partition(";")[0].partition("=")[2] in begun.body.decode() for each in begun.set_cookies
    ):
        raise UnexpectedAnswerError("a token is in the body, where a script reads it")
    measured = {
        "session": Measured.of("B", [len(Cookie.parse(set_cookie).script_sees)]),
        "session, without HttpOnly": Measured.of("B", [len(Cookie.parse(careless).script_sees)]),
        "jwt in local storage": Measured.of("B", [len(kept.value.removeprefix("Bearer ")) + len(kept.renewal)]),
        "jwt-cookie": Measured.of("B", [len(shown_to_scripts)]),
    }
    attributes = [part.strip() for part in set_cookie.split(";")[1:]]
    return Result(NAME, CLAIM, PROCEDURE, measured, {"attributes": attributes})
