"""Issuer key lists, fetched once a minute. The first key seen for a day is never replaced.

An issuer that does not answer changes nothing: what was fetched is in data/venue.db, for fourteen days ahead, and
no other server is in the path of a check-in (docs/spec/registry.md §4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import httpx
import structlog

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS, STOPWATCH
from checkin.errors import CheckinError, KeyMissing, ListRefused, NoteUntrusted, Unreachable
from checkin.files.tables import Commit, Tables, Values
from checkin.http.exchange import Exchange, open_http
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.key_list import HORIZON_DAYS, IssuerList, ListedKey, merge
from checkin.protocol.note import MAX_NOTE, open_note
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from checkin.service.tasks import URGENT_SECONDS
from checkin.tlog.proof import PinnedLog
from venue.database import LISTS
from venue.settings import TrustedIssuer


class Fetched(NamedTuple):
    """An issuer's signed list, and the proof (c2sp.org/tlog-proof) that it is in the log; nothing is verified yet."""

    note: str
    proof: str | None = None


Fetch = Callable[[str], Fetched]
_TIMEOUT_SECONDS = 3.0
_LONGEST_SECONDS = 10.0  # a slow answer must not keep the next issuer waiting
_MAX_ANSWER = 4 * MAX_NOTE  # the note and its proof as JSON text, the same keys once as JWK
_KEEP_LIST = """INSERT INTO issuer_lists (issuer, note, proof) VALUES (:issuer, :note, :proof)
    ON CONFLICT (issuer) DO UPDATE SET note = excluded.note, proof = excluded.proof"""
log = structlog.get_logger()


def fetch_list(url: str) -> Fetched:
    """What an issuer's GET /v1/keys answers; raises `Unreachable`."""
    try:
        with open_http(_TIMEOUT_SECONDS) as http:
            answer = Exchange(http, _LONGEST_SECONDS, _MAX_ANSWER).send("GET", f"{url}/v1/keys").raise_for_status()
        body = answer.json()
        return Fetched(str(body["list"]), None if body.get("proof") is None else str(body["proof"]))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreachable("An issuer did not answer with its list of keys.") from None


class _Memory(NamedTuple):
    """All issuers' keys by day, as of this number of changes, those of requested days ready to be used, and the newest
    list of each issuer."""

    number: int
    listed: Mapping[int, list[IssuerKey]]
    keys: dict[int, IssuerKeys]
    lists: Mapping[int, Fetched]


class IssuerTrust:
    """The keys that credentials of a day verify under."""

    def __init__(
        self,
        party: ServiceIdentity,
        tables: Tables,
        issuers: tuple[TrustedIssuer, ...],
        fetch: Fetch = fetch_list,
        *,
        pinned: PinnedLog | None = None,
    ) -> None:
        """With a `pinned` log no list is taken that is not in it."""
        self._party = party
        self._tables = tables
        self._issuers = issuers
        self._pinned = pinned
        self._fetch = fetch
        self._urgent_until = STOPWATCH.boot() + URGENT_SECONDS
        self._unanswered: dict[int, str] = {}
        self._proved: dict[int, Fetched] = {}
        self._known: _Memory | None = None

    def refresh(self) -> None:
        """A task, once a minute: fetches every issuer's list."""
        for issuer in self._issuers:
            self._ask(issuer)

    def refresh_missing(self) -> None:
        """A task: fetches the lists of issuers that lack a key for today or tomorrow, or a list for scanners."""
        today = self._party.today()
        for issuer in self._lacking(today, today + 1):
            self._ask(issuer)

    def urgent(self) -> bool:
        """Whether that should run again in half a second: the service is new, and an issuer lacks something today."""
        return STOPWATCH.boot() <= self._urgent_until and bool(self._lacking(self._party.today()))

    def take(self, issuer: TrustedIssuer, note: str, proof: str | None = None) -> None:
        """Adds a list's days to those known, but for days that no issuer lists yet.

        Raises `NoteMalformed`, `NoteUntrusted`; `ProofInvalid` unless the pinned log, if any, has the list;
        `ListRefused`, nothing of it taken, when it contradicts what was seen before: the other key is then kept as
        evidence, the first one of a day.
        """
        listed = IssuerList.read(open_note(note, [issuer.verifier]).text)
        if listed.owner != issuer.number:
            raise NoteUntrusted("The list is another issuer's: compare the numbers in the settings.")
        if listed.simulated != self._party.clock.simulated:
            raise NoteUntrusted("Real and simulated time do not mix: the list was made under the other one.")
        if self._pinned:
            # SPEC keys.md §5.2: "Who has pinned a log MUST refuse a list without a valid proof as a whole"
            self._pinned.require(note, proof)
        today = self._party.today()
        # The first key for a day is final: a key that was stolen for an hour must not decide over years.
        days = range(today - RETENTION_DAYS, today + HORIZON_DAYS + 1)
        new = {day: key for day, key in listed.keys.items() if day in days}
        if not self._tables.write(lambda commit: self._merge(commit, issuer.number, new, Fetched(note, proof or None))):
            raise ListRefused

    def _merge(self, commit: Commit, number: int, new: Mapping[int, ListedKey], found: Fetched) -> bool:
        """Whether the list was taken; otherwise it contradicts what was seen before, which is kept."""
        commit.alone()
        mine = {"issuer": number}
        rows = commit.execute("SELECT day, public FROM issuer_keys WHERE issuer = :issuer", mine)
        known = {day: ListedKey.of(number, public) for day, public in rows}
        try:
            added = merge(known, new)
        except ListRefused:
            seen = {day for (day,) in commit.execute("SELECT day FROM contradictions WHERE issuer = :issuer", mine)}
            others = {day: key.public for day, key in new.items() if known.get(day, key) != key}
            first = {day: public for day, public in others.items() if day not in seen}
            _remember(commit, "contradictions", number, first)
            return False
        if added:
            _remember(commit, "issuer_keys", number, {day: key.public for day, key in added.items()})
            commit.changed(LISTS)
        # An older list sent again adds nothing, and must not take the place of a newer one.
        if max(new, default=0) >= max(known, default=0):
            self._keep_list(commit, number, found)
        return True

    @property
    def is_read(self) -> bool:
        """Whether `keys_of_day` queries no database: no list had changed when the scanner was looked up."""
        return self._known is not None and self._known.number == self.number

    @property
    def number(self) -> int | None:
        """The number of changes of lists, as the last look saw; None before the first."""
        return self._tables.seen.get(LISTS)

    def read(self) -> _Memory:
        """Reads what issuers have listed into memory, if it has changed."""
        number = self._tables.look()[LISTS]
        if self._known is None or self._known.number != number:
            pinned = {issuer.number for issuer in self._issuers}
            listed: dict[int, list[IssuerKey]] = {}
            for issuer, day, public in self._tables.read("SELECT issuer, day, public FROM issuer_keys"):
                if issuer in pinned:
                    listed.setdefault(day, []).append(IssuerKey(issuer, public))
            rows = self._tables.read("SELECT issuer, note, proof FROM issuer_lists ORDER BY issuer")
            lists = {issuer: Fetched(note, proof or None) for issuer, note, proof in rows}
            self._known = _Memory(number, listed, {}, lists)
        return self._known

    def keys_of_day(self, day: int) -> IssuerKeys:
        """All issuers' keys of the day; from memory, unless a list had changed when the scanner was looked up.

        Raises `KeyMissing` when there is none at all: a code of that day can be judged later, not now.
        """
        known = self._known if self._known is not None and self.is_read else self.read()
        keys = known.keys.get(day)
        if keys is None:
            if day not in known.listed and day not in (known := self.read()).listed:
                raise KeyMissing("No issuer's list for this day has been fetched yet: try again in a minute.")
            keys = known.keys[day] = IssuerKeys(*known.listed[day])
        return keys

    def lists(self) -> dict[int, Fetched]:
        """The newest accepted list of each issuer that has one, with its proof if there is one, now valid or not."""
        return dict(self.read().lists)

    def given(self) -> dict[int, Fetched]:
        """Those that scanners are given: of valid signature, and of valid proof where a log is pinned, now. One list
        of before the issuer changed its key, or the log was pinned, would make them refuse all."""
        return {number: found for number, found in self.lists().items() if self._valid(number, found)}

    def findings(self) -> Iterator[Finding]:
        """For /readyz: fails without any issuer's key for today, warns of silence, gaps and contradictions."""
        today = self._party.today()
        if self._has_key(today):
            yield Finding("issuer_keys", "ok", "There is an issuer's key for today.")
        else:
            yield Finding("issuer_keys", "failure", "No trusted issuer has listed a key for today: see its /readyz.")
        for issuer in self._issuers:
            for day, name in ((today, "today"), (today + 1, "tomorrow")):
                if not self._has_key(day, issuer.number):
                    text = f"Issuer {issuer.number} has listed no key for {name} yet."
                    yield Finding(f"issuer_{issuer.number}_keys", "warning", text)
                    break
        for number, code in sorted(self._unanswered.items()):
            text = f"Issuer {number} gave no list that could be taken ({code}); what was known before stays in use."
            yield Finding(f"issuer_{number}", "warning", text)
        for number in sorted({issuer.number for issuer in self._issuers} & self.lists().keys() - self.given().keys()):
            text = f"Issuer {number}'s list is not under its pinned key or not in the log yet: no scanner gets it."
            yield Finding(f"issuer_{number}_proof", "warning", text)
        yield from self._suspicious()

    def _suspicious(self) -> Iterator[Finding]:
        """Warnings of what refuses no visitor, and does not come about by chance."""
        for day, issuers in self.shared():
            whose, date = " and ".join(map(str, issuers)), self._party.calendar.date(day)
            text = f"Issuers {whose} list keys with one kid for {date}; codes of each are taken. Ask who was first."
            yield Finding("shared_kids", "warning", text)
        for (number,) in self._tables.read("SELECT DISTINCT issuer FROM contradictions ORDER BY issuer"):
            text = f"Issuer {number} has signed two different keys for a day; the first stays. Ask its operator why."
            yield Finding(f"issuer_{number}_contradiction", "warning", text)

    def shared(self) -> Iterator[tuple[int, list[int]]]:
        """(day, numbers of issuers) wherever keys of several share a kid, of days that take check-ins or will."""
        oldest = self._party.today() - CLOSING_DAYS
        for day, listed in sorted(self.read().listed.items()):
            for keys in IssuerKeys(*listed).shared() if day >= oldest else ():
                yield day, sorted(key.issuer for key in keys)

    def forget(self, oldest_day: int) -> None:
        """Removes keys of days that are due. A task of the purge."""
        values = {"oldest": oldest_day}

        def step(commit: Commit) -> None:
            commit.execute("DELETE FROM contradictions WHERE day < :oldest", values)
            if commit.change("DELETE FROM issuer_keys WHERE day < :oldest", values):
                commit.changed(LISTS)

        self._tables.write(step)

    def _valid(self, number: int, found: Fetched) -> Fetched | None:
        """The list, if the issuer's pinned key signed it, and it is in the pinned log or none is pinned.
        Verified once: scanners fetch often."""
        if self._proved.get(number) != found:
            try:
                open_note(found.note, [one.verifier for one in self._issuers if one.number == number])
                if self._pinned:
                    self._pinned.require(found.note, found.proof)
            except CheckinError:
                return None
            self._proved[number] = found
        return found

    def _keep_list(self, commit: Commit, number: int, found: Fetched) -> None:
        """Writes only what is new: one valid proof is as good as another."""
        values: Values = {"issuer": number, "note": found.note}
        query = "SELECT proof FROM issuer_lists WHERE issuer = :issuer AND note = :note"
        for (proof,) in commit.execute(query, values):
            old = Fetched(found.note, proof or None)
            if old == found or (old.proof and self._valid(number, old)):
                return
        commit.execute(_KEEP_LIST, {**values, "proof": found.proof or ""})
        commit.changed(LISTS)

    def _lacking(self, *days: int) -> list[TrustedIssuer]:
        given = self.given()
        return [
            issuer
            for issuer in self._issuers
            if issuer.number not in given or not all(self._has_key(day, issuer.number) for day in days)
        ]

    def _ask(self, issuer: TrustedIssuer) -> None:
        try:
            self.take(issuer, *self._fetch(issuer.url))
        except CheckinError as error:
            self._unanswered[issuer.number] = error.code
            log.warning("issuer_list_not_taken", issuer=issuer.number, code=error.code)
        else:
            self._unanswered.pop(issuer.number, None)

    def _has_key(self, day: int, number: int | None = None) -> bool:
        keys = self.read().listed.get(day, [])
        return any(number in (None, key.issuer) for key in keys)


def _remember(commit: Commit, table: str, issuer: int, publics: Mapping[int, bytes]) -> None:
    add = f"INSERT INTO {table} (issuer, day, public) VALUES (:issuer, :day, :public) ON CONFLICT DO NOTHING"  # noqa: S608
    commit.many(add, [{"issuer": issuer, "day": day, "public": publics[day]} for day in sorted(publics)])
