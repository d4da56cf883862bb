"""A vaccination status: set only by a certificate that verifies, kept without the certificate."""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerDay

from checkin.certificate.registry import prove
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import VaccinationProof
from checkin.clock import Calendar
from checkin.errors import CertificateNotTaken, CertificateOutdated
from checkin.protocol.credential import DAY_LAST, Status
from checkin.service.shared_counts import Bound, SharedCounts
from issuer.identities import Identities

PROOFS_A_DAY: Final = 10  # of an account: each can be taken back, which leaves a line in the journal beside the ring
_ENOUGH: Final = "A status was proved as often as may be in a day: try again tomorrow."


class Vaccination:
    """Verifies proofs and keeps what they prove, the only way to a status. How often is bounded."""

    def __init__(
        self, identities: Identities, trust: TrustList | None, calendar: Calendar, shared: SharedCounts
    ) -> None:
        self._identities = identities
        self._trust = trust
        self._calendar = calendar
        self._bound = Bound(RateLimitItemPerDay(PROOFS_A_DAY, namespace="proofs"), _ENOUGH, shared)

    def prove(self, subject: int, text: str, now: float) -> tuple[Status, int, int]:
        """The status, and the first and last day of which credentials commit to it. Raises the `CertificateError`
        of the first step that fails, `CertificateNotTaken` without a trust list, `TooManyRequests`."""
        if self._trust is None:
            raise CertificateNotTaken
        proof = prove(text, self._trust, now)
        first, last = service_days(proof, now, self._calendar)
        self._bound.pass_one(str(subject))
        self._identities.set_status(subject, proof.status, first, last)
        return proof.status, first, last


def service_days(proof: VaccinationProof, now: float, calendar: Calendar) -> tuple[int, int]:
    """The days that a proof covers until they end, from now on; raises `CertificateOutdated` if there is none.

    A credential commits to its status for a whole day, so a test that ends at noon covers no part of that day:
    no door is shown a status that no longer holds.
    """
    begins = max(proof.valid_from, now)
    first = calendar.day(begins)
    if proof.valid_from > now and calendar.start(first) < proof.valid_from:
        first += 1
    last = calendar.day(min(proof.valid_until, calendar.start(DAY_LAST)))
    if proof.valid_until < calendar.start(last + 1) - 1:
        last -= 1
    if last < first:
        raise CertificateOutdated("The certificate is genuine, but what it proves ends before a day does.")
    return first, last
