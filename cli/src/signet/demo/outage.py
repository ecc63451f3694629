"""The issuer goes away, and comes back."""

from signet.demo.forging import with_more_scope
from signet.demo.scene import Scene
from signet.demo.token_parts import taken_apart


def ending_auth(scene: Scene) -> None:
    """End auth's process."""
    scene.keep_fresh()
    pid = scene.stack.process("auth").pid
    scene.telling.say(f"Auth's process ({pid}) is ended now. Nobody can log in:")
    scene.stack.stop("auth")
    running = scene.stack.process("auth").poll() is None
    scene.telling.check(f"Process {pid} is gone", expected=False, actual=running)
    body = {"email": scene.email, "password": scene.password}
    scene.ask("POST", "/login", body=body, expect=502, reason="upstream_unreachable")
    scene.telling.say("But whoever is logged in notices nothing, and who forges is found out as before:")
    scene.call_both(token=scene.token)
    scene.ask("GET", "/api/orders", token=with_more_scope(scene.token), expect=401, reason="bad_signature")
    scene.telling.say("She orders wax. Orders cannot exchange her token now, and takes the order without an address:")
    wax = {"items": [{"sku": "WAX-RED", "quantity": 1}]}
    shown = ("id", "status", "delivery")
    order = scene.ask("POST", "/api/orders", token=scene.token, body=wax, expect=201, members=shown)
    scene.pending_order = str(order["id"])
    status = order["delivery"]["status"]
    scene.telling.check("Where it goes is not known yet, and it says so", expected="pending", actual=status)
    scene.telling.proves(
        "Verifying needs auth's public keys and not auth. The services keep the last good key set for an hour. What "
        "does need auth waits a moment for it, and not longer."
    )


def restarting_orders(scene: Scene) -> None:
    """Restart a service while the issuer is away."""
    before = scene.stack.process("orders").pid
    scene.telling.say("The harder case: orders is restarted while auth is away. It has nobody to ask for keys.")
    scene.stack.restart("orders")
    after = scene.stack.process("orders").pid
    scene.telling.check(
        f"Orders is a new process: {before} has ended, {after} runs", expected=True, actual=before != after
    )
    scene.call_both(token=scene.token)
    scene.ask("GET", "/api/orders", expect=401, reason="no_credentials")
    scene.telling.say("And what the key had signed that was killed in step 15 is as dead as before:")
    scene.ask("GET", "/api/orders", token=scene.dead_token, expect=401, reason="key_revoked")
    scene.telling.proves(
        "The last good key set also lies on the service's disk, with the time of its fetch, and counts within the "
        "same hour. So does what it had learnt from the feed, which it never forgets."
    )


def bringing_auth_back(scene: Scene) -> None:
    """Start auth again on what it kept."""
    scene.telling.say("Auth starts again, on its database and its key-encryption key.")
    scene.stack.start("auth")
    keys = scene.ask("GET", "/.well-known/jwks.json", expect=200, members=())["keys"]
    kept = sorted(str(key.get("kid")) for key in keys)
    scene.telling.check("It has the same keys as before", expected=sorted(scene.key_ids), actual=kept)
    scene.telling.say("The token from before the outage, and a new one:")
    scene.call_both(token=scene.token)
    fresh = str(scene.log_in()["access_token"])
    scene.call_both(token=fresh)
    same = taken_apart(fresh).payload.get("sub") == taken_apart(scene.token).payload.get("sub")
    scene.telling.check("It is the same Ada, by her sub", expected=True, actual=same)
    if scene.pending_order:
        scene.telling.say("And the order from the outage can be told where to go:")
        path = f"/api/orders/{scene.pending_order}/delivery-address"
        order = scene.ask("PUT", path, token=fresh, expect=200, members=("id", "delivery"))
        status = order["delivery"]["status"]
        scene.telling.check("Its address is settled", expected="settled", actual=status)
    scene.telling.proves(
        "Keys and accounts survive a restart. A key made anew at each start would have made every token out there "
        "worthless."
    )
