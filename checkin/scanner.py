"""The verifier's party: a scanner in a file, as the command line and the tests use it.

It holds public lists, its token and a sealed queue, and nothing about anybody. All checks but the last half of
'already used' run here without a network; uploads repeat safely, because each scan has a random id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from checkin import presentation
from checkin.client import Client
from checkin.clock import Calendar, parse_rfc3339
from checkin.credential import IssuerKey, IssuerKeys
from checkin.encoding import b64url_encode
from checkin.errors import AlreadyUsed, CheckinError, ScannerStale, ServiceError, SettingsInvalid, Unreachable
from checkin.intake import Place, Scan, seal_entry
from checkin.jsonfile import write_private
from checkin.keylist import IntakeList, IssuerList, merge
from checkin.note import NoteVerifier, open_note
from checkin.presentation import Presentation, StatusRule
from checkin.primitives import random_bytes, sha256

BATCH_LIMIT: Final = 1000
STALE_SECONDS: Final = 24 * 3600
MAX_SKEW_SECONDS: Final = 10  # a scanner further from its registry's time refuses good codes and admits old ones


class Result(StrEnum):
    """What became of a scan."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    REPEATED = "repeated"


@dataclass
class Trust:
    """The lists a scanner verifies with, kept over restarts; the first key for a day is final."""

    registry_vkey: str = ""
    issuer_vkeys: dict[int, str] = field(default_factory=dict)
    issuer_lists: dict[int, str] = field(default_factory=dict)
    intake: str = ""
    rule: list[int] = field(default_factory=list)
    zone: str = "Asia/Seoul"
    time: float = 0.0
    """When the registry's time was last heard, unix seconds by this scanner's clock."""

    def update(self, answer: Mapping[str, Any], now: float) -> None:
        """Take over a fresh answer of GET /v1/trust. Raises `NoteUntrusted`, `ListRefused`, `ScannerStale`."""
        if abs(parse_rfc3339(answer["time"]) - now) > MAX_SKEW_SECONDS:
            raise ScannerStale("This scanner's clock differs from the registry's: set the clock, then try again.")
        fresh = Trust(
            # Keys once seen stay pinned: a registry that is taken over cannot put others in their place.
            self.registry_vkey or str(answer["registry"]["vkey"]),
            {int(item["issuer"]): item["vkey"] for item in answer["issuers"]} | self.issuer_vkeys,
            {int(item["issuer"]): item["list"] for item in answer["issuers"] if item["list"]},
            str(answer["intake"]),
            list(answer["status_rule"]),
            str(answer["zone"]),
            now,
        )
        merge(self.intake_list().keys if self.intake else {}, fresh.intake_list().keys)
        for issuer in fresh.issuer_lists:
            known = self.issuer_list(issuer).keys if issuer in self.issuer_lists else {}
            merge(known, fresh.issuer_list(issuer).keys)
        self.__dict__.update(fresh.__dict__)

    def issuer_list(self, issuer: int) -> IssuerList:
        """An issuer's list, verified under its pinned key."""
        note = open_note(self.issuer_lists[issuer], [NoteVerifier.parse(self.issuer_vkeys[issuer])])
        listed = IssuerList.read(note.text)
        if listed.issuer != issuer:
            raise ServiceError("A list names another issuer than the one it was given for.")
        return listed

    def intake_list(self) -> IntakeList:
        """The registry's list, verified under its pinned key."""
        return IntakeList.read(open_note(self.intake, [NoteVerifier.parse(self.registry_vkey)]).text)

    def keys_of(self, day: int) -> IssuerKeys:
        """All issuers' keys of a day."""
        lists = (self.issuer_list(issuer) for issuer in self.issuer_lists)
        return IssuerKeys.of(*(IssuerKey(lst.issuer, lst.keys[day].public) for lst in lists if day in lst.keys))


@dataclass
class Scanner:
    """One scanner of one venue."""

    path: Path
    venue_id: str
    scanner_id: str
    token: str
    trust: Trust = field(default_factory=Trust)
    queue: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    """Hash of a visit id → until when its code lives."""

    @classmethod
    def load(cls, path: Path) -> Scanner:
        """Raises `SettingsInvalid` when the file is no scanner."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            trust = data.get("trust", {})
            for name in ("issuer_vkeys", "issuer_lists"):
                trust[name] = {int(issuer): text for issuer, text in trust.get(name, {}).items()}
            return cls(
                path,
                data["venue_id"],
                data["scanner_id"],
                data["scanner_token"],
                Trust(**trust),
                data.get("queue", []),
                data.get("seen", {}),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SettingsInvalid(
                f"{path.name} is not a scanner file: it needs venue_id, scanner_id and scanner_token from enrolment."
            ) from None

    def save(self) -> None:
        """Write the file, readable by its owner alone, on disk when this returns."""
        data = {
            "venue_id": self.venue_id,
            "scanner_id": self.scanner_id,
            "scanner_token": self.token,
            "trust": self.trust.__dict__,
            "queue": self.queue,
            "seen": self.seen,
        }
        write_private(self.path, data)

    @property
    def place(self) -> Place:
        """What queued scans are bound to."""
        return Place(bytes.fromhex(self.venue_id), bytes.fromhex(self.scanner_id))

    def refresh(self, client: Client, now: float) -> None:
        """Fetch the lists; raises as `Trust.update`, or what the registry answers."""
        self.trust.update(client.get("/v1/trust"), now)
        self.save()

    def check(self, text: str, now: float) -> Presentation:
        """All checks of the door that need no network; raises the `TokenError`, or `ScannerStale`."""
        if now - self.trust.time > STALE_SECONDS:
            raise ScannerStale
        calendar = Calendar(self.trust.zone)
        verified = presentation.verify(text, now, calendar, self.trust.keys_of, StatusRule.of(self.trust.rule))
        self.seen = {mark: until for mark, until in self.seen.items() if until >= now}
        if _mark(verified) in self.seen:
            raise AlreadyUsed("Already checked in here a moment ago.")
        return verified

    def scan(self, text: str, client: Client | None, now: float) -> Result:
        """Check a code and record the visit: at the registry, or in the queue when there is no `client` or no answer.

        Raises the refusal of the door or of the registry; a refused code is never queued.
        """
        verified = self.check(text, now)
        scan = Scan(int(now), random_bytes(16), verified.encoded)
        result = self._submit(scan, client) or self._enqueue(scan, verified.credential.day)
        self.seen[_mark(verified)] = presentation.window(verified, Calendar(self.trust.zone))[1]
        self.save()
        return result

    def upload(self, client: Client) -> list[dict[str, str]]:
        """Send the queue in batches of up to 1,000; entries leave it when the registry has answered for them."""
        results: list[dict[str, str]] = []
        while self.queue:
            batch = self.queue[:BATCH_LIMIT]
            answer = client.post("/v1/check-ins/batch", {"sealed": batch})["results"]
            if len(answer) != len(batch):
                raise ServiceError("The registry did not answer for every entry: the queue is kept.")
            results += answer
            del self.queue[: len(batch)]
            self.save()
        return results

    def _submit(self, scan: Scan, client: Client | None) -> Result | None:
        if client is None:
            return None
        body = {"token": presentation.to_text(scan.token), "scan_id": b64url_encode(scan.scan_id)}
        try:
            return Result(client.post("/v1/check-ins", body)["result"])
        except Unreachable:
            return None
        except CheckinError as error:
            if error.status == 503:
                return None
            raise

    def _enqueue(self, scan: Scan, day: int) -> Result:
        intake = self.trust.intake_list().keys.get(day)
        if intake is None:
            raise ScannerStale("There is no intake key for this day: connect the scanner once.")
        self.queue.append(b64url_encode(seal_entry(scan, day, self.place, intake.public)))
        return Result.QUEUED


def _mark(verified: Presentation) -> str:
    return b64url_encode(sha256(verified.credential.visit_id)[:12])
