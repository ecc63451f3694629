"""Every way of lying to a resource server that we could think of, as a table for parametrised tests.

    @pytest.mark.parametrize("forgery", FORGERIES, ids=str)
    async def test_refuses(forgery: Forgery) -> None:
        attempt = forgery.make(issuer, "urn:signet:orders")
        answer = await client.get(f"/api/orders?{attempt.query}", headers=attempt.headers)
        assert (answer.status_code, answer.json()["reason"]) == (forgery.status, forgery.reason)

The names are stable. Where one deviates from a good token in one way alone, the reason is that way's: so the row fails
as soon as its check is gone.
"""

from typing import Final

from token_verification.forgeries.algorithms import ALGORITHMS
from token_verification.forgeries.claims import CLAIMS
from token_verification.forgeries.encodings import ENCODINGS
from token_verification.forgeries.forgery import Attempt, Forgery
from token_verification.forgeries.headers import HEADERS
from token_verification.forgeries.transports import TRANSPORTS

FORGERIES: Final[tuple[Forgery, ...]] = ALGORITHMS + HEADERS + CLAIMS + ENCODINGS + TRANSPORTS

__all__ = ["FORGERIES", "Attempt", "Forgery"]
