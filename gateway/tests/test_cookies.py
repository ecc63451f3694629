"""The cookies as they are written and read, and who may send them."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.cookies import Carried, Cookies, CookieTooLarge
from gateway.csrf import refuse_other_origins
from gateway.login_tokens import LoginTokens
from gateway.renewals import Renewals
from service_chassis.problems import Problem

TOKENS = LoginTokens(access="a.b.c", refresh="r", scope="x", expires_in=300, refresh_expires_in=1800)
ATTRIBUTES = ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]


def header(value: str) -> list[tuple[bytes, bytes]]:
    return [(b"accept", b"*/*"), (b"cookie", value.encode())]


def test_a_cookie_is_of_this_host_alone_and_no_script_reads_it() -> None:
    """Exactly these attributes: the prefix allows no Domain, and asks for Secure and the path /. [RFC 6265bis]"""
    access, refresh = Cookies("http://localhost:8080").setting(TOKENS)
    assert access.split("; ") == ["__Host-signet-8080-access=a.b.c", "Max-Age=300", *ATTRIBUTES]
    assert refresh.split("; ") == ["__Host-signet-8080-refresh=r", "Max-Age=1800", *ATTRIBUTES]


def test_what_takes_a_cookie_away_names_the_same_cookie() -> None:
    """A browser takes a `Set-Cookie` with other attributes for another cookie, or drops it."""
    cookies = Cookies("http://localhost:8080")
    for set_, cleared in zip(cookies.setting(TOKENS), cookies.clearing(), strict=True):
        name, _, value = cleared.partition("; ")[0].partition("=")
        assert (name, value) == (set_.partition("=")[0], "")
        assert cleared.split("; ")[1:] == ["Max-Age=0", *ATTRIBUTES]


def test_what_describes_a_cookie_does_not_hold_it() -> None:
    """A script is told all of `Set-Cookie` but the value."""
    cookies = Cookies("http://localhost:8080")
    for set_, described in zip(cookies.setting(TOKENS), cookies.described(TOKENS), strict=True):
        assert described.split("; ")[1:] == set_.split("; ")[1:]
        assert described.partition("; ")[0] == f"{set_.partition('=')[0]}=…"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://id.example", "__Host-signet-access"),
        ("https://id.example:443", "__Host-signet-access"),
        ("http://localhost", "__Host-signet-access"),
        ("https://id.example:8443", "__Host-signet-8443-access"),
        ("http://localhost:9090", "__Host-signet-9090-access"),
    ],
)
def test_the_port_is_in_the_name(url: str, name: str) -> None:
    """Ports of one host share a cookie jar: two stacks do not take each other's cookies for their own."""
    assert Cookies(url).access_name == name


def test_a_request_carries_what_stands_in_its_cookie_headers() -> None:
    """Whatever stands around it; one of the two is enough; another stack's, and what only looks like ours, is not."""
    cookies = Cookies("http://localhost:8080")
    access, refresh = cookies.access_name, cookies.refresh_name
    assert cookies.carried(header(f"a=b; {access}=x.y.z;{refresh}=r; c")) == Carried("x.y.z", "r")
    assert cookies.carried([*header(f"{access}=x"), *header(f"{refresh}=r")]) == Carried("x", "r")
    assert cookies.carried(header(f"{refresh}=r")) == Carried("", "r")
    for other in ("a=b", f"{access}=", "__Host-signet-9090-access=x", f"x{access}=x", f"{access}x=x", access.lower()):
        assert cookies.carried(header(other)) is None, other


def test_a_cookie_that_stands_there_twice_is_refused() -> None:
    """Somebody has planted one of them; nobody guesses which. Also in two headers, and if both are the same."""
    cookies = Cookies("http://localhost:8080")
    for name in (cookies.access_name, cookies.refresh_name):
        for headers in (header(f"{name}=x; {name}=x"), [*header(f"{name}=x"), *header(f"{name}=")]):
            with pytest.raises(Problem) as refusal:
                cookies.carried(headers)
            assert (refusal.value.status, refusal.value.reason) == (400, "invalid_request")


def test_a_cookie_that_browsers_would_drop_is_not_written() -> None:
    """They drop one of over 4096 bytes without a word, and the login would be lost with it."""
    cookies = Cookies("http://localhost:8080")
    room = 4095 - len(cookies.setting(TOKENS)[0]) + len(TOKENS.access)
    fits = LoginTokens("a" * room, "r", "x", 300, 1800)
    assert len(cookies.setting(fits)[0]) == 4095
    with pytest.raises(CookieTooLarge):
        cookies.setting(LoginTokens("a" * (room + 1), "r", "x", 300, 1800))


Fields = list[tuple[str, str]]

OURS: tuple[Fields, ...] = (
    [("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "none")],
    [("origin", "http://localhost:8080")],
)
OTHERS: tuple[Fields, ...] = (
    [],
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site")],
    [("sec-fetch-site", "")],
    [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080")],
    [("origin", "null")],
    [("origin", "http://localhost")],
    [("origin", "https://localhost:8080")],
    [("origin", "http://localhost:8081")],
    [("origin", "http://localhost:8080.evil.test")],
    [("origin", "http://localhost:8080"), ("origin", "http://evil.test")],
    [("referer", "http://localhost:8080/"), ("host", "localhost:8080")],
)


@pytest.mark.parametrize("sent", OURS)
def test_a_page_of_ours_may_change_things(sent: Fields) -> None:
    """The browser says that it was this origin's page, or no page at all; an older one says the origin."""
    refuse_other_origins([(name.encode(), value.encode()) for name, value in sent], b"http://localhost:8080")


@pytest.mark.parametrize("sent", OTHERS)
def test_nobody_elses_page_may(sent: Fields) -> None:
    """Other sites, other ports of this host, and whoever does not say where they come from."""
    with pytest.raises(Problem) as refusal:
        refuse_other_origins([(name.encode(), value.encode()) for name, value in sent], b"http://localhost:8080")
    assert (refusal.value.status, refusal.value.reason) == (403, "cross_site")


class Auth:
    """Counts what it is asked, and answers when it is let."""

    def __init__(self, outcome: LoginTokens | Problem = TOKENS) -> None:
        self.asked = 0
        self.outcome = outcome
        self.may_answer = asyncio.Event()

    async def ask(self) -> LoginTokens:
        self.asked += 1
        await self.may_answer.wait()
        if isinstance(self.outcome, Problem):
            raise self.outcome
        return self.outcome


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def renewals(clock: Callable[[], float]) -> Renewals:
    return Renewals(keep=10, clock=clock)


async def test_one_question_for_all_who_wait_and_for_the_moment_after() -> None:
    """Tokens that are kept are as old as they are; when they are kept no longer, auth decides anew."""
    auth, clock = Auth(), Clock()
    kept = renewals(clock)
    waiting = [asyncio.create_task(kept.renewed("r", auth.ask)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who asked first leaves: the question goes on
    await asyncio.sleep(0)
    auth.may_answer.set()
    assert await asyncio.gather(*waiting[1:]) == [TOKENS] * 19
    clock.now += 9
    late = await kept.renewed("r", auth.ask)
    assert (late.access, late.expires_in, late.refresh_expires_in) == (TOKENS.access, 291, 1791)
    assert auth.asked == 1
    await kept.renewed("another", auth.ask)
    await kept.renewed("r", auth.ask, anew=True)
    clock.now += 10
    await kept.renewed("r", auth.ask)
    assert auth.asked == 4


async def test_whoever_comes_at_whatever_moment_asks_no_second_time() -> None:
    """Before, while and after the answer comes: there is no gap between waiting for it and finding it."""
    auth, waiting = Auth(), []
    kept = renewals(Clock())
    for step in range(20):
        waiting.append(asyncio.create_task(kept.renewed("r", auth.ask)))
        await asyncio.sleep(0)
        if step == 5:
            auth.may_answer.set()
    assert await asyncio.gather(*waiting) == [TOKENS] * 20
    assert auth.asked == 1


async def test_a_failure_is_told_to_all_who_wait_and_soon_forgotten() -> None:
    """A crowd behind a dead auth asks once a second, not each for itself."""
    auth, clock = Auth(Problem(503, "refresh_unavailable", "Away.")), Clock()
    auth.may_answer.set()
    kept = renewals(clock)
    outcomes = await asyncio.gather(*(kept.renewed("r", auth.ask) for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Problem] * 5
    assert auth.asked == 1
    remembered = kept._renewals["r"].task.result()
    assert isinstance(remembered, Problem)
    assert remembered.__traceback__ is None, "what was raised holds on to a request; what is kept must not"
    assert len({id(each) for each in outcomes}) == 5
    clock.now += 1
    auth.outcome = TOKENS
    assert await kept.renewed("r", auth.ask) == TOKENS


async def test_what_is_over_is_forgotten() -> None:
    """Nothing is kept of a token for longer than for the moment after; a flood of made-up ones is bounded."""
    auth, clock = Auth(), Clock()
    auth.may_answer.set()
    kept = renewals(clock)
    for number in range(150):
        await kept.renewed(str(number), auth.ask)
    clock.now += 11
    for number in range(2):
        await kept.renewed(f"later {number}", auth.ask)
    assert len(kept._renewals) == 2
    for number in range(10_050):
        await kept.renewed(f"made up {number}", auth.ask)
    assert len(kept._renewals) <= 10_000
