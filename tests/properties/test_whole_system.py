"""The whole system in any order of events: no code counts twice, nothing acknowledged is lost, nothing comes back.

The long form, a count of steps with the invariants after each: `python tests/explore_system.py 50000`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from checkin.errors import CheckinError, DayDestroyed
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.orders.order import OrderRequest
from checkin.protocol import credential, presentation
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.intake import Scan, seal_entry
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.reader import LogReader, folder_fetch
from checkin.vault.engines import Row
from checkin.vault.vault import Vault
from checkin.vault.visit import visit_key
from issuer.contact import Contact
from tests.examples import examples
from tests.support.deployment_in_process import CASE, Whole
from tests.support.service_folder import CALENDAR, NOON

HOUR, DAYS = 3600.0, 86400.0
JUMPS = [HOUR, -HOUR, DAYS, -DAYS, -30 * DAYS]
PEOPLE = st.integers(0, 3)
DOORS = st.integers(0, 1)


@dataclass
class Code:
    """A credential in somebody's phone, and what became of it as far as anybody was told."""

    day: int
    text: bytes
    holder: SigningKey
    phone: str
    visit_id: bytes
    scan: bytes = b""
    door: int = -1
    minute: int = 0

    @property
    def accepted(self) -> bool:
        return self.door >= 0


@dataclass
class Queued:
    """A sealed entry in a scanner."""

    code: Code
    scan: bytes
    sealed: str


@dataclass
class Held:
    """A day of one service as it was last seen alive: a row to try when it is gone."""

    row: Row | None = None


@dataclass
class Truth:
    """What the parties were told, and so what must hold."""

    accounts: dict[str, int] = field(default_factory=dict)
    codes: list[Code] = field(default_factory=list)
    queues: dict[int, list[Queued]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[int, list[Queued]] = field(default_factory=lambda: defaultdict(list))
    secrets: set[bytes] = field(default_factory=set)


class WholeSystem(RuleBasedStateMachine):
    """`now` is the time of a perfect clock; the services' shows `wrong` seconds more."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.whole = Whole()
        self.truth = Truth()
        self.now, self.boot, self.wrong = float(NOON), 1000.0, 0.0
        self.lived, self.tended, self.well = 0, 0, True
        self.alive: dict[tuple[str, int], Held] = {}
        self.gone: dict[tuple[str, int], Held] = {}
        self.head: Checkpoint | None = None
        self.looked: dict[str, tuple[int, int]] = {}
        self.looked_for = 0
        self.show()
        self.round()
        self.doors = [self.whole.enrol(name) for name in ("Cafe", "Library")]

    def teardown(self) -> None:
        self.whole.close()

    # --- time -----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        self.whole.clock.set(CALENDAR.rfc3339(self.now + self.wrong, "milliseconds"), self.boot)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.boot += seconds
        self.show()

    @property
    def today(self) -> int:
        """As the services have it."""
        return CALENDAR.day(self.now + self.wrong)

    def round(self) -> None:
        """Everybody's tasks; the officers come together once a week, and there are keys for two."""
        self.lived = CALENDAR.day(self.now)
        if self.lived >= self.tended + 7:
            self.tended = self.lived
            self.whole.tend(self.now)
        self.well = not self.whole.keep_house()
        self.see_days()

    def purge(self) -> None:
        failed = False
        for purger in (self.whole.issuer.purger, self.whole.registry.purger):
            try:
                purger.run()
            except CheckinError:
                failed = True
        self.well = not failed
        self.see_days()

    def rings(self) -> dict[str, tuple[Vault, ServiceKeys]]:
        """By service."""
        whole = self.whole
        return {
            "issuer": (whole.issuer.vault, whole.issuer.party.ring),
            "registry": (whole.registry.vault, whole.registry.party.ring),
        }

    def see_days(self) -> None:
        """Which days live now; one that does no more was due."""
        for name, (vault, ring) in self.rings().items():
            live = {key.day for key in ring.names(Purpose.DAY)}
            for day in live:
                held = self.alive.setdefault((name, day), Held())
                held.row = held.row or next(iter(vault.store.rows(day)), None)
            for which in [key for key in self.alive if key[0] == name and key[1] not in live]:
                assert self.now >= CALENDAR.due(which[1]), "destroyed early"
                self.gone[which] = self.alive.pop(which)

    @rule(minutes=st.sampled_from([0.2, 1, 30, 180]))
    def time_passes(self, minutes: float) -> None:
        self.pass_time(60 * minutes)

    @rule(before=st.sampled_from([10, 1, 0.5]))
    def the_next_day_begins(self, before: float) -> None:
        """Seconds before midnight a phone shows a code, ten after it is scanned."""
        self.pass_time(max(0.0, CALENDAR.start(CALENDAR.day(self.now) + 1) - before - self.now))
        fresh = self.fresh()
        shown = self.present(fresh) if fresh else None
        self.pass_time(before + 10)
        self.round()
        if fresh and shown:
            self.scanned(fresh, 0, shown, random_bytes(16))

    @precondition(lambda self: self.wrong == 0)
    @rule(days=st.sampled_from([5, 27, 28]))
    def the_services_are_away(self, days: int) -> None:
        """For days; somebody looks at the clock afterwards."""
        self.pass_time(days * DAYS)
        self.round()
        self.confirm()

    def confirm(self) -> None:
        for guard in (self.whole.issuer.guard, self.whole.registry.guard):
            guard.confirm()
        self.round()

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_jumps(self, jump: float) -> None:
        self.wrong += jump
        self.show()
        self.purge()

    @precondition(lambda self: self.wrong != 0)
    @rule()
    def the_clock_is_put_right(self) -> None:
        self.wrong = 0.0
        self.show()
        self.confirm()

    @rule(often=st.integers(1, 2))
    def the_purge_runs_again(self, often: int) -> None:
        for _ in range(often):
            self.purge()

    # --- people ---------------------------------------------------------------------------------------------------

    @rule(person=PEOPLE)
    def somebody_registers(self, person: int) -> None:
        """Anew: an earlier account of the phone ends."""
        name, phone = f"Canary Person {person}", f"+8210555500{person:02}"
        with suppress(CheckinError):
            keys = self.whole.issuer.accounts.register(Contact(name, phone))
            self.truth.accounts[phone] = self.whole.issuer.identities.find(keys.token)
            self.truth.secrets |= {name.encode(), phone.encode(), phone.replace("+82", "0").encode()}
            self.truth.secrets |= {keys.token.encode(), keys.recovery_code.encode()}

    @precondition(lambda self: self.truth.accounts)
    @rule(which=st.integers(0, 99))
    def somebody_is_forgotten(self, which: int) -> None:
        phone = sorted(self.truth.accounts)[which % len(self.truth.accounts)]
        subject = self.truth.accounts[phone]
        with suppress(CheckinError):
            self.whole.issuer.accounts.end(subject)
        with pytest.raises(CheckinError):
            self.whole.issuer.batches.issue(subject, self.today, Mode.SCREEN, [SigningKey(random_bytes(32)).public])
        del self.truth.accounts[phone]

    @precondition(lambda self: self.truth.accounts)
    @rule(which=st.integers(0, 99), ahead=st.sampled_from([0, 0, 1]), number=st.integers(1, 3))
    def somebody_takes_codes(self, which: int, ahead: int, number: int) -> None:
        phone = sorted(self.truth.accounts)[which % len(self.truth.accounts)]
        holders = [SigningKey(random_bytes(32)) for _ in range(number)]
        day, publics = self.today + ahead, [holder.public for holder in holders]
        with suppress(CheckinError):
            issued = self.whole.issuer.batches.issue(self.truth.accounts[phone], day, Mode.SCREEN, publics)
            for one, holder in zip(issued, holders, strict=True):
                visit_id = credential.read(one.credential).visit_id
                assert visit_id not in self.truth.secrets
                self.truth.secrets |= {visit_id, visit_id.hex().encode()}
                self.truth.codes.append(Code(day, one.credential, holder, phone, visit_id))

    def fresh(self) -> Code | None:
        today = CALENDAR.day(self.now)
        return next((code for code in self.truth.codes if code.day == today and not code.accepted), None)

    def present(self, code: Code) -> bytes:
        return presentation.present(code.text, code.holder, int(self.now), None)

    # --- doors ----------------------------------------------------------------------------------------------------

    def scanned(self, code: Code, door: int, shown: bytes, scan: bytes) -> str:
        """Online. It is accepted once; then the same scan is a repetition, and every other one is refused."""
        said = self.whole.check_in(self.doors[door], presentation.to_text(shown), scan)
        self.judge(code, door, scan, said, int(self.now + self.wrong))
        return said

    def judge(self, code: Code, door: int, scan: bytes, said: str, moment: float) -> None:
        if said == "accepted":
            assert not code.accepted, "a code was accepted twice"
            code.scan, code.door, code.minute = scan, door, int(moment // 60)
        elif said == "repeated":
            assert (code.scan, code.door) == (scan, door), "a repetition of what was never accepted"
        elif said in ("already_used", "conflict"):
            assert code.accepted and (code.scan, code.door) != (scan, door)

    @precondition(lambda self: any(code.day == CALENDAR.day(self.now) for code in self.truth.codes))
    @rule(which=st.integers(0, 99), door=DOORS, again=st.booleans())
    def a_code_is_scanned(self, which: int, door: int, again: bool) -> None:
        """Perhaps one that was used, perhaps with the scan sent twice."""
        codes = [code for code in self.truth.codes if code.day == CALENDAR.day(self.now)]
        code, scan = codes[which % len(codes)], random_bytes(16)
        shown = self.present(code)
        said = self.scanned(code, door, shown, scan)
        if again:
            assert self.scanned(code, door, shown, scan) in (said, "repeated") or said != "accepted"
        if self.wrong == 0 and self.well and not code.accepted:
            raise AssertionError(f"a good code was refused: {said}")

    @precondition(lambda self: self.fresh())
    @rule()
    def a_code_is_scanned_at_two_doors(self) -> None:
        """One of them admits it."""
        code = self.fresh()
        assert code is not None
        shown = self.present(code)
        said = [self.scanned(code, door, shown, random_bytes(16)) for door in (0, 1)]
        assert said.count("accepted") <= 1

    @precondition(lambda self: any(code.day == CALENDAR.day(self.now) for code in self.truth.codes))
    @rule(which=st.integers(0, 99), door=DOORS)
    def a_scanner_without_network_queues_a_code(self, which: int, door: int) -> None:
        codes = [code for code in self.truth.codes if code.day == CALENDAR.day(self.now)]
        code, scan = codes[which % len(codes)], random_bytes(16)
        with suppress(CheckinError, KeyError):
            key = self.whole.registry.intake_keys()[code.day]
            scanner = self.whole.registry.scanners.bearing(self.doors[door].token)
            entry = seal_entry(Scan(int(self.now), scan, self.present(code)), code.day, scanner.place, key)
            self.truth.queues[door].append(Queued(code, scan, b64url_encode(entry)))

    @rule(door=DOORS, twice=st.booleans())
    def a_queue_is_uploaded(self, door: int, twice: bool) -> None:
        """And perhaps once more, with what was sent earlier, because the answer was not heard."""
        queued = self.truth.queues.pop(door, []) + self.truth.sent[door][-3:]
        for _ in range(1 + twice):
            answers = self.whole.upload(self.doors[door], [one.sealed for one in queued])
            if queued and not answers:  # not now: the scanner keeps all
                self.truth.queues[door] = queued
                return
            for one, said in zip(queued, answers, strict=True):
                self.judge(one.code, door, one.scan, said, self.now)
        self.truth.sent[door] += queued

    # --- machines and orders --------------------------------------------------------------------------------------

    @rule(issuer=st.booleans())
    def a_service_restarts(self, issuer: bool) -> None:
        if issuer:
            self.whole.issuer.close()
            self.whole.issuer = self.whole.open_issuer()
        else:
            self.whole.registry.close()
            self.whole.registry = self.whole.open_registry()

    def held(self) -> list[Code]:
        """Accepted, and of a day that is held."""
        return [code for code in self.truth.codes if code.accepted and ("registry", code.day) in self.alive]

    def traced(self, wish: OrderRequest) -> set[str] | None:
        try:
            return {person.phone for person in self.whole.trace(wish, self.now + self.wrong).people}
        except CheckinError:
            assert not self.well or self.wrong
            return None

    @precondition(lambda self: self.well and self.wrong == 0 and self.held())
    @rule(which=st.integers(0, 99))
    def officers_ask_who_was_at_a_place(self, which: int) -> None:
        codes = self.held()
        code = codes[which % len(codes)]
        window = (60.0 * code.minute - HOUR, 60.0 * code.minute + HOUR)
        people = self.traced(replace(CASE, venue=self.doors[code.door].venue, window=window))
        if code.phone in self.truth.accounts and ("issuer", code.day) in self.alive:
            assert people is not None and code.phone in people, "an acknowledged visit is not found"

    @precondition(lambda self: self.well and self.wrong == 0 and self.held())
    @rule(which=st.integers(0, 99))
    def officers_ask_where_a_person_was(self, which: int) -> None:
        codes = self.held()
        code = codes[which % len(codes)]
        people = self.traced(replace(CASE, phone=code.phone, days=(code.day, code.day)))
        if people is not None:
            assert code.phone not in people, "nobody is a contact of his own"
            assert people <= {other.phone for other in self.truth.codes if other.accepted}

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def a_step_is_counted(self) -> None:
        WholeSystem.steps += 1

    @invariant()
    def nothing_acknowledged_is_lost_and_nothing_is_there_twice(self) -> None:
        vault = self.whole.registry.vault
        by_day: dict[int, list[Code]] = defaultdict(list)
        for code in self.held():
            by_day[code.day].append(code)
        for day, codes in by_day.items():
            keys = [visit_key(vault, day, code.visit_id) for code in codes]
            found = vault.store.get(day, keys)
            assert set(found) == set(keys), "an acknowledged check-in is lost"
            assert vault.store.measure(day).rows >= len(set(keys))

    @invariant()
    def no_key_outlives_its_day_while_all_is_well(self) -> None:
        """Once the tasks have run on the day on which it is due."""
        if self.well and self.wrong == 0 and self.lived == CALENDAR.day(self.now):
            for _, ring in self.rings().values():
                assert all(self.now < CALENDAR.due(name.day) for name in ring.names(Purpose.DAY))

    @invariant()
    def what_is_destroyed_opens_nothing(self) -> None:
        for (name, day), held in list(self.gone.items())[-3:]:
            vault, ring = self.rings()[name]
            with pytest.raises(DayDestroyed):
                vault.mac(day, b"") if held.row is None else vault.open(day, held.row)
            with pytest.raises(DayDestroyed):
                ring.ensure(KeyName(Purpose.DAY, day), oldest=0)

    @invariant()
    def the_log_only_grows(self) -> None:
        head = self.whole.head()
        if self.head is not None and head != self.head:
            assert head.size > self.head.size
            LogReader(folder_fetch(self.whole.folder / "log"), head).verify_continues(self.head)
        self.head = head

    @invariant()
    def no_secret_lies_in_a_file_in_plain(self) -> None:
        """In what changed since the last look; everything, when there are new secrets."""
        if not self.truth.secrets:
            return
        if self.looked_for != len(self.truth.secrets):
            self.looked_for = len(self.truth.secrets)
            self.pattern = re.compile(b"|".join(map(re.escape, sorted(self.truth.secrets))))
        for path in self.whole.data():
            with suppress(FileNotFoundError):
                state = path.stat()
                if self.looked.get(str(path)) != (state.st_mtime_ns, state.st_size):
                    self.looked[str(path)] = (state.st_mtime_ns, state.st_size)
                    assert not self.pattern.search(path.read_bytes()), f"plaintext in {path.name}"


def test_who_checks_in_on_both_sides_of_midnight_is_no_contact_of_his_own() -> None:
    """The order covers one of the two days: the other day's code is nobody's that was listed."""
    system = WholeSystem()
    try:
        system.somebody_registers(person=0)
        for ahead in (0, 1):
            system.somebody_takes_codes(which=0, ahead=ahead, number=1)
        system.the_next_day_begins(before=1)
        system.a_code_is_scanned(which=0, door=0, again=False)
        assert len({code.day for code in system.held()}) == len(system.held()) == 2
        for which in (0, 1):
            system.officers_ask_where_a_person_was(which)
    finally:
        system.teardown()


WholeSystem.TestCase.settings = examples(3, stateful_step_count=25)
TestWholeSystem = WholeSystem.TestCase
