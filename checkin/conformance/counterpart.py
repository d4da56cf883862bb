"""The other side of a judged program: an issuer, a registry and a log with keys of the harness, so they can lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from checkin.clock import Calendar
from checkin.conformance.peer import Answer, Answered, Asked, as_json, problem
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.credential import Draft, Mode, Status, StatusOpening, new_opening
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.intake import Place, Scan, open_entry
from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import inclusion_proof, leaf_hash, subtrees
from checkin.tlog.proof import LogProof

ZONE: Final = "Asia/Seoul"
CALENDAR: Final = Calendar(ZONE)
NOON: Final = CALENDAR.start(20777) + 12 * 3600.0  # 2026-11-20
ISSUER, SECOND_ISSUER = 7, 8


def new_key() -> SigningKey:
    return SigningKey(random_bytes(32))


class HarnessLog:
    """A transparency log with one witness."""

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

    def listed(self, note: str, when: float, **proof: Any) -> dict[str, str]:
        """An issuer's list and that it is in the log, as answers have them; `proof` as there."""
        return {"list": note, "proof": self.proof(note, when, **proof)}


class HarnessIssuer:
    def __init__(self, number: int = ISSUER, name: str = "issuer.example") -> None:
        self.number = number
        self.signer = NoteSigner(name, new_key())
        self.keys: dict[int, SigningKey] = defaultdict(new_key)
        """By day, each made when it is first used."""

    def listed(
        self, days: Collection[int], signer: NoteSigner | None = None, keys: Mapping[int, SigningKey] | None = None
    ) -> str:
        publics = {day: (keys or {}).get(day, self.keys[day]).public for day in days}
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
        """A credential; random bytes are in place of the sealed subject, which no wallet or scanner opens."""
        draft = Draft(day, mode, random_bytes(16), holder_key, random_bytes(72), opening)
        return credentials.issue(draft, self.number, key or self.keys[day])


@dataclass(frozen=True)
class Visitor:
    """A credential and its holder, to show codes."""

    credential: bytes
    holder: SigningKey
    opening: StatusOpening

    @property
    def visit_id(self) -> bytes:
        return credentials.read(self.credential).visit_id

    def show(self, when: float, *, status: bool = False) -> str:
        opening = self.opening if status else None
        return presentation.to_text(presentation.present(self.credential, self.holder, int(when), opening))


def visitor(issuer: HarnessIssuer, day: int, mode: Mode = Mode.SCREEN, key: SigningKey | None = None) -> Visitor:
    holder, opening = new_key(), new_opening(Status.VACCINATED)
    return Visitor(issuer.issue(holder.public, day, opening, mode, key), holder, opening)


def told_time(signer: NoteSigner, nonce: str, when: float, name: str | None = None) -> str:
    """`checkin/time/v1`."""
    values = {"service": name or signer.name, "nonce": nonce, "time": CALENDAR.rfc3339(when)}
    return sign_note(TIME_STATEMENT.write(values), signer)


FALSE_TIMES: Final[Mapping[str, Callable[[NoteSigner, str, float], str]]] = {
    "an old answer": lambda signer, _, when: told_time(signer, "A" * 22, when),
    "another key": lambda signer, nonce, when: told_time(NoteSigner(signer.name, new_key()), nonce, when),
    "another service's note": lambda _, nonce, when: told_time(NoteSigner("other.example", new_key()), nonce, when),
    "a note that names another service": lambda signer, nonce, when: told_time(signer, nonce, when, "other.example"),
}
"""What no party takes for the time that its signer told for a nonce."""


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
        self._intake: dict[int, OpeningKey] = defaultdict(lambda: OpeningKey(random_bytes(32)))

    def opened(self, entry: str) -> Scan:
        """A queued scan; raises `EntryUnreadable`, or ValueError for what is no base64url."""
        data, place = b64url_decode(entry), (bytes.fromhex(self.enrolment[name]) for name in ("venue_id", "scanner_id"))
        return open_entry(data, Place(*place), self._intake[int.from_bytes(data[:4], "big")])

    def trust(self, asked: Asked, when: float, days: Collection[int]) -> dict[str, Any]:
        """What GET /v1/trust answers, all of it true."""
        keys = {day: IntakeKey(self._intake[day].public) for day in days}
        intake = sign_note(IntakeList(self.signer.name, keys).text(), self.signer)
        return {
            "registry": {"vkey": self.signer.verifier.vkey},
            "issuers": [
                {"issuer": one.number, "vkey": one.signer.verifier.vkey, **self.log.listed(one.listed(days), when)}
                for one in self.issuers
            ],
            "intake": intake,
            "intake_proof": self.log.proof(intake, when),
            "log": self.log.pins,
            "status_rule": self.rule,
            "venue": {"id": self.enrolment["venue_id"], "name": "Café Mugunghwa"},
            "zone": ZONE,
            "time": CALENDAR.rfc3339(when),
            "time_note": told_time(self.signer, asked.nonce, when),
        }


def answering(routes: Mapping[str, Answer]) -> Answer:
    """A service that has these routes, as `GET /v1/trust`."""

    def answer(asked: Asked) -> Answered | None:
        route = routes.get(asked.route)
        return route(asked) if route else problem("not_found", 404, asked=asked.path)

    return answer


NO_ANSWERS: Final = {
    "a portal's page with status 200": Answered(200, "<html>Please log in</html>", "text/html"),
    "a proxy's 502": Answered(502, "<html>Bad Gateway</html>", "text/html"),
    "a redirect": Answered(302, "", "text/plain"),
    "an empty body": Answered(200, ""),
    "JSON of another form": as_json({"status": "ok"}),
    "another's problem": Answered(401, '{"type":"about:blank","status":401}', "application/problem+json"),
}
