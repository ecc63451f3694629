"""The first steps: the stack, an account, a login, and what the token says."""

from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from signet.demo.scene import Scene
from signet.demo.token_parts import taken_apart
from signet.environment import SERVICES

ROLES = {
    "auth": "knows passwords, signs tokens",
    "profile": "verifies tokens by itself",
    "orders": "verifies tokens by itself",
    "gateway": "is the only door",
}


def one_door(scene: Scene) -> None:
    """Show the processes."""
    scene.telling.say(
        "Four processes run now: three services, each with a database of its own, and the gateway, with none. A "
        "person or an app talks to the gateway alone, and so does this story."
    )
    table = scene.telling.table("process", "pid", "address", "what it does")
    for name in SERVICES:
        address = scene.stack.url if name == "gateway" else scene.stack.service_url(name)
        table.add_row(name, str(scene.stack.process(name).pid), address, ROLES[name])
    scene.telling.show(table)
    pids = {scene.stack.process(name).pid for name in SERVICES}
    scene.telling.check("Four processes, which share no memory and no store", expected=4, actual=len(pids))
    scene.telling.say("What they tell their operator, such as their metrics, is not to be had at the door:")
    scene.ask("GET", "/metrics", expect=404, reason="not_found")
    scene.telling.proves("There is one way in, and it leads to what is public and to nothing else.")


def registering(scene: Scene) -> None:
    """Make an account."""
    scene.telling.say("Ada makes an account. Auth alone learns her password, and keeps only an Argon2id hash of it.")
    body = {"email": scene.email, "name": "Ada Lovelace", "password": scene.password}
    answer = scene.ask("POST", "/register", body=body, expect=201)
    scene.telling.check("The answer repeats no password", expected=False, actual="password" in (answer.body or {}))
    scene.telling.proves(
        "From here on Ada is her sub, an identifier that means nothing outside. An e-mail address would be "
        "personal data in every token, and it can change hands."
    )


def logging_in(scene: Scene) -> None:
    """Log in."""
    scene.telling.say("Ada logs in, once. (Passwords are masked here and tokens cut short; what is sent is real.)")
    answer = scene.log_in(members=None)
    scene.take(answer)
    scene.telling.check("No cookie is set", expected=False, actual="set-cookie" in answer.headers)
    scene.telling.check("No cache may keep the answer", expected="no-store", actual=answer.headers.get("cache-control"))
    scene.telling.proves(
        "The answer is a signed access token. Whoever holds it can use it (that is what Bearer says), for as many "
        "seconds as expires_in says."
    )


def taking_apart(scene: Scene) -> None:
    """Decode the token."""
    scene.telling.say(
        "The token is three parts of base64url with dots between them. Decoding them takes no key. This is reading, "
        "not trusting: nothing below has been verified."
    )
    parts = taken_apart(scene.token)
    table = scene.telling.table("name", "value", "which means", widths={"value": 32})
    encoded = scene.token.split(".")
    for part, says, text in (("header", parts.header, encoded[0]), ("payload", parts.payload, encoded[1])):
        table.add_row(f"[bold cyan]{part}[/]", f"[dim]{text[:12]}… ({len(text)} characters)[/]", "[dim]decoded:[/]")
        for name, value in says.items():
            table.add_row(escape(name), escape(_plain(value)), _meaning(name, says))
    size = len(parts.signature) * 3 // 4 * 8
    table.add_row(
        "[bold cyan]signature[/]",
        f"[dim]{encoded[2][:12]}… ({len(encoded[2])} characters)[/]",
        f"{size} bits, over the two parts",
    )
    scene.telling.show(table)
    check = scene.telling.check
    check("It is signed with RS256", expected="RS256", actual=parts.header.get("alg"))
    check("It says that it is an access token", expected="at+jwt", actual=parts.header.get("typ"))
    check("Ada's e-mail address is not in it", expected=False, actual=scene.email in str(parts.payload))
    check("Her password is not in it", expected=False, actual=scene.password in str(parts.payload))
    life = _whole(parts.payload.get("exp")) - _whole(parts.payload.get("iat"))
    check("It ends within ten minutes", expected=True, actual=0 < life <= 600)
    scene.telling.proves(
        "A token is encoded, not encrypted: anyone can read it, so no secret belongs in it. What nobody can do is "
        "change it; step 9 tries."
    )


MEANINGS = {
    "alg": "how it is signed",
    "typ": "what it is: an access token",
    "kid": "which key signed; step 7 finds it",
    "iss": "who issued it: auth",
    "sub": "who: Ada, to those who know",
    "aud": "for whom: any other refuses it",
    "client_id": "which application got it",
    "jti": "which token: each has its own",
    "sid": "which login it belongs to",
    "scope": "what it may be used for",
    "name": "so that a service can greet her",
}


def _meaning(name: str, says: dict[str, Any]) -> str:
    """Say what a claim means; the times in words."""
    issued, ends, proved = (_whole(says.get(claim)) for claim in ("iat", "exp", "auth_time"))
    match name:
        case "iat":
            return f"issued at {_clock(issued)}"
        case "exp":
            return f"ends {_minutes(ends - issued)} later, at {_clock(ends)}"
        case "auth_time":
            return "password given " + ("just then" if issued - proved <= 1 else f"{issued - proved} s before")
    return MEANINGS.get(name, "")


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _clock(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds % 60 == 0 else f"{seconds} s"
