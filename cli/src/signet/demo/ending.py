"""Taking back what was issued: a login ends, keys turn, and one key counts no more."""

from signet.admin import make_administrator
from signet.demo.scene import Answer, Scene
from signet.demo.token_parts import taken_apart

ROOT_EMAIL = "root@example.org"
ROOT_PASSWORD = "a lock without a keyhole"  # noqa: S105 - of an account that lives as long as the demo


def logging_out(scene: Scene) -> None:
    """Log out, and see who still honours a saved token."""
    say = scene.telling.say
    scene.keep_fresh()
    say("Somebody has saved Ada's token. It is good for minutes yet; then she logs out.")
    saved = scene.token
    scene.call_both(token=saved)
    out = scene.ask("POST", "/logout", token=saved, expect=200)
    say("The answer came when it was done: the login's end is in auth's database, and on its feed of revocations.")
    scene.show_when_refused(saved, since=out.at)
    for path in ("/api/profile", "/api/orders"):
        scene.ask("GET", path, token=saved, expect=401, reason="login_ended")
    say(
        "What would have become of it without the feed? A fifth process runs beside the four: orders once more, on "
        "the same data, told to follow nothing (SIGNET_REVOCATIONS_MODE=plain). It verifies as every JWT tutorial "
        "does:"
    )
    scene.ask("GET", "/api/orders", token=saved, expect=200, members=(), process="plain-orders")
    say("Ada logs in again.")
    scene.take(scene.log_in())
    scene.call_both(token=scene.token)
    scene.telling.proves(
        "A JWT can log out like a session. Each service follows auth's signed feed and keeps what has ended in memory: "
        "no shared store, and nobody is asked while a request waits. Where nobody follows, a token lives until it "
        "expires, whatever its owner does."
    )


def turning_keys(scene: Scene) -> None:
    """Rotate the signing keys as an administrator."""
    say, check = scene.telling.say, scene.telling.check
    scene.keep_fresh()
    say("Keys turn once a day by themselves. An administrator, made by signet admin create, has them turn now.")
    make_administrator(scene.stack.data, email=ROOT_EMAIL, name="Root", password=ROOT_PASSWORD)
    token = administrators_token(scene)
    _show_keys(scene, token)
    before = taken_apart(scene.token).header.get("kid")
    turned = scene.ask("POST", "/admin/keys/rotate", token=token, expect=200, members=("active", "pending"))
    check("The key that stood ready signs now", expected=True, actual=turned["active"] in scene.key_ids)
    fresh = str(scene.log_in()["access_token"])
    check("A new token is signed with it", expected=turned["active"], actual=taken_apart(fresh).header.get("kid"))
    check("Ada's earlier one is not", expected=False, actual=before == turned["active"])
    say("Both count at both services. Nobody had to be told: every verifier has had the new key since the first start.")
    scene.call_both(token=scene.token)
    scene.call_both(token=fresh)
    say("Once more, at once? The next key is not known to every verifier yet:")
    scene.ask(
        "POST", "/admin/keys/rotate", token=token, expect=409, reason="rotation_too_early", headers=("retry-after",)
    )
    scene.telling.proves(
        "No key signs before every verifier can have it, and none is taken away while a token of its lives: the code "
        "sees to it, and not a runbook."
    )


def killing_a_key(scene: Scene) -> None:
    """Declare the old key compromised."""
    say, check = scene.telling.say, scene.telling.check
    say("The old key may have leaked. Waiting until its last token has expired is what cannot be afforded now.")
    old, fresh = scene.token, str(scene.log_in()["access_token"])
    scene.dead_token = old
    kid = str(taken_apart(old).header.get("kid"))
    token = administrators_token(scene)
    killed = scene.ask("POST", f"/admin/keys/{kid}/compromise", token=token, expect=200, members=("active", "seq"))
    scene.show_when_refused(old, since=killed.at)
    for path in ("/api/profile", "/api/orders"):
        scene.ask("GET", path, token=old, expect=401, reason="key_revoked")
    say("Whoever has a token under another key notices nothing:")
    scene.call_both(token=fresh)
    say("And Ada, whose token is dead, need not log in: no key has signed her refresh token. Her login goes on.")
    body = {"refresh_token": scene.refresh_token}
    scene.take(scene.ask("POST", "/refresh", body=body, expect=200, members=("access_token", "expires_in")))
    before, after = taken_apart(old), taken_apart(scene.token)
    check("The successor signed the next one", expected=killed["active"], actual=after.header.get("kid"))
    check("It is of the same login", expected=before.payload.get("sid"), actual=after.payload.get("sid"))
    scene.call_both(token=scene.token)
    keys = scene.ask("GET", "/.well-known/jwks.json", expect=200, members=())["keys"]
    scene.key_ids = [str(key.get("kid")) for key in keys]
    check("The key set does not have the old key any more", expected=False, actual=kid in scene.key_ids)
    scene.telling.proves(
        "The same feed says which key nobody should believe, and an answer signed by that key is believed least of "
        "all: the successor signed this one. No stale cache of the key set brings it back. Nobody has to log in for "
        "it: a login lies in auth's database, and outlives the keys that sign for it."
    )


def administrators_token(scene: Scene) -> str:
    """Log in as the administrator, for auth alone: it takes no other token for this."""
    body = {"email": ROOT_EMAIL, "password": ROOT_PASSWORD, "resource": ["urn:signet:auth"]}
    answer = scene.ask("POST", "/login", body=body, expect=200, members=("access_token", "scope"))
    return str(answer["access_token"])


def _show_keys(scene: Scene, token: str) -> Answer:
    answer = scene.ask("GET", "/admin/keys", token=token, expect=200, members=())
    table = scene.telling.table("key", "state", "next")
    for key in answer["keys"]:
        following = key.get("next") or {}
        table.add_row(str(key.get("kid")), str(key.get("state")), str(following.get("state", "")))
    scene.telling.show(table)
    return answer
