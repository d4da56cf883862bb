"""The answer about a certificate: each step with its outcome, then what is proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from checkin.certificate.vaccination_proof import VaccinationProof
from checkin.errors import CertificateError

STEPS: Final = ("prefix", "base45", "compression", "cose", "schema", "signature", "key_usage", "expiry")

T = TypeVar("T")


@dataclass
class CertificateReport:
    """Filled step by step. `checks`: True = passed, False = failed, None = not reached."""

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
        """Whether every step was reached and passed."""
        return all(self.checks.values())

    def to_json(self) -> dict[str, object]:
        """{ok, checks, status, valid_from, valid_until, code}: times RFC 3339 in UTC, absent ones null."""
        return {
            "ok": self.ok,
            "checks": dict(self.checks),
            "status": self.proof.status.value if self.proof else None,
            "valid_from": rfc3339(self.proof.valid_from) if self.proof else None,
            "valid_until": rfc3339(self.proof.valid_until) if self.proof else None,
            "code": self.error.code if self.error else None,
        }


def rfc3339(seconds: float) -> str:
    """Unix seconds as an instant of UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
