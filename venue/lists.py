"""What a scanner is told to trust: issuers' lists as they signed them, the registry's intake keys, rule and time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from checkin.encoding import b64_encode
from checkin.errors import KeyDestroyed, KeyMissing
from checkin.keylist import INTAKE_KEYS
from checkin.keyring import KeyName, Purpose
from checkin.service.auth import Bearer
from checkin.service.party import Party
from checkin.signedtime import TIME_STATEMENT
from venue.gates import Gates
from venue.scanners import Scanner, Scanners
from venue.settings import Issuer
from venue.trust import IssuerTrust

INTAKE_DAYS_AHEAD = 14
_Nonce = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class RegistryKey(BaseModel):
    """The verifier key of the registry's notes."""

    vkey: str


class IssuerEntry(BaseModel):
    """An issuer: its number, its verifier key as pinned here, and its signed list (`checkin/issuer-keys/v1`)."""

    issuer: int
    vkey: str
    list: str


class VenueEntry(BaseModel):
    """The scanner's own venue."""

    id: str
    name: str


class TrustAnswer(BaseModel):
    """`intake` is a signed note, `checkin/intake-keys/v1`; `time_note`, if asked for, `checkin/time/v1`."""

    registry: RegistryKey
    issuers: list[IssuerEntry]
    intake: str
    status_rule: list[int]
    venue: VenueEntry
    zone: str
    time: str
    time_note: str | None = None


class Lists:
    """Answers /v1/trust."""

    def __init__(self, party: Party, trust: IssuerTrust, issuers: tuple[Issuer, ...]) -> None:
        self._party = party
        self._trust = trust
        self._issuers = issuers

    def intake(self) -> str:
        """The registry's signed list from yesterday, for who stands at the door at midnight, to 14 days ahead."""
        today = self._party.today()
        lines = []
        for day in range(today - 1, today + INTAKE_DAYS_AHEAD + 1):
            try:
                key = self._party.ring.opening_key(KeyName(Purpose.INTAKE, day))
            except (KeyMissing, KeyDestroyed):
                continue
            lines.append(f"{self._party.calendar.date(day)} {b64_encode(key.public)}")
        if not lines:
            raise KeyMissing("There are no intake keys yet: see /readyz.")
        return self._party.sign(INTAKE_KEYS, {"registry": self._party.settings.name, "key": lines})

    def answer(self, scanner: Scanner, nonce: str | None) -> TrustAnswer:
        """Everything a scanner needs to work without a network until tomorrow."""
        party, notes = self._party, self._trust.notes()
        time = party.calendar.rfc3339(party.now())
        signed = {"service": party.settings.name, "nonce": nonce or "", "time": time}
        return TrustAnswer(
            registry=RegistryKey(vkey=party.signer.verifier.vkey),
            issuers=[
                IssuerEntry(issuer=issuer.number, vkey=issuer.vkey, list=notes[issuer.number])
                for issuer in self._issuers
                if issuer.number in notes
            ],
            intake=self.intake(),
            status_rule=list(scanner.venue.rule),
            venue=VenueEntry(id=scanner.venue.id, name=scanner.venue.name),
            zone=party.calendar.zone,
            time=time,
            time_note=party.sign(TIME_STATEMENT, signed) if nonce else None,
        )


def routes(lists: Lists, scanners: Scanners, gates: Gates) -> APIRouter:
    """/v1/trust."""
    router = APIRouter(tags=["scanner"])

    @router.get("/v1/trust", response_model_exclude_none=True)
    def trust(token: Bearer, nonce: _Nonce = None) -> TrustAnswer:
        """Key lists, intake keys, the venue's rule and the time, signed if a nonce is given. Bearer: a scanner."""
        scanner = scanners.bearing(token)
        gates.hear(scanner.place.scanner)
        return lists.answer(scanner, nonce)

    return router
