"""The kinds of certificate that can be verified, distinguished by how their text begins.

Another kind, such as SMART Health Cards (`shc:/`), becomes one more file with `PREFIX` and `examine`, and one
more entry in `KINDS`; docs/spec/certificate.md §6 says which of its steps is which check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkin.certificate import eu
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import CertificateReport, VaccinationProof
from checkin.errors import CertificateError, CertificateNoStatus, CertificateOutdated, CertificatePrefix

KINDS: Final[dict[str, Callable[[str, TrustList, float], CertificateReport]]] = {eu.PREFIX: eu.examine}
"""How every text of a kind begins, and what reports the outcome of each step; it raises nothing, whatever the text."""


def knows(text: str) -> bool:
    """Whether this kind of text can be verified."""
    return text.startswith(tuple(KINDS))


def examine(text: str, trust: TrustList, now: float) -> CertificateReport:
    """Every step for a person to see, at `now` (unix seconds). Line ends around the text do not count."""
    text = text.strip("\r\n")  # a blank is a character of base45
    for prefix, examiner in KINDS.items():
        if text.startswith(prefix):
            return examiner(text, trust, now)
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
