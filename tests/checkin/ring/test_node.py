"""Ring nodes among themselves, and towards app nodes: making, handing on, leasing, destroying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.clock import RETENTION_DAYS, SimulatedClock
from checkin.errors import (
    CheckinError,
    ClockUntrusted,
    DayDestroyed,
    KeyDestroyed,
    KeyExists,
    KeyMissing,
    NoteMalformed,
    NoteUntrusted,
    NotReady,
    RequestInvalid,
    Unreachable,
)
from checkin.keys.key_ring import KeyName, Purpose
from checkin.keys.secret_file import make_secret
from checkin.protocol import ring_messages as messages
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import NoteSigner, open_note
from checkin.protocol.primitives import Label, OpeningKey, SigningKey
from checkin.protocol.ring_messages import PUBLIC, RAW
from checkin.protocol.statement import StatementType, many, one
from checkin.ring.node import RingNode
from checkin.service.ring_calls import RingCalls, read_state
from tests.support.ring_in_process import NODES, SERVICE, Ring, day_key, node_name
from tests.support.service_folder import CALENDAR, DAY, HOUR, at

ROW = Label.SUB_ROW.value.decode()
ONCE = OpeningKey(b"\x07" * 32)


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """Three nodes that answer through their apps."""
    made = Ring(tmp_path / "ring")
    made.serve(monkeypatch)
    yield made
    made.forget()


def make(ring: Ring, name: KeyName | None = None, letter: str = "a") -> list[str]:
    return ring.ask(letter, messages.MAKE_REQUEST, key=str(name or day_key()))


def lease(ring: Ring, line: str, letter: str = "a", clock: Path | None = None) -> tuple[str, bytes]:
    """The line of the answer, and the key of it."""
    peer = ring.peers[NODES.index(letter)]
    values = {"public": b64_encode(ONCE.public), "lease": [line]}
    kinds = (messages.LEASE_REQUEST, messages.LEASES)
    answer, asked = ring.calls(clock).ask_one(peer, kinds, values)
    lines = many(answer, "lease")
    return lines[0], messages.open_leases(ONCE, lines, one(answer, "sealed"), asked=asked)[0]


def test_a_key_that_one_node_draws_is_held_by_all_three(ring: Ring) -> None:
    """One key: each says so under its own signature, and each slot opens under its own master key."""
    held = ring.held(make(ring))
    assert sorted(held) == [node_name(letter) for letter in NODES]
    assert {one(values, "node") for values in held.values()} == set(held)
    commitments = {one(values, "commitment") for values in held.values()}
    assert len(commitments) == 1
    assert {ring.keys(letter).commitment(day_key()) for letter in NODES} == commitments
    assert len({ring.keys(letter).use(day_key()) for letter in NODES}) == 1
    assert len({(ring.folder / letter / "keys/day-20777.slot").read_bytes() for letter in NODES}) == 3


def test_asked_again_the_maker_gives_the_same_key(ring: Ring) -> None:
    assert sorted(make(ring)) == sorted(make(ring))


def test_two_nodes_are_enough_and_the_third_fetches_the_key_when_it_is_back(ring: Ring) -> None:
    ring.down = {"c"}
    assert len(make(ring)) == 2
    ring.node("c").fill()
    assert day_key() not in ring.keys("c").names() or ring.keys("c").commitment(day_key())
    ring.down = set()
    ring.node("c").fill()
    assert ring.keys("c").use(day_key()) == ring.keys("a").use(day_key())


def test_a_maker_alone_makes_nothing(ring: Ring) -> None:
    """Whether another node has a key of that name it cannot know."""
    ring.down = {"b", "c"}
    with pytest.raises(NotReady):
        make(ring)
    assert ring.keys("a").names() == []


def test_a_key_that_no_other_node_takes_is_not_handed_out_as_made(ring: Ring) -> None:
    """Both answer and neither takes it; once they do, it is that key."""

    def refuse(_: RingNode, __: str) -> list[str]:
        raise NotReady("The disk is full.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RingNode, "offer", refuse)
        with pytest.raises(NotReady, match="took the key"):
            make(ring)
    drawn = ring.keys("a").use(day_key())
    ring.forget()
    assert len(make(ring)) == 3
    assert ring.keys("c").use(day_key()) == drawn


def test_only_the_maker_draws_and_only_for_the_days_ahead(ring: Ring) -> None:
    with pytest.raises(NotReady, match=r"a\.ring"):
        make(ring, letter="b")
    with pytest.raises(RequestInvalid):
        make(ring, day_key(DAY + 41))
    with pytest.raises(DayDestroyed):
        make(ring, day_key(DAY - RETENTION_DAYS))
    with pytest.raises(RequestInvalid):
        ring.ask("a", messages.MAKE_REQUEST, key="../day-1")


def test_a_new_maker_takes_the_key_that_another_node_has(ring: Ring, tmp_path: Path) -> None:
    """It draws none of its own."""
    make(ring)
    first = ring.keys("a").use(day_key())
    (tmp_path / "ring/b/keys/day-20777.slot").unlink()
    ring.forget()
    ring.maker = "b"
    assert ring.node("b").make(ring.note("b", messages.MAKE_REQUEST, key=str(day_key())))
    assert ring.keys("b").use(day_key()) == first


def test_a_key_that_nobody_was_told_of_gives_way_to_the_one_that_two_hold(ring: Ring) -> None:
    """A maker died before any other node took its key; another one made the key of that day."""
    ring.trust()
    ring.keys("a").make(day_key(), oldest=0)
    ring.keys("b").make(day_key(), oldest=0)
    ring.keys("c").hold(day_key(), ring.keys("b").secret(day_key()), oldest=0)
    with pytest.raises(NotReady):
        make(ring)
    ring.node("a").fill()
    ring.forget()
    assert len(make(ring)) == 3
    assert ring.keys("a").use(day_key()) == ring.keys("c").use(day_key())


class Logged:
    """Commitments as the log would have them; None where it does not answer."""

    def __init__(self, found: dict[KeyName, str] | None) -> None:
        self.found = found

    def read(self) -> dict[KeyName, str]:
        """As `LoggedCommitments.read`."""
        if self.found is None:
            raise Unreachable
        return self.found


def test_a_maker_draws_no_key_of_a_name_that_the_log_has(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor while the log of today's keys cannot be read; one of a day ahead it draws then; nor does another take it."""
    maker = ring.node("a")
    ask = ring.note("a", messages.MAKE_REQUEST, key=str(day_key()))
    for found in ({day_key(): "ab" * 32}, None):
        monkeypatch.setattr(maker, "_logged", Logged(found))
        with pytest.raises(NotReady):
            maker.make(ask)
        assert ring.keys("a").names() == []
    assert maker.make(ring.note("a", messages.MAKE_REQUEST, key=str(day_key(DAY + 1))))
    monkeypatch.setattr(ring.node("b"), "_logged", Logged({day_key(): "ab" * 32}))
    with pytest.raises(KeyExists):
        ring.node("b").offer(ring.note("b", messages.OFFER, who="a", key=str(day_key()), commitment="00" * 32))
    monkeypatch.setattr(maker, "_logged", Logged({}))
    assert maker.make(ask), "control"


def test_a_logged_key_is_fetched_from_the_one_node_that_holds_it(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that the log has not, or has otherwise."""
    ring.trust()
    names = [day_key(), day_key(DAY - 1), day_key(DAY + 1)]
    for name in names:
        ring.keys("a").make(name, oldest=0)
    logged = {names[0]: ring.keys("a").commitment(names[0]), names[1]: "ab" * 32}
    node = ring.node("b")
    node.fill()
    assert ring.keys("b").names() == []
    monkeypatch.setattr(node, "_logged", Logged(logged))
    node.fill()
    assert ring.keys("b").names() == names[:1] and node.contradicted == []


def test_a_node_keeps_its_key_against_another_one_of_that_name(ring: Ring) -> None:
    ring.trust("b")
    ring.keys("b").make(day_key(), oldest=0)
    with pytest.raises(KeyExists):
        ring.node("b").offer(ring.note("b", messages.OFFER, who="a", key=str(day_key()), commitment="00" * 32))


def test_a_lease_is_a_sub_key_for_a_minute(ring: Ring) -> None:
    make(ring)
    line, key = lease(ring, f"{day_key()} {ROW}")
    assert line == f"{day_key()} {ROW} {ring.keys('a').commitment(day_key())} 60"
    assert key == ring.keys("b").subkey(day_key(), Label.SUB_ROW)


def test_no_lease_passes_the_moment_at_which_the_key_is_due(ring: Ring) -> None:
    """Half a minute before there is one for half a minute; at the moment there is none, though the slot is there."""
    make(ring)
    ring.go(DAY + RETENTION_DAYS, -30)
    ring.trust("a")
    ring.forget()
    assert lease(ring, f"{day_key()} {ROW}")[0].endswith(" 30")
    ring.go(DAY + RETENTION_DAYS)
    assert day_key() in ring.keys("a").names()
    with pytest.raises(KeyDestroyed):
        lease(ring, f"{day_key()} {ROW}")


@pytest.mark.parametrize("use", [RAW, PUBLIC])
@pytest.mark.parametrize("purpose", [Purpose.DAY, Purpose.IDENTITY])
def test_a_days_key_itself_is_never_leased(ring: Ring, purpose: Purpose, use: str) -> None:
    with pytest.raises(NoteUntrusted):
        lease(ring, f"{KeyName(purpose, DAY)} {use}")


def test_keys_that_sign_or_open_are_leased_themselves(ring: Ring) -> None:
    name = KeyName(Purpose.INTAKE, DAY)
    make(ring, name)
    assert lease(ring, f"{name} {RAW}")[1] == ring.keys("c").use(name)


@pytest.mark.parametrize("purpose", [Purpose.INTAKE, Purpose.SIGNING])
def test_of_a_key_of_days_ahead_the_public_half_alone_is_leased(ring: Ring, purpose: Purpose) -> None:
    """A key that signs or opens is leased itself from the day before its own, by clocks that differ by a minute."""
    name = KeyName(purpose, DAY + 2)
    make(ring, name)
    assert lease(ring, f"{name} {PUBLIC}")[1] == ring.keys("c").public_key(name)
    ring.go(DAY + 1, -61)
    with pytest.raises(NotReady):
        lease(ring, f"{name} {RAW}")
    ring.go(DAY + 1, -60)
    assert lease(ring, f"{name} {RAW}")[1] == ring.keys("c").use(name)


@pytest.mark.parametrize("seconds", [-61, 61, -40 * 86400])
def test_an_app_node_whose_clock_is_set_gets_no_lease(ring: Ring, tmp_path: Path, seconds: int) -> None:
    """Back or ahead by more than a minute; within it there is one."""
    make(ring)
    clock = tmp_path / "app-clock"
    clock.write_text(at(DAY, 12 * HOUR + seconds) + "\n")
    with pytest.raises(ClockUntrusted):
        lease(ring, f"{day_key()} {ROW}", clock=clock)
    SimulatedClock(clock).set(at(DAY, 12 * HOUR - 59))
    assert lease(ring, f"{day_key()} {ROW}", clock=clock)


def test_a_node_whose_own_clock_is_in_doubt_gives_nothing_out(ring: Ring) -> None:
    make(ring)
    ring.go(DAY + 9)
    ring.forget()
    for what in (lambda: lease(ring, f"{day_key()} {ROW}"), lambda: make(ring, day_key(DAY + 9))):
        with pytest.raises(ClockUntrusted):
            what()


def test_strangers_and_nodes_in_the_wrong_role_are_refused(ring: Ring, tmp_path: Path) -> None:
    """A stranger; a node that asks for a lease; an app node that pulls; a note for another node, or of another kind."""
    make(ring)
    make_secret(tmp_path / "stranger.key")
    stranger = NoteSigner(f"app.{SERVICE}", SigningKey(b"\x09" * 32))
    public = b64_encode(ONCE.public)
    cases: list[tuple[RingCalls, StatementType, dict[str, str | list[str]]]] = [
        (ring.calls(who=stranger), messages.LEASE_REQUEST, {"public": public, "lease": [f"{day_key()} row"]}),
        (ring.calls(), messages.PULL_REQUEST, {"public": public, "key": str(day_key())}),
        (ring.calls(), messages.OFFER, {"key": str(day_key()), "commitment": "00" * 32}),
    ]
    for calls, kind, values in cases:
        with pytest.raises(NoteUntrusted):
            calls.ask(ring.peers[1], kind, values)
    with pytest.raises(NoteUntrusted):
        ring.node("b").state(ring.note("a", messages.STATE_REQUEST))
    with pytest.raises(NoteMalformed):
        ring.node("b").lease(ring.note("b", messages.STATE_REQUEST))


def test_an_app_nodes_key_is_changed_while_both_are_named(ring: Ring) -> None:
    """The new one is named beside the former, then alone."""
    make(ring)
    former = ring.app
    ring.app = NoteSigner(f"app-2.{SERVICE}", SigningKey(b"\x0b" * 32))
    with pytest.raises(NoteUntrusted):
        lease(ring, f"{day_key()} {ROW}")
    ring.apps = [former, ring.app]
    ring.forget()
    ring.trust()
    assert lease(ring, f"{day_key()} {ROW}")
    ring.app, ring.apps = former, ring.apps[1:]
    ring.forget()
    ring.trust()
    with pytest.raises(NoteUntrusted):
        lease(ring, f"{day_key()} {ROW}")


@pytest.mark.parametrize(
    "body", [{}, {"note": 7}, {"note": "x", "more": 1}, {"note": "x" * 40_000}, {"note": "\u202e"}]
)
def test_what_is_no_signed_note_is_refused_with_a_code(ring: Ring, body: dict[str, object]) -> None:
    with pytest.raises(CheckinError) as refused:
        ring._over_http("a", "/v1/ring/lease", body)  # type: ignore[arg-type]
    assert refused.value.code in ("invalid_request", "note_malformed")


@pytest.mark.parametrize("day", [65_536, 9_999_999_999])
def test_a_day_that_no_calendar_reaches_is_refused_with_a_code(ring: Ring, day: int) -> None:
    """In a request, and in what another node tells of its keys."""
    name = f"intake-{day}"
    with pytest.raises(RequestInvalid):
        lease(ring, f"{name} {RAW}")
    with pytest.raises(RequestInvalid):
        ring.ask("a", messages.DESTROY_REQUEST, key=name)
    for live, gone in (([f"{name} {'ab' * 32}"], []), ([], [name])):
        with pytest.raises(NoteMalformed):
            read_state(live, gone)
    assert read_state([f"intake-65535 {'ab' * 32}"], [])


@pytest.mark.parametrize("commitment", ["x", "AB" * 32, "ab" * 31, "zz" * 32])
def test_a_commitment_that_is_none_is_refused_with_a_code(ring: Ring, commitment: str) -> None:
    with pytest.raises(NoteMalformed):
        read_state([f"{day_key()} {commitment}"], [])
    ring.trust("b")
    with pytest.raises(NoteMalformed):
        ring.node("b").offer(ring.note("b", messages.OFFER, who="a", key=str(day_key()), commitment=commitment))
    with pytest.raises(NoteMalformed):
        make_named(ring, commitment)


def make_named(ring: Ring, commitment: str) -> list[str]:
    return ring.ask("a", messages.MAKE_REQUEST, key=str(day_key()), commitment=commitment)


def test_names_that_were_never_held_fill_no_node(ring: Ring) -> None:
    """A key of no service, of a day to come, or of a day long past: no tombstone, no statement."""
    ring.trust()
    for name in ("identity-7", "authority-20777", f"identity-{DAY + 1}", f"day-{DAY - 101}", f"intake-{DAY - 101}"):
        with pytest.raises(KeyMissing):
            ring.ask("a", messages.DESTROY_REQUEST, key=name)
    assert ring.keys("a").tombstones() == []
    for name in (f"day-{DAY - 100}", f"identity-{DAY}"):
        assert ring.ask("a", messages.DESTROY_REQUEST, key=name), "control"


def test_no_node_takes_a_key_of_a_day_far_ahead(ring: Ring) -> None:
    """Neither when the maker offers it, nor when both others say that they hold it."""
    far = day_key(DAY + 41)
    ring.trust()
    ring.keys("a").make(far, oldest=0)
    ring.keys("c").hold(far, ring.keys("a").secret(far), oldest=0)
    commitment = ring.keys("a").commitment(far)
    with pytest.raises(RequestInvalid):
        ring.node("b").offer(ring.note("b", messages.OFFER, who="a", key=str(far), commitment=commitment))
    ring.node("b").fill()
    assert ring.keys("b").names() == []


def test_one_nodes_word_that_a_key_is_gone_does_not_keep_it_from_being_made(ring: Ring) -> None:
    """The word of both does, and that of one where the other is silent."""
    ring.trust()
    ring.keys("c").entomb(day_key(), {})
    ring.down = {"b"}
    with pytest.raises(DayDestroyed):
        make(ring)
    ring.down = set()
    assert sorted(ring.held(make(ring))) == [node_name("a"), node_name("b")]
    later = day_key(DAY + 1)
    for letter in "bc":
        ring.keys(letter).entomb(later, {})
    with pytest.raises(DayDestroyed):
        make(ring, later)


def test_every_node_destroys_a_due_key_by_itself_and_states_it(ring: Ring) -> None:
    make(ring)
    commitment = ring.keys("a").commitment(day_key())
    ring.go(DAY + RETENTION_DAYS)
    ring.down = set(NODES)
    for letter in NODES:
        node = ring.node(letter)
        node._guard.confirm()
        node.purge()
        assert ring.keys(letter).is_gone(day_key()) and ring.keys(letter).overwritten(day_key())
        note = node._book.get(f"key-destroyed-day-{CALENDAR.date(DAY)}")
        values = messages.NODE_DESTROYED.read(open_note(note or "", [ring.verifier(letter)]).text)
        assert (values["node"], values["commitment"]) == (node_name(letter), commitment)
        assert values["due"] == values["done"] == CALENDAR.date(DAY + RETENTION_DAYS)


def test_asked_to_destroy_a_node_does_it_when_the_key_is_over_by_its_own_clock(ring: Ring) -> None:
    """Not earlier, whoever asks; then at once, and each time with the same statement; also what it never had."""
    make(ring)
    with pytest.raises(NotReady):
        ring.ask("a", messages.DESTROY_REQUEST, key=str(day_key()))
    ring.go(DAY + RETENTION_DAYS)
    ring.trust()
    ring.forget()
    first = ring.ask("a", messages.DESTROY_REQUEST, key=str(day_key()))
    assert first == ring.ask("a", messages.DESTROY_REQUEST, key=str(day_key()))
    assert ring.keys("a").is_gone(day_key())
    never = day_key(DAY - 1)
    [note] = ring.ask("a", messages.DESTROY_REQUEST, key=str(never))
    assert messages.NODE_DESTROYED.read(open_note(note, [ring.verifier("a")]).text)["commitment"] == "-"
    with pytest.raises((DayDestroyed, KeyDestroyed)):
        ring.keys("a").ensure(never, oldest=0)


def test_a_node_that_was_away_gives_back_nothing_that_another_destroyed(ring: Ring) -> None:
    """What two destroyed and one still has is pulled by nobody."""
    make(ring)
    ring.go(DAY + RETENTION_DAYS)
    for letter in "ab":
        ring.node(letter)._guard.confirm()
        ring.node(letter).purge()
    ring.node("a").fill()
    assert ring.keys("a").is_gone(day_key()) and day_key() in ring.keys("c").names()
    with pytest.raises(ClockUntrusted):  # c was away for 28 days: it asks somebody first
        ring.node("c").pull(ring.note("c", messages.PULL_REQUEST, who="a", key=str(day_key()), public="x"))


def test_a_missing_key_says_so(ring: Ring) -> None:
    with pytest.raises(KeyMissing):
        lease(ring, f"{day_key()} {ROW}")
