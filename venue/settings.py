"""The registry's settings; `settings.sample.toml` shows all of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from checkin.service.day_store import DaySettings
from checkin.service.settings import AuthoritySettings, LogSettings, Peer, TokenHash


class TrustedIssuer(Peer):
    """A trusted issuer: where it publishes its keys, the key its list verifies under, and its number (u32)."""

    number: Annotated[int, Field(ge=1, lt=2**32)]


class VenueSettings(DaySettings):
    """What the registry needs beyond the common settings."""

    enrolment_secret_sha256: TokenHash
    """SHA-256 of the secret with which venues are enrolled."""
    issuers: tuple[TrustedIssuer, ...] = Field(default=(), strict=False)
    """All of them are trusted at once."""
    authority: AuthoritySettings | None = None
    """The health authority that may order; no order is executed without it and `log`."""
    metrics_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the monitoring presents at /metrics; without it every request is refused."""
    log: LogSettings | None = None
    """The log that orders must be in."""
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Check-ins that one worker process has begun and not answered; further ones get 503 and Retry-After."""
    max_batches: Annotated[int, Field(ge=1, le=16)] = 2
    """Batches that one worker process works on at a time, one of a venue; further ones get 503 and Retry-After."""

    @model_validator(mode="after")
    def _different_issuers(self) -> Self:
        if len({issuer.number for issuer in self.issuers}) != len(self.issuers):
            raise ValueError("two issuers have the same number")
        return self
