"""All that there is to say about a token, before it is laid out: what it says, and what a service would say to it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from signet.failure import Failure
from signet.inspector.asking import NotFetchedError, ask
from signet.inspector.feed import read_once
from signet.inspector.key_set_report import keys_of
from signet.inspector.published_key import PublishedKey
from signet.inspector.words import value_as_json
from token_verification import (
    AccessTokenVerifier,
    InvalidToken,
    KeysUnavailable,
    RevocationFeed,
    RevocationsUnavailable,
    VerificationError,
)
from token_verification.claims import REQUIRED
from token_verification.compact_jws import json_object, split_compact_jws
from token_verification.explanation import Explanation, Finding, explain
from token_verification.key_set import VerificationKey
from token_verification.key_set_download import DownloadError, read
from token_verification.verifier import STEPS, Step

VERSION = 1
"""Of the JSON document. Members may be added under the same number; none changes its meaning or goes."""

_SIGNATURE = next(step for step in STEPS if step.claim == "Its signature is that key's.")

Verdict = Literal["accepted", "refused", "undecided"]
Outcome = Literal["passed", "failed", "would_fail_too", "not_reached", "not_checked"]


@dataclass(frozen=True)
class Keys:
    """The keys that a token is checked with: a key set for the verifier, and what is known about it."""

    jwks_uri: str | None = None
    usable: Mapping[str, VerificationKey] | None = None
    """None if there are none to check with."""
    published: tuple[PublishedKey, ...] = ()
    why_none: str = "No key set was named, so the signature is not checked."

    def known(self, key_id: str) -> VerificationKey | None:
        return None if self.usable is None else self.usable.get(key_id)

    async def refresh(self, key_id: str) -> VerificationKey | None:
        return self.known(key_id)  # fetched a moment ago

    async def find(self, key_id: str) -> VerificationKey | None:
        if self.usable is None:
            raise KeysUnavailable(self.why_none, retry_after=1)
        return self.known(key_id)


async def keys_at(url: str) -> Keys:
    """Fetch the keys of a key set, or of an issuer, as a service would. Raises Failure if the URL is none."""
    try:
        asked = await ask(url, twice=False)
    except NotFetchedError as failure:
        return Keys(url, why_none=str(failure))
    try:
        usable = read(asked.answer, entity_tag=None).keys
    except DownloadError as fault:
        return Keys(asked.url, published=keys_of(asked), why_none=f"The key set cannot be used: {fault}.")
    return Keys(asked.url, usable, keys_of(asked))


class Told(NamedTuple):
    """One step of the policy, as it is told."""

    finding: Finding
    outcome: Outcome
    note: str | None
    """What is known besides the step's own sentence."""


@dataclass(frozen=True)
class TokenReport:
    """A token taken apart, and what a Signet resource server would say to it."""

    token: str
    explanation: Explanation
    keys: Keys
    issuer: str
    issuer_assumed: bool
    audiences: tuple[str, ...]
    """Whom it would be shown to; several only when they are assumed."""
    audience_assumed: bool
    revocations_uri: str | None
    feed: RevocationFeed | None
    """What was read there; None if no feed was named, and then no step of revocations is checked."""

    @property
    def header(self) -> dict[str, Any] | None:
        """What its header says; None if that cannot be read."""
        return getattr(self.explanation.examination, "header", None)

    @property
    def claims(self) -> dict[str, Any] | None:
        """What its payload says; None if that cannot be read."""
        return getattr(self.explanation.examination, "claims", None)

    @property
    def now(self) -> float:
        """When it was looked at; seconds since the epoch."""
        return self.explanation.examination.now

    @property
    def bytes(self) -> tuple[int, int, int] | None:
        """The sizes of header, payload and signature, decoded; None if they cannot be told."""
        jws = getattr(self.explanation.examination, "jws", None)
        return None if jws is None else (len(jws.header), len(jws.payload), len(jws.signature))

    @property
    def missing(self) -> tuple[str, ...]:
        """Which required claims it has not."""
        return () if self.claims is None else tuple(name for name in REQUIRED if name not in self.claims)

    @property
    def signature_checked(self) -> bool:
        """Whether the step was reached that checks the signature, and the key was there to do it."""
        return hasattr(self.explanation.examination, "key") and any(
            told.outcome != "not_reached" for told in self.steps if told.finding.step is _SIGNATURE
        )

    @property
    def refusal(self) -> VerificationError | None:
        """What a service raises for this token; without keys to check with, what it raises if the signature is good."""
        refusals = [each.refusal for each in self.explanation.findings if each.refusal is not None]
        if self.keys.jwks_uri is None:
            refusals.sort(key=lambda refusal: isinstance(refusal, KeysUnavailable))
        return refusals[0] if refusals else None

    @property
    def verdict(self) -> Verdict:
        """What becomes of it at a service."""
        if self.refusal is None:
            return "accepted"
        return "refused" if isinstance(self.refusal, InvalidToken) else "undecided"

    @property
    def proviso(self) -> str | None:
        """What an acceptance leaves open, as a sentence's end; None if nothing, or if it is not accepted."""
        if self.verdict != "accepted" or self.feed is not None:
            return None
        return "whether its login has ended was not asked (--revocations)"

    @property
    def steps(self) -> tuple[Told, ...]:
        """Every step, in order."""
        return tuple(
            Told(finding, self._outcome(finding), self._note(finding)) for finding in self.explanation.findings
        )

    @property
    def unchecked(self) -> tuple[Step, ...]:
        """Which steps before the decisive one were not checked: each could refuse it earlier, for another reason."""
        steps = self.steps
        outcomes = [told.outcome for told in steps]
        decisive = outcomes.index("failed") if "failed" in outcomes else len(outcomes)
        return tuple(told.finding.step for told in steps[:decisive] if told.outcome == "not_checked")

    def _outcome(self, finding: Finding) -> Outcome:
        if finding.step.of_revocations and self.feed is None:
            return "not_checked"
        if isinstance(finding.refusal, KeysUnavailable | RevocationsUnavailable):
            return "not_checked"
        if finding.passed:
            # That it is not among what is known says nothing while not all is known.
            unknown = finding.step.of_revocations and self.feed is not None and not self.feed.complete
            return "not_checked" if unknown else "passed"
        if finding.refusal is not None:
            return "failed" if finding.refusal is self.refusal else "would_fail_too"
        waits_for_keys = any(
            isinstance(each.refusal, KeysUnavailable)
            for each in self.explanation.findings
            if each.step.number in finding.step.needs
        )
        return "not_checked" if waits_for_keys else "not_reached"

    def _note(self, finding: Finding) -> str | None:
        match finding.refusal:
            case InvalidToken(reason="unknown_kid") if self.header is not None:
                named = [key for key in self.keys.published if key.kid == self.header["kid"]]
                if named:
                    return f"The set has this key, but services do not use it: it {named[0].refusal}."
            case InvalidToken(reason="malformed") if len(parts := self.token.split(".")) == 5 and all(parts[::2]):
                return "Five parts are those of an encrypted token (JWE): only whom it is for can read it."
        return None

    def as_json(self) -> dict[str, object]:
        """Return it as a document for programs: without the signature, so that nobody can use it as a token."""
        refusal, sizes = self.refusal, self.bytes
        return {
            "version": VERSION,
            "verdict": self.verdict,
            "reason": refusal and refusal.reason,
            "status": refusal and refusal.status,
            "detail": refusal and refusal.detail,
            "proviso": self.proviso,
            "certain": not self.unchecked,
            "signature_checked": self.signature_checked,
            "issuer": self.issuer,
            "issuer_assumed": self.issuer_assumed,
            "audiences": list(self.audiences),
            "audience_assumed": self.audience_assumed,
            "jwks_uri": self.keys.jwks_uri,
            "revocations_uri": self.revocations_uri,
            "revocations_seq": self.feed.seq if self.feed is not None and self.feed.complete else None,
            "checked_at": self.now,
            "characters": len(self.token),
            "bytes": sizes and dict(zip(("header", "payload", "signature"), sizes, strict=True)),
            "header": _written(self.header),
            "claims": _written(self.claims),
            "missing_claims": list(self.missing),
            "steps": [
                {
                    "number": told.finding.step.number,
                    "claim": told.finding.step.claim,
                    "outcome": told.outcome,
                    "reason": told.finding.refusal and told.finding.refusal.reason,
                    "detail": told.finding.refusal and told.finding.refusal.detail,
                    "note": told.note,
                }
                for told in self.steps
            ],
        }


async def inspect_token(
    token: str,
    *,
    jwks: str | None,
    issuer: str | None,
    audience: str | None,
    revocations: str | None = None,
    clock: Callable[[], float] = time.time,
) -> TokenReport:
    """Show a token to a verifier that trusts `issuer` and is `audience`, and report what each of its steps says.

    What is None is assumed: the token's own issuer and audiences. `jwks`: where the keys are, or the issuer whose
    metadata says so; None leaves the signature unchecked. `revocations`: where the issuer's feed is; None leaves that
    unasked. Raises Failure if either is no URL, or if there is a feed and no keys: its answers are signed.
    """
    if revocations is not None and jwks is None:
        raise Failure("A feed is signed: --revocations needs --jwks beside it.", status=2)
    keys = Keys() if jwks is None else await keys_at(jwks)
    said = _said(token)
    own = said.get("aud")
    named = [own] if isinstance(own, str) else own if isinstance(own, list) else []
    audiences = [audience] if audience is not None else [each for each in named if isinstance(each, str)]
    trusted = said.get("iss") if issuer is None else issuer
    known_issuer = trusted if isinstance(trusted, str) else "any issuer"
    feed = None if revocations is None else await read_once(revocations, issuer=known_issuer, key_set=keys)
    verifier = AccessTokenVerifier(
        issuer=known_issuer,
        audience=audiences[0] if audiences else "any resource server",
        key_set=keys,
        revocations=feed,
        clock=clock,
    )
    return TokenReport(
        token=token,
        explanation=await explain(verifier, token),
        keys=keys,
        issuer=verifier.issuer,
        issuer_assumed=issuer is None,
        audiences=tuple(audiences) or (verifier.audience,),
        audience_assumed=audience is None,
        revocations_uri=revocations,
        feed=feed,
    )


def _said(token: str) -> dict[str, Any]:
    """Read the claims of a token, which nobody has verified; none if they cannot be read."""
    try:
        return json_object(split_compact_jws(token).payload)
    except ValueError:
        return {}


def _written(members: dict[str, Any] | None) -> dict[str, object] | None:
    return None if members is None else {name: value_as_json(value) for name, value in members.items()}
