"""What an issuer's feed of revocations answers: whether it is to be believed, and what it says."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeGuard

from token_verification.claims import is_id, is_time
from token_verification.compact_jws import CompactJws, json_object, split_compact_jws
from token_verification.errors import shown
from token_verification.key_set import KEY_ID_LIMIT, VerificationKey

TYPE: Final = "revocations+jwt"
"""The `typ` of an answer: an access token can never pass as one, nor the other way round (RFC 8725, section 3.11)."""

LAST_SEQ: Final = 2**63 - 1

LIFE: Final = 10
"""Seconds that an answer is good for at most, besides those that its question was ready to wait."""

Kind = Literal["sid", "jti", "kid"]
"""What is revoked: a login, one token, or a key; each by the name of the claim or member that names it."""


class Revocation(NamedTuple):
    """One row of the feed."""

    kind: Kind
    id: str
    until: int | None
    """Until when it has to be remembered, in seconds since the epoch; None, for a key, is for ever."""


class Answer(NamedTuple):
    """What the feed said to the question what there is after a seq."""

    seq: int
    """Whoever has applied this answer knows all up to here."""
    more: bool
    """Whether there is more to be asked for at once."""
    revoked: list[Revocation]


class UnusableAnswerError(Exception):
    """Nothing came of a question to the feed; the message is a sentence's end."""


class LogPutBackError(UnusableAnswerError):
    """The issuer's log ends before what was asked: it is not the one any more that was followed up to there."""


def take_apart(body: bytes) -> tuple[CompactJws, str]:
    """Return the parts of an answer and the key id that it names. Nothing of it is to be believed yet."""
    try:
        jws = split_compact_jws(body.decode("ascii"))
        header = json_object(jws.header)
    except ValueError as fault:
        sentence = "it has characters that are not ASCII" if isinstance(fault, UnicodeDecodeError) else str(fault)
        raise UnusableAnswerError(f"the answer cannot be read: {sentence}") from None
    key_id = header.get("kid")
    if header != {"alg": "RS256", "typ": TYPE, "kid": key_id}:
        raise UnusableAnswerError(f"the answer's header is not one of RS256, {TYPE} and a kid alone")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_LIMIT:
        raise UnusableAnswerError(f"the answer's header has no kid of 1 to {KEY_ID_LIMIT} characters")
    return jws, key_id


def read(
    jws: CompactJws, key: VerificationKey, *, issuer: str, after: int, wait: int, now: float, leeway: float
) -> Answer:
    """Return what an answer says; UnusableAnswerError unless `issuer` gave it to this very question, not long ago.

    `key`: the issuer's, by its name in the header. `after`: what was asked, and `wait`: how many seconds an answer
    may take at most. `now`: seconds since the epoch. LogPutBackError if all has to be asked for anew.
    """
    if not key.verifies(jws.signature, jws.signed):
        raise UnusableAnswerError("the answer's signature is not that of the key which it names")
    try:
        claims = json_object(jws.payload)
    except ValueError as fault:
        raise UnusableAnswerError(f"the answer's payload cannot be read: {fault}") from None
    if claims.get("iss") != issuer:
        raise UnusableAnswerError(f"the answer is from {shown(claims.get('iss'))}, not from {issuer}")
    _check_times(claims, wait=wait, now=now, leeway=leeway)
    asked = claims.get("after")
    if not _is_seq(asked) or asked != after:
        raise UnusableAnswerError("the answer is to another question")
    seq, more, rows = claims.get("seq"), claims.get("more"), claims.get("revoked")
    if not _is_seq(seq) or not isinstance(more, bool) or not isinstance(rows, list):
        raise UnusableAnswerError("the answer has no seq, no more or no revoked of its form")
    if seq < after:
        raise LogPutBackError("the answer goes back behind what was asked: the log was put back, and is read anew")
    if (rows and seq == after) or (more and not rows):
        raise UnusableAnswerError("the answer goes on without getting on")
    return Answer(seq, more, [_revocation(row) for row in rows])


def _check_times(claims: Mapping[str, object], *, wait: int, now: float, leeway: float) -> None:
    given, expires = claims.get("iat"), claims.get("exp")
    if not is_time(given) or not is_time(expires):
        raise UnusableAnswerError("the answer does not say when it was given and when it ends")
    if now - expires >= leeway:
        raise UnusableAnswerError("the answer has ended: it was kept back, or the clocks are apart")
    if expires - given > wait + LIFE + leeway:
        raise UnusableAnswerError("the answer is good for too long: whoever keeps it back could give it for as long")


def _is_seq(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= LAST_SEQ


def _revocation(row: object) -> Revocation:
    # A kind that is not known is no reason to skip a row: who reports a seq vouches for all that lies before it.
    match row:
        case ["sid" | "jti" as kind, id_, until] if is_id(id_) and is_time(until):
            return Revocation(kind, id_, until)
        case ["kid", id_, None] if is_id(id_):
            return Revocation("kid", id_, None)
    raise UnusableAnswerError(f"the answer has a row that is none: {shown(row)}")
