"""The whole policy on access tokens, as numbered steps.

Nothing that the payload says is looked at before step 10 has verified the signature; the header alone is read earlier,
and all it can do is name a key that the issuer has published.

What most steps find of a token can never change, as long as its key counts: they are not repeated for a token that has
passed them all before. Those that look at the moment are, and the key is asked for, every time.
"""

import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from token_verification.access_token import AccessToken
from token_verification.claims import REQUIRED, current_actor, fault_in
from token_verification.compact_jws import CompactJws, json_object, split_compact_jws
from token_verification.errors import InvalidToken, shown
from token_verification.key_set import KEY_ID_LIMIT, KeySet, VerificationKey
from token_verification.revocations import Revocations
from token_verification.verified_tokens import VerifiedToken, VerifiedTokens

SIZE_LIMIT: Final = 8192
"""Bytes of a token. Reading costs time that grows with the length, so the length comes first."""

_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})


class AccessTokenVerifier:
    """Decides by itself whether an access token is good (RFC 9068, section 4, under the rules of RFC 8725)."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        key_set: KeySet,
        revocations: Revocations | None = None,
        leeway: float = 5.0,
        max_life: float = 600.0,
        remembered: int = 5_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept tokens of one issuer for one audience.

        `issuer`, `audience`: compared character by character with `iss` and the members of `aud`. `revocations`: who is
        asked what has been revoked; without, a token that was good is good until it expires. `leeway`: how far
        the clocks of issuer and verifier may be apart, in seconds. `max_life`: the longest `exp - iat`, in seconds;
        a revocation has to be remembered for that long. `remembered`: how many tokens that were good are not taken
        apart again when they come again; 0 for none. `clock`: seconds since the epoch.
        """
        self.issuer = issuer
        self.audience = audience
        self.key_set = key_set
        self.revocations = revocations
        self.leeway = leeway
        self.max_life = max_life
        self.clock = clock
        self._verified = VerifiedTokens(remembered)

    async def verify(self, token: str, *, changes_state: bool = True) -> AccessToken:
        """Return what the token says, once every step of the policy has passed.

        `changes_state`: whether the request that it comes with may change something. Waits only if the token names a
        key that is not at hand. Raises InvalidToken with the reason of the first step that failed, KeysUnavailable or
        RevocationsUnavailable; no input makes it raise anything else.
        """
        examination = Examination(token, self.clock(), changes_state=changes_state)
        before = self._verified_before(token)
        if before is not None:
            examination.claims = before.claims
        for step in STEPS if before is None else MOMENTARY_STEPS:
            waiting = step.check(self, examination)
            if waiting is not None:
                await waiting
        return self._remember(examination) if before is None else before.caller

    def _verified_before(self, token: str) -> VerifiedToken | None:
        """Return what was found of these bytes before, if it still holds: if the key that signed them still counts.

        A key that does not takes all its tokens along, and the token at hand is put to every step: they say why.
        """
        if len(token) > SIZE_LIMIT:
            return None
        verified = self._verified.find(token)
        if verified is None or self._counts(verified.key):
            return verified
        self._verified.forget(verified.key)
        return None

    def _counts(self, key: VerificationKey) -> bool:
        """Tell of a key that has passed steps 8 and 9 whether it would pass them now, and at once."""
        return self.key_set.known(key.key_id) is key and not _is_revoked(self, key.key_id)

    def _remember(self, examination: "Examination") -> AccessToken:
        caller = examination.outcome()
        claims = {name: value for name, value in examination.claims.items() if name in _MOMENTARY_CLAIMS}
        verified = VerifiedToken(examination.key, MappingProxyType(claims), caller)
        self._verified.keep(examination.token, verified, now=examination.now)
        return caller


class Examination:
    """One token under examination. Each step reads what earlier ones have found, and adds its own."""

    __slots__ = ("changes_state", "claims", "header", "jws", "key", "now", "token")

    jws: CompactJws
    header: dict[str, Any]
    key: VerificationKey
    claims: Mapping[str, Any]

    def __init__(self, token: str, now: float, *, changes_state: bool = True) -> None:
        self.token = token
        self.now = now
        self.changes_state = changes_state

    def outcome(self) -> AccessToken:
        """Return the verified token. Only after the last step."""
        claims = self.claims
        audience = claims["aud"]
        return AccessToken(
            subject=claims["sub"],
            issuer=claims["iss"],
            audience=(audience,) if isinstance(audience, str) else tuple(audience),
            client_id=claims["client_id"],
            scope=_scopes(claims["scope"]),
            login_id=claims["sid"],
            token_id=claims["jti"],
            auth_time=claims["auth_time"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            key_id=self.key.key_id,
            name=claims.get("name"),
            actor=current_actor(claims),
        )


@functools.lru_cache
def _scopes(scope: str) -> frozenset[str]:
    """Return the scopes apart: one set for all tokens that have the same, which is much of what each would take."""
    return frozenset(scope.split(" "))


def _fits(_: AccessTokenVerifier, examination: Examination) -> None:
    length = len(examination.token)
    if length > SIZE_LIMIT:
        raise InvalidToken("malformed", f"The token has {length} characters, more than {SIZE_LIMIT}.")


def _has_one_spelling(_: AccessTokenVerifier, examination: Examination) -> None:
    try:
        examination.jws = split_compact_jws(examination.token)
    except ValueError as fault:
        raise InvalidToken("malformed", f"The token cannot be read: {fault}.") from None


def _has_a_header(_: AccessTokenVerifier, examination: Examination) -> None:
    try:
        examination.header = json_object(examination.jws.header)
    except ValueError as fault:
        raise InvalidToken("malformed", f"The token's header cannot be read: {fault}.") from None


def _is_rs256(_: AccessTokenVerifier, examination: Examination) -> None:
    algorithm = examination.header.get("alg")
    if algorithm != "RS256":
        said = f"is {shown(algorithm)}" if "alg" in examination.header else "is missing"
        raise InvalidToken("unsupported_algorithm", f"The token's algorithm {said}; only RS256 is accepted.")


def _is_an_access_token(_: AccessTokenVerifier, examination: Examination) -> None:
    kind = examination.header.get("typ")
    if kind != "at+jwt":
        said = f"is {shown(kind)}" if "typ" in examination.header else "is missing"
        raise InvalidToken("wrong_type", f"The token's type {said}; an access token has at+jwt.")


def _has_no_other_member(_: AccessTokenVerifier, examination: Examination) -> None:
    others = sorted(examination.header.keys() - _HEADER_MEMBERS)
    if others:
        raise InvalidToken("malformed", f"The token's header has {shown(others[0])}, which is not accepted.")


def _names_a_key(_: AccessTokenVerifier, examination: Examination) -> None:
    key_id = examination.header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_LIMIT:
        raise InvalidToken("malformed", f"The token's header has no kid of 1 to {KEY_ID_LIMIT} characters.")


def _key_is_not_revoked(verifier: AccessTokenVerifier, examination: Examination) -> None:
    # Before the key is looked up: a revoked key id never causes a fetch, and a set that still has the key has no say.
    key_id = examination.header["kid"]
    if _is_revoked(verifier, key_id):
        raise InvalidToken("key_revoked", f"The issuer has revoked the key {shown(key_id)}.")


def _is_revoked(verifier: AccessTokenVerifier, key_id: str) -> bool:
    return verifier.revocations is not None and verifier.revocations.key_is_revoked(key_id)


def _key_is_the_issuers(verifier: AccessTokenVerifier, examination: Examination) -> Awaitable[None] | None:
    key = verifier.key_set.known(examination.header["kid"])
    if key is None:
        return _find_key(verifier, examination)
    examination.key = key
    return None


async def _find_key(verifier: AccessTokenVerifier, examination: Examination) -> None:
    key_id = examination.header["kid"]
    key = await verifier.key_set.find(key_id)
    if key is None:
        raise InvalidToken("unknown_kid", f"The issuer has published no key {shown(key_id)}.")
    _key_is_not_revoked(verifier, examination)  # again: it may have been, while this waited
    examination.key = key


def _signature_is_the_keys(_: AccessTokenVerifier, examination: Examination) -> None:
    # A bad signature never leads to a fetch: anyone can make one for a key id that exists.
    if not examination.key.verifies(examination.jws.signature, examination.jws.signed):
        raise InvalidToken(
            "bad_signature",
            f"The signature is not that of key {shown(examination.key.key_id)}: "
            "the token was altered, or someone else signed it.",
        )


def _has_claims(_: AccessTokenVerifier, examination: Examination) -> None:
    try:
        examination.claims = json_object(examination.jws.payload)
    except ValueError as fault:
        raise InvalidToken("malformed", f"The token's payload cannot be read: {fault}.") from None


def _no_claim_is_missing(_: AccessTokenVerifier, examination: Examination) -> None:
    for name in REQUIRED:
        if name not in examination.claims:
            raise InvalidToken("missing_claim", f"The token has no claim {name}.")


def _claims_are_well_formed(_: AccessTokenVerifier, examination: Examination) -> None:
    if fault := fault_in(examination.claims):
        raise InvalidToken("malformed", fault)


def _anyone_may_carry_it(_: AccessTokenVerifier, examination: Examination) -> None:
    # Claims that are not known here are ignored (RFC 7519, section 4), but this one narrows who may use the token
    # (RFC 7800): to ignore it would turn a token bound to its holder's key into one that a thief can use.
    if "cnf" in examination.claims:
        raise InvalidToken("wrong_type", "The token is bound to its holder's key (cnf), so it is no bearer token.")


def _issuer_is_ours(verifier: AccessTokenVerifier, examination: Examination) -> None:
    issuer = examination.claims["iss"]
    if issuer != verifier.issuer:
        raise InvalidToken("wrong_issuer", f"The token is from {shown(issuer)}, not from {verifier.issuer}.")


def _audience_is_us(verifier: AccessTokenVerifier, examination: Examination) -> None:
    audience = examination.claims["aud"]
    named = [audience] if isinstance(audience, str) else audience
    if verifier.audience not in named:
        others = shown(", ".join(named), 120) or "nobody"
        raise InvalidToken("wrong_audience", f"The token is for {others}, this is {verifier.audience}.")


def _life_is_short(verifier: AccessTokenVerifier, examination: Examination) -> None:
    life = examination.claims["exp"] - examination.claims["iat"]
    if life <= 0:
        raise InvalidToken("malformed", "The token ends before it begins.")
    if life > verifier.max_life:
        raise InvalidToken("life_too_long", f"The token lives {life} s, more than {verifier.max_life:g} s.")


def _has_begun(verifier: AccessTokenVerifier, examination: Examination) -> None:
    for name in ("iat", "nbf", "auth_time"):
        ahead = examination.claims.get(name, 0) - examination.now
        if ahead > verifier.leeway:
            raise InvalidToken("not_yet_valid", f"The token's {name} is {ahead:.0f} s in the future.")


def _has_not_ended(verifier: AccessTokenVerifier, examination: Examination) -> None:
    past = examination.now - examination.claims["exp"]
    if past >= verifier.leeway:
        raise InvalidToken("expired", f"The token expired {past:.0f} s ago.")


def _login_goes_on(verifier: AccessTokenVerifier, examination: Examination) -> None:
    if verifier.revocations is not None and verifier.revocations.login_has_ended(examination.claims["sid"]):
        raise InvalidToken("login_ended", "The login that the token belongs to has ended.")


def _is_not_revoked(verifier: AccessTokenVerifier, examination: Examination) -> None:
    if verifier.revocations is not None and verifier.revocations.token_is_revoked(examination.claims["jti"]):
        raise InvalidToken("token_revoked", "The token has been revoked.")


def _revocations_are_known(verifier: AccessTokenVerifier, examination: Examination) -> None:
    # Last: what is known to be revoked is refused for that, however old the rest of the knowledge is.
    if verifier.revocations is not None:
        verifier.revocations.ensure_known(changes_state=examination.changes_state)


@dataclass(frozen=True, slots=True)
class Step:
    """One check of the policy. `check` raises InvalidToken or Unavailable, and may give something to await.

    `needs`: the numbers of the steps that have to have passed for this one to be told at all. `reads`: claims of which
    the required ones have to be there, and all to have their forms. `of_revocations`: whether there is nothing to check
    in a verifier that follows none. `momentary`: whether a token that passed may fail it the next time although its key
    still counts. A verifier stops at the first step that fails; only whoever explains a token goes on.
    """

    number: int
    claim: str
    check: Callable[[AccessTokenVerifier, Examination], Awaitable[None] | None]
    needs: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    of_revocations: bool = False
    momentary: bool = False


STEPS: Final = (
    Step(1, "It has at most 8 KiB.", _fits),
    Step(2, "It is three parts of canonical base64url.", _has_one_spelling),
    Step(3, "Its header is one JSON object without repeated members.", _has_a_header, needs=(2,)),
    Step(4, "Its algorithm is RS256.", _is_rs256, needs=(3,)),
    Step(5, "Its type is at+jwt.", _is_an_access_token, needs=(3,)),
    Step(6, "Its header has alg, typ and kid, and nothing else.", _has_no_other_member, needs=(3,)),
    Step(7, "Its header names a key.", _names_a_key, needs=(3,)),
    Step(8, "Its key is not revoked.", _key_is_not_revoked, needs=(7,), of_revocations=True),
    Step(9, "Its key is one that the issuer has published.", _key_is_the_issuers, needs=(7,)),
    Step(10, "Its signature is that key's.", _signature_is_the_keys, needs=(4, 9)),
    Step(11, "Its payload is one JSON object without repeated members.", _has_claims, needs=(2,)),
    Step(12, "No required claim is missing.", _no_claim_is_missing, needs=(11,)),
    Step(13, "Each claim has its form.", _claims_are_well_formed, needs=(11,)),
    Step(14, "It is not bound to a key of its holder.", _anyone_may_carry_it, needs=(11,)),
    Step(15, "Its issuer is the one trusted here.", _issuer_is_ours, needs=(11,), reads=("iss",)),
    Step(16, "It is for this resource server.", _audience_is_us, needs=(11,), reads=("aud",)),
    Step(17, "It lives no longer than allowed.", _life_is_short, needs=(11,), reads=("iat", "exp")),
    Step(18, "It has begun.", _has_begun, needs=(11,), reads=("iat", "nbf", "auth_time"), momentary=True),
    Step(19, "It has not ended.", _has_not_ended, needs=(11,), reads=("exp",), momentary=True),
    Step(
        20, "Its login has not ended.", _login_goes_on, needs=(11,), reads=("sid",), of_revocations=True, momentary=True
    ),
    Step(
        21,
        "It is not revoked itself.",
        _is_not_revoked,
        needs=(11,),
        reads=("jti",),
        of_revocations=True,
        momentary=True,
    ),
    Step(22, "It is known what has been revoked.", _revocations_are_known, of_revocations=True, momentary=True),
)
"""The policy. In `verify`, each step may rely on all before it having passed."""

MOMENTARY_STEPS: Final = tuple(step for step in STEPS if step.momentary)
"""What is left of it for a token that has passed all of it before, and whose key still counts."""

_MOMENTARY_CLAIMS: Final = frozenset(name for step in MOMENTARY_STEPS for name in step.reads)
