"""Building on the services from Python: get and show a code, enrol a door and scan, verify what was destroyed.

Every call is one step of a person's: it opens a file of that person's (a wallet, a scanner), talks to the service, and
leaves the file good for the next, of this process or another; `checkin.client.aio` has the same calls for asyncio. What
goes wrong is a `CheckinError` (docs/errors.md). docs/client.md shows them at work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from checkin.clock import Calendar, Clock, SystemClock
from checkin.errors import CheckinError as CheckinError
from checkin.errors import PictureUnreadable, RequestInvalid, TokenMalformed
from checkin.files.durable import file_trouble, locked_beside
from checkin.files.json_file import open_party, save_party
from checkin.http.asking import conform, drive, nobody
from checkin.http.client import Client, Service, drive_at
from checkin.parties import wallet as wallets
from checkin.parties.grants import ScannerGrant, VenueGrant
from checkin.parties.scanner import Scanner, ScanResult, waits
from checkin.parties.wallet import Wallet
from checkin.protocol import qr as pictures
from checkin.protocol.presentation import PREFIX

if TYPE_CHECKING:
    from checkin.audit.auditor import AuditFault, Verdict


@dataclass(frozen=True)
class PendingWallet:
    """A registration that waits for the one-time code on its way to the phone, for five minutes."""

    issuer: str
    registration: str = field(repr=False)


@dataclass(frozen=True)
class FreshCode:
    """A code to show: for one door, and for 20 seconds. `left_today`: how many more the wallet has without a request;
    `notices`: every time that the health authority queried its holder, as the issuer says."""

    text: str = field(repr=False)
    left_today: int
    notices: tuple[dict[str, object], ...] = field(default=(), repr=False)

    def png(self) -> bytes:
        """The picture that a door reads, black on white."""
        return pictures.to_png(self.text)

    def svg(self) -> bytes:
        """The same, to scale."""
        return pictures.to_svg(self.text)


@dataclass(frozen=True)
class EnrolledDoor:
    """A venue with one scanner. The operator's token is shown this once: it enrols more scanners and reads counts."""

    venue_id: str
    scanner_id: str
    operator_token: str = field(repr=False)


@dataclass(frozen=True)
class Scanned:
    """A visit that was taken: `accepted`, `repeated` for the same scan sent twice, or `queued`, sealed, on this device.
    `waiting`: how many visits the queue has now; `refused`: how many of those before the registry did not take."""

    result: ScanResult
    waiting: int
    refused: int


class EvidenceFaulty(CheckinError):
    """What is wrong is in `faults`: each a file, in one word what happened to it, and a sentence."""

    code = "evidence_faulty"
    default = "What a service shows about what it destroyed is not what was signed and logged."

    def __init__(self, detail: str | None = None, faults: tuple[AuditFault, ...] = ()) -> None:
        super().__init__(detail)
        self.faults = faults


@contextmanager
def _typed() -> Iterator[None]:
    """A file that cannot be read or written is a `FileTrouble`."""
    try:
        yield
    except OSError as error:
        raise file_trouble(error) from None


@_typed()
def register(issuer: str, name: str, phone: str) -> PendingWallet:
    """Request a one-time code by message from this issuer. Raises `NameInvalid`, `PhoneInvalid`, `TooManyRequests`."""
    return PendingWallet(issuer, drive_at(issuer, wallets.register(name, phone), wanted=Service.ISSUER))


@_typed()
def confirm(pending: PendingWallet, code: str, wallet: Path, recovery_code: str | None = None) -> str:
    """Make the wallet's file with the code of the message, 8 digits; the recovery code, to be kept elsewhere.

    With the recovery code of an earlier wallet of this phone that account goes on; without it, it ends.
    Raises `RequestInvalid` for a file that is there, `CodeWrong`, `RecoveryWrong`.
    """
    with locked_beside(wallet):
        _require_new(wallet)
        steps = wallets.confirm(pending.issuer, pending.registration, code, recovery_code)
        made = drive_at(pending.issuer, steps, partial(save_party, wallet), Service.ISSUER)
    return made.recovery_code or ""


@_typed()
def present(
    wallet: Path, *, show_status: bool = False, zone: str = "Asia/Seoul", clock: Clock | None = None
) -> FreshCode:
    """A fresh code out of the wallet's file. The issuer is queried when the day's ten are used up, and not otherwise.

    The code goes by the issuer's time, whatever this machine's is. Raises `SettingsInvalid` for a file that is no
    wallet, `Unreachable`, `DayNotIssued`, `Unauthorized` for an account that was deleted.
    """
    clock, calendar = clock or SystemClock(), Calendar(zone)
    with open_party(Wallet, wallet) as held:
        steps = held.open_today(calendar, clock)
        opened = drive_at(held.issuer_url, steps, partial(save_party, wallet), Service.ISSUER)
    now = held.now(clock)
    text = wallets.present(opened, now, calendar, show_status=show_status)
    return FreshCode(text, held.left(calendar.day(now)), tuple(held.disclosures))


@_typed()
def enrol(  # noqa: PLR0913 - what a venue is
    registry: str,
    secret: str,
    scanner: Path,
    *,
    name: str,
    category: str = "cafe",
    label: str = "front door",
) -> EnrolledDoor:
    """Make a venue with one scanner, and the scanner's file, at the registry at this address.

    `secret`: the registry's enrolment secret. Raises `RequestInvalid` for a file that is there, `Unauthorized`.
    """
    with locked_beside(scanner):
        _require_new(scanner)
        with Client(registry, secret, wanted=Service.REGISTRY) as client:
            venue = conform(VenueGrant, client.post("/v1/venues", {"name": name, "category": category}))
        with Client(registry, venue.operator_token) as client:
            device = conform(ScannerGrant, client.post(f"/v1/venues/{venue.venue_id}/scanners", {"label": label}))
        save_party(scanner, Scanner(venue.venue_id, device.scanner_id, device.scanner_token).plain())
    return EnrolledDoor(venue.venue_id, device.scanner_id, venue.operator_token)


@_typed()
def scan(
    scanner: Path, registry: str, code: str | bytes | Path, *, offline: bool = False, clock: Clock | None = None
) -> Scanned:
    """Judge a code (its text, a picture, or a picture's file) as a door does, and record the visit.

    The queue of before is sent first. A visit waits in it, sealed, when the registry does not answer, or `offline`.
    A code that is refused raises its `TokenError` and is never queued; `ScannerStale` after a day without a registry.
    """
    text, clock = read_code(code), clock or SystemClock()
    with open_party(Scanner, scanner) as device, Client(registry, wanted=Service.REGISTRY) as client:
        keep = partial(save_party, scanner)
        try:
            answer = nobody if offline else client.answer
            drive(device.tend(clock), answer, keep)
        except CheckinError as error:
            if not waits(error):
                raise
            answer = nobody
        result = drive(device.judge(text, clock), answer, keep)
        return Scanned(result, len(device.queue), len(device.refused))


@_typed()
def upload(scanner: Path, registry: str, *, clock: Clock | None = None) -> int:
    """Send what waits in the scanner's queue; how much of it still waits. Safe to repeat. Raises `Unreachable`."""
    with open_party(Scanner, scanner) as device:
        drive_at(registry, device.tend(clock or SystemClock()), partial(save_party, scanner), Service.REGISTRY)
        return len(device.queue)


@_typed()
def verify_audit(source: str | Path, vkeys: Path, *, date: str = "", since: Path | None = None) -> Verdict:
    """All that a retention service shows, or a folder of evidence, against verifier keys that came from elsewhere.

    `vkeys`: a file, one key a line; `date`: as of which day (ISO), by default today, or the newest in a folder;
    `since`: an earlier checkpoint, which the log must continue. The verdict says of each of the last 60 days what was
    destroyed, and who stated it. Raises `EvidenceFaulty` unless everything is as it was signed and logged.
    """
    # Here, not above: showing or scanning a code should not wait for what an auditor needs.
    from checkin.audit.auditor import verify  # noqa: PLC0415
    from checkin.audit.evidence import Evidence, read_vkeys  # noqa: PLC0415

    previous = since.read_bytes() if since else None
    if isinstance(source, Path):
        verdict = verify(Evidence.of_folder(source, vkeys), date, previous)
    else:
        calendar = Calendar()
        today = calendar.date(calendar.day(SystemClock().now()))
        with Client(source, wanted=Service.RETENTION) as client:
            verdict = verify(Evidence.online(client, read_vkeys(vkeys)), date, previous, today)
    if not verdict.ok:
        first, count = verdict.faults[0], len(verdict.faults)
        raise EvidenceFaulty(f"{first.path} is {first.kind}, of {count} in all: {first.reason}", verdict.faults)
    return verdict


@_typed()
def read_code(source: str | bytes | Path) -> str:
    """The text of the one check-in code in a picture; a text as it is. Raises `TokenMalformed` for another text, and
    `PictureUnreadable`, also for a picture of several codes: which one is meant is unknown."""
    if isinstance(source, str):
        if not source.startswith(PREFIX):
            raise TokenMalformed("This is not the text of a check-in code, which begins with CK1:.")
        return source
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(pictures.MAX_BYTES)
    texts = pictures.read_image(source)
    ours = [text for text in texts if text.startswith(PREFIX)]
    if len(ours) > 1:
        raise PictureUnreadable(f"There are {len(ours)} check-in codes in the picture: show one at a time.")
    return (ours or texts)[0]


def _require_new(path: Path) -> None:
    if path.exists():
        raise RequestInvalid(f"{path.name} is there already: name another file.")
