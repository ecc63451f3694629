"""The story, step by step."""

from collections.abc import Callable

from signet.demo.calling import calling_both, finding_the_key, narrowing, without_credentials
from signet.demo.ending import killing_a_key, logging_out, turning_keys
from signet.demo.forging import tampering
from signet.demo.logging_in import logging_in, one_door, registering, taking_apart
from signet.demo.ordering import asking_again, changing_her_mind, exchanging
from signet.demo.outage import bringing_auth_back, ending_auth, restarting_orders
from signet.demo.scene import Scene

LESSONS = (
    ("Log in once", "known at both, with no shared store", "5"),
    ("Read a token", "anyone can: encoded, not encrypted", "4"),
    ("Bring none", "401, and a challenge", "6"),
    ("Verify one", "with the public key; auth alone signs", "7"),
    ("Use it at another service", "refused: wrong_audience", "8"),
    ("Change it", "found out by each: bad_signature", "9"),
    ("Let a service ask another", "by an exchanged token, for that alone", "10"),
    ("Lose an answer", "the same key gets the same answer", "11"),
    ("Cancel an order twice", "409: it is cancelled already", "12"),
    ("Log out", "refused everywhere within a second", "13"),
    ("Log out where nobody follows", "the token lives on", "13"),
    ("Turn the keys", "old and new tokens count", "14"),
    ("Kill a key", "all it has signed is refused, at once", "15"),
    ("Lose the issuer", "no new logins; the others go on", "16"),
    ("Restart a service meanwhile", "keys and endings lie on its disk", "17"),
    ("Bring the issuer back", "same keys: old tokens still count", "18"),
)


def closing(scene: Scene) -> None:
    """Sum up."""
    table = scene.telling.table("try to …", "what happens", "step")
    for lesson in LESSONS:
        table.add_row(*lesson)
    scene.telling.show(table)
    scene.telling.say(
        "A token counts until it expires, minutes after its issue, or until its login ends, if that is sooner: where "
        "the feed is followed, that is the same second."
    )
    scene.telling.say("To try it yourself: signet up, and the three commands that it prints.")


Step = tuple[str, Callable[[Scene], None]]

STORY: tuple[Step, ...] = (
    ("One door, four processes", one_door),
    ("Register", registering),
    ("Log in", logging_in),
    ("Take the token apart", taking_apart),
    ("Call two services with it", calling_both),
    ("Call without credentials", without_credentials),
    ("Find the key that signed", finding_the_key),
    ("Narrow a token to one service", narrowing),
    ("Forge a token", tampering),
    ("Let a service ask another", exchanging),
    ("Lose an answer, and ask again", asking_again),
    ("Cancel an order", changing_her_mind),
    ("Log out", logging_out),
    ("Turn the signing keys", turning_keys),
    ("Kill a signing key", killing_a_key),
    ("End the issuer", ending_auth),
    ("Restart a service meanwhile", restarting_orders),
    ("Bring the issuer back", bringing_auth_back),
    ("What was shown", closing),
)
"""Each step with its title, in order; the texts refer to each other by number."""
