"""Using the token: two services honour it, none is needed where it is missing, and the key set says who signed."""

from signet.demo.scene import Scene
from signet.demo.token_parts import taken_apart, thumbprint

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def calling_both(scene: Scene) -> None:
    """Call profile and orders with the one token."""
    say, check = scene.telling.say, scene.telling.check
    scene.keep_fresh()
    say("The same token, at two services that have never heard of this login.")
    profile = scene.ask("GET", "/api/profile", token=scene.token, expect=200, members=("sub", "name"))
    check(
        "Profile knows her name from the token: it looked nothing up", expected="Ada Lovelace", actual=profile["name"]
    )
    say("The catalogue is public. Its prices are in minor units: 1250 is 12.50.")
    item = scene.ask("GET", "/api/catalogue", expect=200)["items"][0]
    say(f"Ada orders two of {item['name']}.")
    body = {"items": [{"sku": item["sku"], "quantity": 2}]}
    order = scene.ask("POST", "/api/orders", token=scene.token, body=body, expect=201, headers=("location",))
    scene.order_id = str(order["id"])
    check(
        "The total is the service's own: two at its price",
        expected=2 * item["price"]["amount"],
        actual=order["total"]["amount"],
    )
    scene.telling.proves(
        "One login, honoured by services that share no session store: each verified the signature with auth's "
        "public key, and asked nobody."
    )


def without_credentials(scene: Scene) -> None:
    """Call without a token."""
    scene.telling.say("The same two requests without a token.")
    for path in ("/api/profile", "/api/orders"):
        answer = scene.ask("GET", path, expect=401, reason="no_credentials", headers=("www-authenticate",))
        challenge = answer.headers.get("www-authenticate")
        scene.telling.check("It is challenged: bring a bearer token", expected="Bearer", actual=challenge)
    scene.telling.proves(
        "401 means: I do not know who you are, and here is how to say so. (403 is for someone who is known and may "
        "not.)"
    )


def finding_the_key(scene: Scene) -> None:
    """Show the key set, and compute which key signed."""
    scene.telling.say(
        "How can they verify without a secret? Auth publishes its public keys; the private ones never leave it."
    )
    answer = scene.ask("GET", "/.well-known/jwks.json", expect=200, headers=("cache-control", "etag"))
    keys = answer["keys"]
    scene.telling.say(
        "A key's id is its thumbprint (RFC 7638): the SHA-256 of its members e, kty and n. Computed from the answer "
        "above:"
    )
    used = taken_apart(scene.token).header.get("kid")
    table = scene.telling.table("thumbprint", "")
    scene.key_ids = [thumbprint(key) for key in keys]
    for key_id in scene.key_ids:
        table.add_row(key_id, "← signed the token" if key_id == used else "is the next one")
    scene.telling.show(table)
    check = scene.telling.check
    check("Each kid is the thumbprint of its key", expected=scene.key_ids, actual=[key.get("kid") for key in keys])
    check("The token's key is one of them", expected=True, actual=used in scene.key_ids)
    check("No private member is among them", expected=[], actual=[key for key in keys if PRIVATE_MEMBERS & key.keys()])
    scene.telling.proves(
        "Whoever has this set can verify, and cannot sign. With a shared secret (HS256) each verifier could forge."
    )


def narrowing(scene: Scene) -> None:
    """Log in for one service alone."""
    scene.telling.say("Ada logs in again, and asks for a token that is good at orders alone (RFC 8707).")
    narrow = str(scene.log_in(resource=["urn:signet:orders"])["access_token"])
    audience = taken_apart(narrow).payload.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    scene.telling.check("The token names orders, and no other", expected=["urn:signet:orders"], actual=named)
    scene.ask("GET", "/api/orders", token=narrow, expect=200, members=())
    refusal = ("www-authenticate",)
    scene.ask("GET", "/api/profile", token=narrow, expect=401, reason="wrong_audience", headers=refusal)
    scene.telling.proves(
        "A good signature is not enough: a token is for someone. Should orders leak it, it opens no other service."
    )
