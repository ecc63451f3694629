"""Why a token is accepted or refused, step by step: for people who may know, and never on a request's way."""

from typing import NamedTuple

from token_verification.claims import REQUIRED, fault_in
from token_verification.errors import VerificationError
from token_verification.verifier import STEPS, AccessTokenVerifier, Examination, Step


class Finding(NamedTuple):
    """What one step of the policy has to say about a token."""

    step: Step
    reached: bool
    """False if it could not be told, because something that this step needs is missing or not as it should be."""
    refusal: VerificationError | None
    """What the step raised; None if it passed, or was not reached."""

    @property
    def passed(self) -> bool:
        """Whether the step was reached and found nothing."""
        return self.reached and self.refusal is None


class Explanation(NamedTuple):
    """A token, seen by every step. Nothing in `examination` is to be believed unless `refusal` is None."""

    findings: tuple[Finding, ...]
    examination: Examination
    """What could be read of the token; an attribute that no step has set is not there."""

    @property
    def refusal(self) -> VerificationError | None:
        """What `verify` raises for this token: what the first failing step raised. None if it is accepted."""
        return next((finding.refusal for finding in self.findings if finding.refusal is not None), None)


async def explain(verifier: AccessTokenVerifier, token: str) -> Explanation:
    """Run the verifier's own steps, one by one, and go on after one that fails with those that can still be told.

    The verdict is the verifier's, since the steps are. Unlike `verify`, this reads a token of any length to its end:
    the caller limits what it hands over.
    """
    examination = Examination(token, verifier.clock())
    findings: list[Finding] = []
    passed: set[int] = set()
    for step in STEPS:
        is_told = verifier.revocations is not None or not step.of_revocations
        reached, refusal = is_told and passed.issuperset(step.needs) and _can_read(step, examination), None
        if reached:
            try:
                if (waiting := step.check(verifier, examination)) is not None:
                    await waiting
                passed.add(step.number)
            except VerificationError as error:
                refusal = error
        findings.append(Finding(step, reached, refusal))
    return Explanation(tuple(findings), examination)


def _can_read(step: Step, examination: Examination) -> bool:
    if not step.reads:
        return True
    claims = {name: examination.claims[name] for name in step.reads if name in examination.claims}
    return all(name in claims for name in step.reads if name in REQUIRED) and fault_in(claims) is None
