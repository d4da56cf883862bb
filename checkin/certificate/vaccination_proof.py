"""What a genuine certificate proves, and from when to when (the table of docs/spec/certificate.md §4); and the answer
about a certificate: each step with its outcome, then what is proved.

Nothing holds longer than the certificate's own signature (`exp`). Dates name no zone in a certificate: they are
taken as days of UTC. Neither the vaccine's brand nor the laboratory is judged, nor the holder's name, which is not
compared at a door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from checkin.certificate.schema import Certificate
from checkin.errors import CertificateError
from checkin.protocol.credential import Status

STEPS: Final = ("prefix", "base45", "compression", "cose", "schema", "signature", "key_usage", "expiry")
T = TypeVar("T")
LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
_COVID_19: Final = "840539006"  # SNOMED CT, value set disease-agent-targeted
_NOT_DETECTED: Final = "260415000"  # SNOMED CT, value set test-result
_TEST_SECONDS: Final = 72 * 3600
_DAY: Final = 86400


@dataclass(frozen=True)
class VaccinationProof:
    """A status and the two instants between which it holds, both included; unix seconds."""

    status: Status
    valid_from: float
    valid_until: float


def proof_in(certificate: Certificate, expires: float) -> VaccinationProof | None:
    """The longest-lasting proof in a certificate that fits its schema and is genuine; None if it proves nothing."""
    proofs = []
    for group, rule in (("v", _vaccinated), ("r", _recovered), ("t", _tested)):
        for entry in _entries(certificate, group):
            try:
                proof = rule(entry)
            except ValueError:  # a date that is none: the schemas do not look so closely
                continue
            if proof and entry.get("tg") == _COVID_19 and proof.valid_from <= min(proof.valid_until, expires):
                proofs.append(VaccinationProof(proof.status, proof.valid_from, min(proof.valid_until, expires)))
    return max(proofs, key=lambda proof: (proof.valid_until, -proof.valid_from), default=None)


def _entries(certificate: Certificate, group: str) -> list[Mapping[str, object]]:
    entries = certificate.get(group)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _vaccinated(entry: Mapping[str, object]) -> VaccinationProof | None:
    dose, doses = entry.get("dn"), entry.get("sd")
    if not isinstance(dose, int | float) or not isinstance(doses, int | float) or dose < doses:
        return None
    return VaccinationProof(Status.VACCINATED, _day(entry.get("dt")), LAST_SECOND)


def _recovered(entry: Mapping[str, object]) -> VaccinationProof:
    return VaccinationProof(Status.RECOVERED, _day(entry.get("df")), _day(entry.get("du")) + _DAY - 1)


def _tested(entry: Mapping[str, object]) -> VaccinationProof | None:
    if entry.get("tr") != _NOT_DETECTED:
        return None
    sampled = _instant(entry.get("sc"))
    return VaccinationProof(Status.TESTED, sampled, sampled + _TEST_SECONDS)


def _instant(text: object) -> float:
    """Unix seconds of an ISO 8601 instant (without a zone: UTC); `ValueError` if there is none after 1970."""
    moment = datetime.fromisoformat(str(text))
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds <= LAST_SECOND:
        raise ValueError("not a time of this era")
    return seconds


def _day(text: object) -> float:
    """Unix seconds at which a day begins in UTC; some issuers write a time behind the date."""
    return _instant(str(text)[:10])


@dataclass
class CertificateReport:
    """The answer, filled step by step. `checks`: True = passed, False = failed, None = not reached."""

    checks: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(STEPS))
    error: CertificateError | None = None  # of the first step that failed
    proof: VaccinationProof | None = None  # only ever set when all steps passed

    def step(self, name: str, run: Callable[[], T]) -> T | None:
        """Runs one step and notes its outcome; what it gave, or None when it raised a `CertificateError`."""
        try:
            value = run()
        except CertificateError as error:
            self.checks[name] = False
            self.error = self.error or error
            return None
        self.checks[name] = True
        return value

    @property
    def ok(self) -> bool:
        return all(self.checks.values())

    def to_json(self) -> dict[str, object]:
        """{ok, checks, status, valid_from, valid_until, code}: times RFC 3339 in UTC, absent ones null."""
        return {
            "ok": self.ok,
            "checks": dict(self.checks),
            "status": self.proof.status.name.lower() if self.proof else None,
            "valid_from": rfc3339(self.proof.valid_from) if self.proof else None,
            "valid_until": rfc3339(self.proof.valid_until) if self.proof else None,
            "code": self.error.code if self.error else None,
        }


def rfc3339(seconds: float) -> str:
    """Unix seconds as an instant of UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
