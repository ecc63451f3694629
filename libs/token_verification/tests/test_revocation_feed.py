"""RevocationFeed: what a service knows of revocations from minute to minute, with clocks that stand still."""

import asyncio
import logging
from pathlib import Path
from typing import get_args

import httpx
import pytest
from libs.token_verification.tests.following import NOW, Service, Time, eventually, issuer_at, running

from token_verification import RevocationFeed, RevocationsUnavailable
from token_verification.fake_revocation_endpoint import FeedBehaviour
from token_verification.key_set import VerificationKey
from token_verification.revocation_answer import Revocation
from token_verification.testing import FakeIssuer

BAD_ANSWERS: dict[FeedBehaviour, str] = {
    "down": "it failed with ConnectError",
    "error": "the answer was 500",
    "hang": "it took longer than 3 s",
    "garbage": "the answer cannot be read: it has 1 parts instead of three",
    "html": "the answer was text/html, not application/jwt",
    "huge": "the answer was larger than 2097152 bytes",
    "redirect": "the answer was 302",
    "compressed": "the answer was compressed",
    "wrong_signature": "the answer's signature is not that of the key which it names",
    "unknown_key": "the answer is signed by a key that is not known, unknown-",
    "wrong_type": "the answer's header is not one of RS256, revocations+jwt and a kid alone",
    "wrong_issuer": "the answer is from https://attacker.test, not from https://issuer.test",
    "wrong_after": "the answer is to another question",
    "expired": "the answer has ended",
    "long_lived": "the answer is good for too long",
    "replayed": "the answer has ended",
    # Once it has asked for all anew: behind the very beginning there is nothing.
    "rolled_back": "the answer has no seq, no more or no revoked of its form",
    "access_token": "the answer's header is not one of RS256, revocations+jwt and a kid alone",
}


@pytest.fixture
def time() -> Time:
    return Time(now=0)


@pytest.fixture
def issuer(time: Time) -> FakeIssuer:
    return issuer_at(time)


def bearers(issuer: FakeIssuer) -> tuple[str, str]:
    """Return a token whose login will end, and one whose login will not."""
    return issuer.token(sid="ended"), issuer.token(sid="open")


async def test_what_is_revoked_is_refused_at_once(issuer: FakeIssuer, time: Time) -> None:
    """A good token is refused as soon as the feed has told: nothing else has to happen, and no time to pass."""
    async with running(issuer, time) as service:
        ended, goes_on = bearers(issuer)
        assert await service.answer(ended) == "200"
        seq = issuer.revoke(sid="ended")
        await time.settle()
        assert await service.answer(ended) == "401 login_ended"
        assert service.feed.seq == seq == (NOW + time()) * 1_000_000
        single = issuer.token(sid="open", jti="single")
        issuer.revoke(jti="single")
        await time.settle()
        assert await service.answer(single) == "401 token_revoked"
        assert await service.answer(goes_on) == "200"
        assert (service.feed.remembered, service.feed.answers, service.feed.failures) == (2, 3, 0)


async def test_the_check_waits_for_nothing(issuer: FakeIssuer, time: Time) -> None:
    """A request never waits on the feed: whatever that does, a token is answered without yielding to the event loop."""
    async with running(issuer, time) as service:
        issuer.revoke(sid="ended")
        await time.settle()
        issuer.feed.behaviour = "hang"
        for token in bearers(issuer):
            with pytest.raises((StopIteration, Exception)) as said:
                service.verifier.verify(token).send(None)
            assert said.type.__name__ in {"StopIteration", "InvalidToken"}


@pytest.mark.parametrize("behaviour", BAD_ANSWERS)
async def test_a_bad_answer_changes_nothing(
    behaviour: FeedBehaviour, issuer: FakeIssuer, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the feed says that is not to be believed takes nothing back, and shows; it is over when that is."""
    async with running(issuer, time) as service:
        ended, goes_on = bearers(issuer)
        seq = issuer.revoke(sid="ended")
        await time.advance(1)
        issuer.feed.behaviour = behaviour
        for _ in range(8):
            issuer.feed.wake()
            await time.advance(20)
        assert await service.answer(ended) == "401 login_ended"
        assert await service.answer(goes_on) == "200"
        assert (service.feed.seq, service.feed.remembered) == (seq, 1)
        assert (service.feed.fault or "").startswith(BAD_ANSWERS[behaviour])
        assert service.feed.failures >= 5
        assert service.feed.age is not None
        assert service.feed.age > 100
        assert "feed of revocations lost: " in caplog.text
        caplog.set_level(logging.INFO)
        issuer.feed.behaviour = "well"
        later = issuer.revoke(sid="open")
        await time.advance(30)
        assert await service.answer(goes_on) == "401 login_ended"
        assert (service.feed.fault, service.feed.seq) == (None, later)
        assert f"feed of revocations is back, at seq {later}" in caplog.text


def test_every_misbehaviour_is_tried() -> None:
    """The table above is whole."""
    assert set(BAD_ANSWERS) == set(get_args(FeedBehaviour)) - {"well"}


async def test_an_outage_is_told_once(issuer: FakeIssuer, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    """Five minutes without the feed are a line in the log, and not sixty."""
    async with running(issuer, time):
        issuer.feed.behaviour = "down"
        await time.advance(300)
        assert len([record for record in caplog.records if "feed" in record.getMessage()]) == 1


async def test_a_replay_takes_nothing_back(issuer: FakeIssuer, time: Time) -> None:
    """Every answer that was ever signed, given again to whatever is asked, in any order: what has ended stays ended."""
    async with running(issuer, time) as service:
        tokens = [issuer.token(sid=f"login-{number}") for number in range(5)]
        for number in range(5):
            issuer.revoke(sid=f"login-{number}")
            await time.advance(1)
        seq, answers = service.feed.seq, [answer for _, answer in issuer.feed.answered]
        for answer in [*answers, *reversed(answers)]:
            issuer.feed.behaviour = "replayed"
            issuer.feed.answered = [(-1, answer)]
            issuer.feed.wake()
            await time.advance(0.5)
            assert service.feed.seq == seq
            assert {await service.answer(token) for token in tokens} == {"401 login_ended"}
        assert service.feed.failures >= 3


async def test_a_replay_to_the_same_question_loses_nothing(issuer: FakeIssuer, time: Time) -> None:
    """An older answer to the very question is good, and so brings less: what it lacks comes with the next."""
    stale = issuer.feed.answer(0)
    issuer.revoke(sid="ended")
    issuer.feed.behaviour = "replayed"
    issuer.feed.answered = [(0, stale)]
    async with running(issuer, time) as service:
        assert service.feed.complete
        assert await service.answer(bearers(issuer)[0]) == "200"
        issuer.feed.behaviour = "well"
        await time.advance(0.2)
        assert await service.answer(bearers(issuer)[0]) == "401 login_ended"


async def test_nothing_is_served_before_the_first_complete_read(issuer: FakeIssuer, time: Time) -> None:
    """A start that cannot ask, or has read but a part, answers 503 with Retry-After; afterwards it serves for ever."""
    issuer.feed.most_rows = 2
    for number in range(5):
        issuer.revoke(sid=f"login-{number}")
    issuer.feed.behaviour = "down"
    async with running(issuer, time) as service:
        token = issuer.token(sid="login-9")
        assert await service.answer(token, changes_state=False) == "503 revocations_unavailable"
        assert await service.feed.ready() == (
            "It is not known yet what has been revoked. The last question failed: it failed with ConnectError."
        )
        with pytest.raises(RevocationsUnavailable) as refused:
            service.feed.ensure_known(changes_state=False)
        assert refused.value.headers["retry-after"] == "1"

        # Two pages of three arrive: what they say counts, and that there is more is known.
        pages = [issuer.feed.answer(0)]
        pages.append(issuer.feed.answer(issuer.feed.log[1][0]))
        issuer.feed.behaviour = "replayed"
        issuer.feed.answered = [(0, pages[0]), (issuer.feed.log[1][0], pages[1])]
        await time.advance(1)
        assert (service.feed.seq, service.feed.complete, service.feed.age) == (issuer.feed.log[3][0], False, None)
        assert await service.answer(issuer.token(sid="login-3")) == "401 login_ended"
        assert await service.answer(token) == "503 revocations_unavailable"

        issuer.feed.behaviour = "well"
        await time.advance(5)
        assert await service.answer(token) == "200"
        assert await service.answer(issuer.token(sid="login-4")) == "401 login_ended"
        assert await service.feed.ready() is None
        issuer.feed.behaviour = "down"
        await time.advance(300)
        assert await service.answer(issuer.token(sid="login-9")) == "200"
        assert await service.feed.ready() is None


async def test_a_connection_that_died_silently_ends(issuer: FakeIssuer, time: Time) -> None:
    """A question that gets no answer and no error is given up 3 s after its wait; meanwhile the age grows."""
    async with running(issuer, time) as service:
        issuer.feed.behaviour = "hang"
        issuer.feed.wake()  # ends the question under way, and the next one meets silence
        await time.advance(0.1)
        requests = issuer.feed.requests
        await time.advance(22.9)
        assert (issuer.feed.requests, service.feed.fault, service.feed.age) == (requests, None, 23)
        await time.advance(0.1)
        assert service.feed.fault == "it took longer than 23 s"
        issuer.feed.behaviour = "well"
        await time.advance(4)
        assert service.feed.fault is None
        assert (service.feed.age or 0) < 4


async def test_heartbeats_keep_it_young(issuer: FakeIssuer, time: Time) -> None:
    """While there is nothing to tell, an empty answer comes when the wait ends, and that is all that is asked."""
    async with running(issuer, time) as service:
        assert service.feed.answers == 1  # the first question does not wait
        for _ in range(30):
            await time.advance(20)
            assert service.feed.age == 0
        assert (issuer.feed.requests, service.feed.answers, service.feed.failures) == (32, 31, 0)


async def test_strict_goes_by_its_age(issuer: FakeIssuer, time: Time) -> None:
    """In strict mode changes get 503 once the age passes 3 s, and everything once it passes 30 s, until it is back."""
    async with running(issuer, time, mode="strict") as service:
        ended, goes_on = bearers(issuer)
        for _ in range(20):
            await time.advance(1)
            assert await service.answer(goes_on) == "200"
            assert service.feed.age == 0
        issuer.revoke(sid="ended")
        await time.settle()
        issuer.feed.behaviour = "hang"
        issuer.feed.wake()
        await time.settle()
        for age, reading, changing in (
            (3, "200", "200"),
            (3.01, "200", "503 revocations_unavailable"),
            (30, "200", "503 revocations_unavailable"),
            (30.01, "503 revocations_unavailable", "503 revocations_unavailable"),
        ):
            await time.advance(age - (service.feed.age or 0))
            assert service.feed.age == pytest.approx(age)
            assert await service.answer(goes_on, changes_state=False) == reading
            assert await service.answer(goes_on, changes_state=True) == changing
            assert await service.answer(ended) == "401 login_ended"
        assert await service.feed.ready() == (
            "What has been revoked is known as of 30 s ago, 30 s are allowed."
            " The last question failed: it took longer than 3 s."
        )
        issuer.feed.behaviour = "well"
        await time.advance(10)
        assert await service.answer(goes_on) == "200"
        assert await service.feed.ready() is None


async def test_strict_does_not_start_on_a_part(issuer: FakeIssuer, time: Time) -> None:
    """A strict service is no younger for an answer that left something out, and knows nothing before the first."""
    issuer.feed.behaviour = "down"
    async with running(issuer, time, mode="strict") as service:
        assert await service.answer(issuer.token()) == "503 revocations_unavailable"
        assert "not known since the start, 30 s are allowed" in (await service.feed.ready() or "")
        issuer.feed.most_rows = 1
        for number in range(3):
            issuer.revoke(sid=f"login-{number}")
        issuer.feed.answered = [(0, issuer.feed.answer(0, wait=1))]
        issuer.feed.behaviour = "replayed"
        await time.advance(1)
        assert service.feed.answers == 1
        assert await service.answer(issuer.token(), changes_state=False) == "503 revocations_unavailable"


async def test_pauses_grow_and_differ(issuer: FakeIssuer, time: Time) -> None:
    """After failures it asks again in 0.1 s, doubling to 5 s, each cut short at random; a success starts anew."""
    issuer.feed.behaviour = "down"
    async with running(issuer, time):
        await time.advance(60)
        bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5]
        pauses = [pause for pause in time.slept if pause <= 5 and pause not in {1, 2, 4, 3}]
        assert len(pauses) >= len(bounds)
        assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, pauses, strict=False))
        assert len(set(pauses[6:])) > 1
        issuer.feed.behaviour = "well"
        await time.advance(5)
        issuer.feed.behaviour = "down"
        issuer.feed.wake()
        time.slept.clear()
        await time.advance(0.2)
        assert 0.05 <= next(pause for pause in time.slept if pause < 1) <= 0.1


async def test_nothing_new_at_once_is_no_reason_for_a_frenzy(issuer: FakeIssuer, time: Time) -> None:
    """An issuer that answers "nothing new" without waiting is asked some ten times a second, no more."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/revocations":
            return httpx.Response(200, json=issuer.jwk_set)
        asked.append(request.headers["prefer"])
        body = issuer.feed.answer(int(request.url.params["after"]))
        return httpx.Response(200, text=body, headers={"content-type": "application/jwt"})

    async with running(issuer, time, transport=httpx.MockTransport(answer)) as service:
        for _ in range(200):
            await time.advance(0.05)
        assert 90 <= len(asked) <= 220
        assert asked[:3] == ["wait=0", "wait=20", "wait=20"]
        assert service.feed.failures == 0


async def test_a_database_that_is_put_back_loses_nothing(
    issuer: FakeIssuer, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """What was applied stays, and what is revoked next arrives: also under seqs that the follower had gone past."""
    async with running(issuer, time) as service:
        ended, goes_on = bearers(issuer)
        await time.advance(10)
        seq = issuer.revoke(sid="ended")
        await time.settle()
        issuer.feed.log.clear()
        issuer.feed.head = 7
        issuer.feed.wake()
        await time.advance(1)
        assert (service.feed.seq, service.feed.complete, service.feed.fault) == (7, True, None)
        assert "the log was put back, and is read anew" in caplog.text
        issuer.feed.log.append((8, Revocation("sid", "open", NOW + 605)))
        issuer.feed.head = 8
        issuer.feed.wake()
        await time.settle()
        assert (service.feed.seq, service.feed.failures) == (8, 1)
        assert issuer.revoke(sid="another") > seq
        await time.settle()
        assert await service.answer(issuer.token(sid="another")) == "401 login_ended"
        assert await service.answer(goes_on) == "401 login_ended"
        assert await service.answer(ended) == "401 login_ended"


async def test_what_is_over_is_forgotten(issuer: FakeIssuer, time: Time) -> None:
    """A login is remembered until no token of its could be accepted any more, and a key for ever."""
    async with running(issuer, time) as service:
        issuer.revoke(kid="key-1")
        for number in range(100):
            issuer.revoke(sid=f"login-{number}")
            issuer.revoke(jti=f"token-{number}")
        await time.advance(605)
        assert service.feed.remembered == 201
        await time.advance(60 + 25)
        assert service.feed.remembered == 1
        assert await service.answer(issuer.token(header={"kid": "key-1"})) == "401 key_revoked"


async def test_a_wall_clock_that_leaps_forgets_nothing(issuer: FakeIssuer, time: Time, tmp_path: Path) -> None:
    """Set ahead by a day and back again, also over a restart, a clock must not bring ended logins back."""
    token = issuer.token(sid="ended")
    async with running(issuer, time, journal=tmp_path) as service:
        issuer.revoke(sid="ended")
        await eventually(lambda: service.feed.seq)
        time.leap = 86_400
        await time.advance(60)
        assert (service.feed.fault or "").startswith("the answer has ended")
    async with running(issuer, time, journal=tmp_path) as service:
        await time.advance(60)
        time.leap = 0
        await time.advance(10)
        assert service.feed.fault is None
        assert await service.answer(token) == "401 login_ended"


async def test_a_compromised_key_is_out_while_the_key_set_still_has_it(issuer: FakeIssuer, time: Time) -> None:
    """From the moment that the feed says so, no token and no answer that the key has signed counts; others do."""
    async with running(issuer, time) as service:
        stolen_key, stolen_id = issuer.private_key, issuer.key_id
        token = issuer.token()
        await time.advance(11)
        issuer.rotate()
        assert await service.answer(issuer.token()) == "200"
        seq = issuer.revoke(kid=stolen_id)
        await time.settle()
        assert service.key_set.known(stolen_id) is not None
        fetches = service.key_set.fetches
        assert await service.answer(token) == "401 key_revoked"
        assert await service.answer(issuer.token()) == "200"

        # The thief says that all is well, and that nothing else is to be looked at.
        good_key, good_id = issuer.private_key, issuer.key_id
        issuer.private_key, issuer.key_id = stolen_key, stolen_id
        issuer.feed.wake()
        await time.advance(30)
        assert service.feed.seq == seq
        assert (service.feed.fault or "").startswith("the answer is signed by a key that has been revoked, ")
        issuer.private_key, issuer.key_id = good_key, good_id
        await time.advance(10)
        assert service.feed.fault is None
        assert await service.answer(token) == "401 key_revoked"
        assert service.key_set.fetches == fetches


async def test_a_flood_of_random_kids_does_not_delay_the_kill_switch(issuer: FakeIssuer, time: Time) -> None:
    """While made-up key ids use up every fetch that requests may cause, an answer by a new key is believed at once."""
    async with running(issuer, time) as service:
        stolen_id, token = issuer.key_id, issuer.token()
        await time.advance(11)

        made_up = [issuer.token(header={"kid": f"{number}"}) for number in range(100)]

        async def flood() -> None:
            assert {await service.answer(each) for each in made_up} == {"401 unknown_kid"}

        for _ in range(3):
            await flood()
            await time.advance(10)
        await flood()
        # Within the cooldown that the flood has caused, a key that nobody has yet announces the end of the old one.
        issuer.rotate()
        issuer.revoke(kid=stolen_id)
        await flood()
        await time.settle()
        assert await service.answer(token) == "401 key_revoked"
        assert service.feed.failures == 0


async def test_keys_that_are_killed_one_after_the_other_are_all_out_at_once(issuer: FakeIssuer, time: Time) -> None:
    """Three within a second, each by an answer of a successor that no key set has shown yet."""
    async with running(issuer, time) as service:
        for _ in range(3):
            stolen_id, token = issuer.key_id, issuer.token()
            issuer.rotate()
            issuer.revoke(kid=stolen_id)
            await time.advance(0.3)
            assert await service.answer(token) == "401 key_revoked"
        assert service.feed.failures == 0


async def test_a_feed_of_unknown_kids_causes_few_fetches(issuer: FakeIssuer, time: Time) -> None:
    """Answers under ever new key ids cause three fetches per cooldown, and what is good is believed after it."""
    async with running(issuer, time) as service:
        issuer.feed.behaviour = "unknown_key"
        issuer.feed.wake()
        before = service.key_set.fetches
        for _ in range(100):
            await time.advance(1)
        assert service.feed.failures >= 20
        assert 24 <= service.key_set.fetches - before <= 30
        issuer.feed.behaviour = "well"
        issuer.rotate()
        issuer.revoke(sid="ended")
        await time.advance(15)
        assert await service.answer(issuer.token(sid="ended")) == "401 login_ended"


async def test_long_answers_are_taken_in(issuer: FakeIssuer, time: Time) -> None:
    """A snapshot of many pages, each read in a thread, arrives whole."""
    for number in range(13_000):
        issuer.revoke(sid=f"login-{number}")
    async with running(issuer, time) as service:
        await eventually(lambda: service.feed.complete)
        assert (service.feed.remembered, service.feed.answers) == (13_000, 2)
        assert await service.answer(issuer.token(sid="login-0")) == "401 login_ended"
        assert await service.answer(issuer.token(sid="login-12999")) == "401 login_ended"


async def test_a_fault_of_ours_does_not_end_the_following(
    issuer: FakeIssuer, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Should something break that nobody thought of, it is told with its trace, and the following goes on."""
    broken = True

    class Breaking:
        def known(self, key_id: str) -> VerificationKey | None:
            if broken:
                raise RuntimeError("nobody thought of this")
            return issuer.key_set.known(key_id)

        async def refresh(self, key_id: str) -> VerificationKey | None:
            raise AssertionError

    async with (
        httpx.AsyncClient(transport=issuer.transport) as http,
        RevocationFeed(
            issuer.feed_uri,
            issuer=issuer.issuer,
            key_set=Breaking(),
            http=http,
            clock=time,
            wall_clock=time.wall,
            sleep=time.sleep,
        ) as feed,
    ):
        await time.settle()
        assert str(feed.fault) == "it failed with RuntimeError"
        assert "nobody thought of this" in caplog.text
        broken = False
        await time.advance(1)
        assert (feed.fault, feed.complete) == (None, True)


async def test_it_ends_while_it_waits(issuer: FakeIssuer, time: Time) -> None:
    """Left in the middle of a question, of a pause or of nothing, it leaves no task behind."""
    before = asyncio.all_tasks()
    async with running(issuer, time):
        pass
    issuer.feed.behaviour = "down"
    async with running(issuer, time):
        pass
    service = Service(issuer, time)
    async with service._http, service.key_set, service.feed:
        pass
    assert asyncio.all_tasks() == before
