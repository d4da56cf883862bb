"""What services hand out once: ids and tokens, which go into addresses, headers and files of the client."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,1024}$")]
"""base64url."""
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class BegunRegistration(BaseModel):
    """What POST /v1/registrations answers."""

    registration_id: Word


class WalletGrant(BaseModel):
    """What the confirmation of a registration answers."""

    wallet_token: Word
    recovery_code: Annotated[str, Field(pattern=r"^[0-9A-Z-]{1,64}$")] | None = None


class OperatorGrant(BaseModel):
    """What POST /v1/venues/{id}/operator-token answers."""

    operator_token: Word


class VenueGrant(OperatorGrant):
    """What POST /v1/venues answers."""

    venue_id: Id


class ScannerGrant(BaseModel):
    """What POST /v1/venues/{id}/scanners answers."""

    scanner_id: Id
    scanner_token: Word


class EnrolmentCode(BaseModel):
    """What an operator's page shows to a new scanner."""

    venue_id: Id
    scanner_id: Id
    scanner_token: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~+/=-]{16,256}$")]
