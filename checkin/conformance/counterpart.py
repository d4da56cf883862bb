"""The other side of a judged program: an issuer, a registry and a log with keys of the harness, so they can lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from checkin.clock import Calendar
from checkin.conformance.peer import Answered, Asked, as_json, problem
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.credential import Draft, Mode, Status, StatusOpening
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.intake import Place, Scan, open_entry
from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey, random_bytes
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import inclusion_proof, leaf_hash, subtrees
from checkin.tlog.proof import LogProof

ZONE: Final = "Asia/Seoul"
CALENDAR: Final = Calendar(ZONE)
NOON: Final = CALENDAR.start(20777) + 12 * 3600.0  # 2026-11-20
ISSUER, SECOND_ISSUER = 7, 8


def new_key() -> SigningKey:
    """A new random key."""
    return SigningKey(random_bytes(32))


class HarnessLog:
    """A transparency log with one witness; `took` are the entries that it has."""

    def __init__(self) -> None:
        self._signer = NoteSigner("log.example/log", new_key())
        self._witness = Cosigner("witness.example/w1", new_key())
        self.pins = {"vkey": self._signer.verifier.vkey, "witnesses": [self._witness.verifier.vkey], "quorum": 1}

    def proof(self, entry: str, when: float, *, witnessed: bool = True, of: str | None = None) -> str:
        """That this entry is in the log; `of` another one when it is to lead nowhere."""
        leaves = [leaf_hash(text.encode()) for text in ("an entry", of or entry, "another")]
        tree = subtrees(leaves)
        text = Checkpoint(self._signer.name, len(leaves), tree(0, len(leaves))).write()
        head = sign_note(text, self._signer) + (self._witness.cosign(text, when) if witnessed else "")
        return LogProof(1, tuple(inclusion_proof(1, len(leaves), tree)), head).write()


class HarnessIssuer:
    """An issuer's keys and what it signs."""

    def __init__(self, number: int = ISSUER, name: str = "issuer.example") -> None:
        self.number = number
        self.signer = NoteSigner(name, new_key())
        self._keys: dict[int, SigningKey] = {}
        self._authority = OpeningKey(random_bytes(32))

    @property
    def vkey(self) -> str:
        """What a wallet pins."""
        return self.signer.verifier.vkey

    def key(self, day: int) -> SigningKey:
        """The day's key, made when it is first used."""
        return self._keys.setdefault(day, new_key())

    def listed(
        self, days: Collection[int], signer: NoteSigner | None = None, keys: Mapping[int, SigningKey] | None = None
    ) -> str:
        """The signed list of these days' keys."""
        publics = {day: (keys or {}).get(day, self.key(day)).public for day in days}
        lines = {day: ListedKey.of(self.number, public) for day, public in publics.items()}
        return sign_note(IssuerList(self.number, lines).text(), signer or self.signer)

    def issue(
        self,
        holder_key: bytes,
        day: int,
        opening: StatusOpening,
        mode: Mode = Mode.SCREEN,
        key: SigningKey | None = None,
    ) -> bytes:
        """A credential."""
        visit_id = random_bytes(16)
        context = credentials.visit_context(self.number, day, visit_id)
        sealed = credentials.seal_subject(random_bytes(32), SealingKey(self._authority.public), 4242, context)
        return credentials.issue(
            Draft(day, mode, visit_id, holder_key, sealed, opening), self.number, key or self.key(day)
        )


@dataclass(frozen=True)
class Visitor:
    """A credential and its holder, to show codes."""

    credential: bytes
    holder: SigningKey
    opening: StatusOpening

    @property
    def visit_id(self) -> bytes:
        """The visit id that the credential carries."""
        return credentials.read(self.credential).visit_id

    def show(self, when: float, *, status: bool = False) -> str:
        """A code's text."""
        opening = self.opening if status else None
        return presentation.to_text(presentation.present(self.credential, self.holder, int(when), opening))


def visitor(issuer: HarnessIssuer, day: int, mode: Mode = Mode.SCREEN, key: SigningKey | None = None) -> Visitor:
    """A visitor with a credential of that day."""
    holder, opening = new_key(), StatusOpening(Status.VACCINATED, random_bytes(16))
    return Visitor(issuer.issue(holder.public, day, opening, mode, key), holder, opening)


def told_time(signer: NoteSigner, nonce: str, when: float, name: str | None = None) -> str:
    """`checkin/time/v1`."""
    values = {"service": name or signer.name, "nonce": nonce, "time": CALENDAR.rfc3339(when)}
    return sign_note(TIME_STATEMENT.write(values), signer)


def nonce_of(asked: Asked) -> str:
    """The nonce in a request's query; empty without one."""
    return parse_qs(urlsplit(asked.path).query).get("nonce", [""])[0]


def path_of(asked: Asked) -> str:
    """A request's path alone."""
    return urlsplit(asked.path).path


class HarnessRegistry:
    """A registry with one venue and one scanner; `log` is what it pins."""

    def __init__(self, issuers: Collection[HarnessIssuer]) -> None:
        self.signer = NoteSigner("registry.example", new_key())
        self.issuers = tuple(issuers)
        self.log = HarnessLog()
        self.rule: list[int] = []
        self.enrolment = {
            "venue_id": random_bytes(8).hex(),
            "scanner_id": random_bytes(8).hex(),
            "scanner_token": b64url_encode(random_bytes(32)),
            "label": "north gate",
        }
        self._intake: dict[int, OpeningKey] = {}

    @property
    def place(self) -> Place:
        """What queued scans are bound to."""
        return Place(bytes.fromhex(self.enrolment["venue_id"]), bytes.fromhex(self.enrolment["scanner_id"]))

    def intake_key(self, day: int) -> OpeningKey:
        """The day's intake key, made when it is first used."""
        return self._intake.setdefault(day, OpeningKey(random_bytes(32)))

    def opened(self, entry: str) -> Scan:
        """A queued scan; raises `EntryUnreadable`, or ValueError for what is no base64url."""
        data = b64url_decode(entry)
        return open_entry(data, self.place, self.intake_key(int.from_bytes(data[:4], "big")))

    def trust(self, asked: Asked, when: float, days: Collection[int]) -> dict[str, Any]:
        """What GET /v1/trust answers, all of it true."""
        keys = {day: IntakeKey(self.intake_key(day).public) for day in days}
        intake = sign_note(IntakeList(self.signer.name, keys).text(), self.signer)
        lists = [(issuer, issuer.listed(days)) for issuer in self.issuers]
        return {
            "registry": {"vkey": self.signer.verifier.vkey},
            "issuers": [
                {"issuer": one.number, "vkey": one.vkey, "list": note, "proof": self.log.proof(note, when)}
                for one, note in lists
            ],
            "intake": intake,
            "intake_proof": self.log.proof(intake, when),
            "log": self.log.pins,
            "status_rule": self.rule,
            "venue": {"id": self.enrolment["venue_id"], "name": "Café Mugunghwa"},
            "zone": ZONE,
            "time": CALENDAR.rfc3339(when),
            "time_note": told_time(self.signer, nonce_of(asked), when),
        }


def no_such_route(asked: Asked) -> Answered:
    """What a service says of an address that it does not have."""
    return problem("not_found", 404, asked=path_of(asked))


PORTAL: Final = Answered(200, "<html>Please log in</html>", "text/html")
NO_ANSWERS: Final = {
    "a portal's page with status 200": PORTAL,
    "a proxy's 502": Answered(502, "<html>Bad Gateway</html>", "text/html"),
    "a redirect": Answered(302, "", "text/plain"),
    "an empty body": Answered(200, ""),
    "JSON of another form": as_json({"status": "ok"}),
    "another's problem": Answered(401, '{"type":"about:blank","status":401}', "application/problem+json"),
}
