"""The kinds of certificate that can be verified, distinguished by how their text begins.

Another kind, such as SMART Health Cards (`shc:/`), becomes one more class with `prefix` and `examine`, and one
more entry in `VERIFIERS`; docs/spec/certificate.md §6 says which of its steps is which check.
"""

from __future__ import annotations

from typing import Final, Protocol

from checkin.certificate.eu import EuVerifier
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import CertificateReport, VaccinationProof
from checkin.errors import CertificateError, CertificateNoStatus, CertificateOutdated, CertificatePrefix


class CertificateVerifier(Protocol):
    """Verifies one kind of certificate."""

    @property
    def prefix(self) -> str:
        """How every text of this kind begins."""

    def examine(self, text: str, trust: TrustList, now: float) -> CertificateReport:
        """A report with the outcome of each step; raises nothing, whatever the text."""


VERIFIERS: Final[tuple[CertificateVerifier, ...]] = (EuVerifier(),)


def knows(text: str) -> bool:
    """Whether there is a verifier for this kind of text."""
    return any(text.startswith(verifier.prefix) for verifier in VERIFIERS)


def examine(text: str, trust: TrustList, now: float) -> CertificateReport:
    """Every step for a person to see, at `now` (unix seconds). Line ends around the text do not count."""
    text = text.strip("\r\n")  # a blank is a character of base45
    for verifier in VERIFIERS:
        if text.startswith(verifier.prefix):
            return verifier.examine(text, trust, now)
    report = CertificateReport(error=CertificatePrefix())
    report.checks["prefix"] = False
    return report


def prove(text: str, trust: TrustList, now: float) -> VaccinationProof:
    """The proof in a certificate that passes every step and is not over at `now`; it may begin later.

    Raises the `CertificateError` of the first step that failed, `CertificateNoStatus` for a genuine certificate that
    proves none, and `CertificateOutdated` when what it proves is over.
    """
    report = examine(text, trust, now)
    if not report.ok:
        raise report.error or CertificateError
    if report.proof is None:
        raise CertificateNoStatus
    if now > report.proof.valid_until:
        raise CertificateOutdated
    return report.proof
