"""Changing a token, in the two ways everyone thinks of first."""

from signet.demo.scene import Scene
from signet.demo.token_parts import put_together, taken_apart


def tampering(scene: Scene) -> None:
    """Raise the scope; then say that there is no signature."""
    scene.keep_fresh()
    scene.telling.say(
        "Ada makes herself an administrator: she decodes the payload, adds profiles:read and accounts:manage to its "
        "scope, and encodes it again. The signature she must leave as it is, for she has no private key."
    )
    forged = with_more_scope(scene.token)
    for path in ("/api/profile", "/api/orders"):
        scene.ask("GET", path, token=forged, expect=401, reason="bad_signature")
    scene.telling.say(
        'Then she writes "alg": "none" into the header, which early JWT libraries took for an order not to check.'
    )
    parts = taken_apart(scene.token)
    unsigned = put_together(parts._replace(header=parts.header | {"alg": "none"}))
    for path in ("/api/profile", "/api/orders"):
        scene.ask("GET", path, token=unsigned, expect=401, reason="unsupported_algorithm")
    scene.telling.say("Her own token, as it was, counts as before:")
    scene.ask("GET", "/api/profile", token=scene.token, expect=200, members=())
    scene.telling.proves(
        "Anyone can read a token, and whoever changes it is found out, at each service by itself: the gateway "
        "checked nothing. The answer names the check that failed. How a token must be signed is the verifier's "
        "decision, never the token's."
    )


def with_more_scope(token: str) -> str:
    """Return a token that claims an administrator's scope, under a signature that was made for another payload."""
    parts = taken_apart(token)
    scope = f"{parts.payload.get('scope', '')} profiles:read accounts:manage".strip()
    return put_together(parts._replace(payload=parts.payload | {"scope": scope}))
