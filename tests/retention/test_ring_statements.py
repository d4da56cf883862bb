"""What the log takes of the nodes of a service's key ring, and how a stranger reads it there."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from checkin.audit.destroyed import Book
from checkin.audit.log_entry import ALTERED, MISSING, LogEntry, read_entry
from checkin.errors import NoteUntrusted
from checkin.protocol.note import NoteSigner, add_signature, open_note, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.protocol.ring_messages import KEY_HELD, NODE_DESTROYED, NODE_LOST, RING_MEMBERS
from checkin.protocol.statement import StatementType
from checkin.purge.statement_store import KEY_DESTROYED, KEY_MADE, PURGE_REPORT
from checkin.ring.app import findings
from checkin.ring.settings import LoggedCommitments, ReadLog
from tests.support.officers import early_note
from tests.support.retention_service import TOKEN, Retention, Service, pinned
from tests.support.ring_in_process import Ring, day_key
from tests.support.service_folder import CALENDAR, DAY, bearer

BEARER = bearer(TOKEN)
NODES = [NoteSigner(f"{letter}.ring.registry.example", SigningKey(letter.encode() * 32)) for letter in "abc"]
HELD = {"key": f"day-{DAY}", "commitment": "ab" * 32}
GONE = {**HELD, "due": CALENDAR.date(DAY), "done": CALENDAR.date(DAY)}


def members(service: Service, nodes: list[NoteSigner] = NODES) -> str:
    values = {"service": service.name, "since": CALENDAR.date(DAY), "clock": "simulated"}
    vkeys = [node.verifier.vkey for node in nodes]
    return sign_note(RING_MEMBERS.write({**values, "member": vkeys}), service.signer)


def said(service: Service, kind: StatementType, node: NoteSigner, signer: NoteSigner | None = None) -> str:
    """A node's statement, with the service's signature behind its own."""
    values = {"service": service.name, "node": node.name, "clock": "simulated"}
    text = kind.write({**values, **(GONE if kind is NODE_DESTROYED else HELD)})
    return add_signature(sign_note(text, signer or node), service.signer)


def bring(client: httpx.Client, note: str) -> str:
    """`taken`, or the code of the refusal."""
    return str(client.post("/v1/entries", json={"note": note}, headers=BEARER).json().get("code", "taken"))


@pytest.mark.parametrize("kind", [KEY_HELD, NODE_DESTROYED])
def test_what_a_member_signed_is_logged_beside_the_services_signature(
    retention: Retention, service: Service, kind: StatementType
) -> None:
    """Only once its list of members is there; of nobody else, and with nobody else's line."""
    note = said(service, kind, NODES[1])
    stranger = NoteSigner("d.ring.registry.example", SigningKey(b"d" * 32))
    with retention.client() as client:
        assert bring(client, note) == "note_untrusted"
        assert bring(client, sign_note(unverified_text(note), service.signer)) == "note_untrusted", "without the node"
        assert bring(client, members(service)) == "taken"
        assert bring(client, note) == "taken"
        assert bring(client, said(service, kind, stranger)) == "note_untrusted"
        assert bring(client, said(service, kind, NODES[0], signer=NODES[1])) == "note_untrusted"
        assert bring(client, sign_note(unverified_text(note), NODES[1])) == "note_untrusted"
    entry = read_entry(0, open_note(note, [service.signer.verifier]).text, [service.name])
    assert (entry.kind, entry["node"]) == (kind.kind, NODES[1].name)


def test_an_audit_misses_what_a_node_of_the_ring_never_said(service: Service) -> None:
    """A node that was a member while the key was there: it destroyed it, or it is lost by the word of two officers, or
    the report is a fault, also where the service left it out of a later list."""
    book = [members(service), service.make_key(DAY), service.report(DAY)]
    book += [said(service, NODE_DESTROYED, node) for node in NODES[:2]]
    later = [book[0], book[1], members(service, NODES[:2]), *book[2:]]
    for notes in (book, later):
        [(entry, kind, reason)] = quarrels(service, notes)
        assert (entry.kind, kind) == (PURGE_REPORT.kind, MISSING) and NODES[2].name in reason
        assert quarrels(service, [*notes, said(service, NODE_DESTROYED, NODES[2])]) == []
        assert quarrels(service, [*notes, lost(service, NODES[2], 2)]) == []
    with pytest.raises(NoteUntrusted):
        quarrels(service, [*book, lost(service, NODES[2], 1)])
    assert quarrels(service, book[1:3]) == [], "a service on one machine has no nodes"


def test_an_audit_takes_a_nodes_word_from_the_node_alone(service: Service) -> None:
    """Not from the service, nor from a node that no list named before; nor another word than the node gave before."""
    book = [members(service), service.make_key(DAY), *(said(service, KEY_HELD, node) for node in NODES)]
    book += [said(service, NODE_DESTROYED, node) for node in NODES[:2]]
    honest = said(service, NODE_DESTROYED, NODES[2])
    assert quarrels(service, [*book, honest, service.report(DAY)]) == []
    alone = sign_note(unverified_text(honest), service.signer)
    other = NoteSigner(NODES[2].name, SigningKey(b"d" * 32))
    for word in (alone, said(service, NODE_DESTROYED, NODES[2], signer=other)):
        found = quarrels(service, [*book, word, service.report(DAY)])
        assert [(entry.kind, kind) for entry, kind, _ in found] == [
            (PURGE_REPORT.kind, MISSING),
            (NODE_DESTROYED.kind, ALTERED),
        ]
    early = quarrels(service, [alone, *book, service.report(DAY)])
    assert sorted(kind for _, kind, _ in early) == [ALTERED, MISSING]


def test_a_node_that_held_a_key_does_not_say_that_it_never_had_it(service: Service) -> None:
    """An empty volume in the place of its own replaces no officers' word; of a node that never had it, it does."""
    never = said(service, NODE_DESTROYED, NODES[2]).replace(HELD["commitment"], "-")
    never = add_signature(sign_note(unverified_text(never), NODES[2]), service.signer)
    book = [members(service), service.make_key(DAY), *(said(service, NODE_DESTROYED, node) for node in NODES[:2])]
    book += [never, service.report(DAY)]
    assert quarrels(service, book) == []
    [(entry, kind, reason)] = quarrels(service, [book[0], said(service, KEY_HELD, NODES[2]), *book[1:]])
    assert (entry.kind, kind) == (PURGE_REPORT.kind, MISSING) and NODES[2].name in reason


@pytest.mark.parametrize("commitment", [HELD["commitment"], "-"])
def test_an_audit_knows_a_node_by_its_key(service: Service, commitment: str) -> None:
    """A node with an empty volume and a new key under the old name: what it destroyed, fetched anew or never had, says
    nothing of the old volume; officers do."""
    anew = NoteSigner(NODES[2].name, SigningKey(b"d" * 32))
    word = said(service, NODE_DESTROYED, anew).replace(HELD["commitment"], commitment)
    word = add_signature(sign_note(unverified_text(word), anew), service.signer)
    book = [members(service), service.make_key(DAY), said(service, KEY_HELD, NODES[2])]
    book += [members(service, [*NODES[:2], anew]), *(said(service, NODE_DESTROYED, node) for node in NODES[:2]), word]
    [(entry, kind, reason)] = quarrels(service, [*book, service.report(DAY)])
    assert (entry.kind, kind) == (PURGE_REPORT.kind, MISSING) and NODES[2].name in reason
    assert quarrels(service, [*book, lost(service, NODES[2], 2), service.report(DAY)]) == []


def test_an_audit_asks_for_those_who_were_members_before_the_key_was_reported(service: Service) -> None:
    """A node that came later is not missed; one that came back is; keys that are no day's count, too."""
    d = NoteSigner("d.ring.registry.example", SigningKey(b"d" * 32))
    made, gone = service.make_key(DAY), [said(service, NODE_DESTROYED, node) for node in NODES]
    book = [members(service), made, *gone, service.report(DAY)]
    assert quarrels(service, [*book, members(service, [*NODES[:2], d])]) == []
    [(_, kind, reason)] = quarrels(service, [book[0], made, members(service, [*NODES[:2], d]), *book[2:]])
    assert kind == MISSING and d.name in reason
    away, back = lost(service, NODES[2], 2), members(service)
    report, two = service.report(DAY), gone[:2]
    swapped = [back, made, members(service, NODES[:2]), *two]
    assert quarrels(service, [*swapped, away, report]) == []
    for notes in ([*swapped, away, members(service, NODES), report], [away, *swapped, report]):
        assert [kind for _, kind, _ in quarrels(service, notes)] == [MISSING]
    ended = service.say(KEY_DESTROYED, **GONE)
    assert [entry.kind for entry, _, _ in quarrels(service, [back, made, *two, ended])] == [KEY_DESTROYED.kind]
    assert quarrels(service, [back, made, *gone, ended]) == []


def test_the_log_takes_no_word_of_officers_whom_no_audit_counts(tmp_path: Path, service: Service) -> None:
    """The settings pin them under names that are not their authority's."""
    named = [NoteSigner(f"ministry.example/{number}", SigningKey(bytes([number]) * 32)) for number in (1, 2)]
    vkeys = ", ".join(f'"{officer.verifier.vkey}"' for officer in named)
    authority = f'[authority]\nname = "health.example"\nofficers = [{vkeys}]\n'
    retention = Retention(tmp_path / "retention", pinned(service))
    retention.config.write_text(f"{retention.config.read_text()}\n{authority}")
    text = unverified_text(early_note(DAY - 1, DAY, service=service.name, authority="health.example"))
    with retention.client() as client:
        assert bring(client, sign_note(text, *named, service.signer)) == "note_untrusted"


@pytest.mark.parametrize("what", ["lost", "early"])
def test_the_log_takes_a_lost_node_from_enough_officers(tmp_path: Path, service: Service, what: str) -> None:
    """Of the authority that is pinned; with the service's signature beside theirs. So it takes an early destruction,
    and the public page tells by how many officers it was."""

    def signed(officers: int, authority: str = "health.example") -> str:
        if what == "lost":
            return lost(service, NODES[2], officers, authority)
        text = unverified_text(early_note(DAY - 1, DAY, service=service.name, authority=authority))
        return sign_note(text, *OFFICERS[:officers], service.signer)

    retention = Retention(tmp_path / "retention", pinned(service))
    vkeys = ", ".join(f'"{officer.verifier.vkey}"' for officer in OFFICERS)
    config = retention.config.read_text()
    with retention.client() as client:
        assert bring(client, signed(2)) == "note_untrusted"
        assert bring(client, signed(0)) == "note_untrusted", "the service's word alone"
    retention.config.write_text(
        f'{config}\n[authority]\nname = "health.example"\nofficers = [{vkeys}]\nthreshold = 1\n'
    )
    with retention.client() as client:
        assert bring(client, signed(1)) == "note_untrusted", "an audit of the log would be spoilt for good"
        assert bring(client, signed(2, "other.example")) == "note_untrusted", "so it would"
        assert bring(client, service.make_key(DAY)) == "taken"
        assert [bring(client, note) for note in (signed(2), service.report(DAY - 1, done=DAY - 1))] == ["taken"] * 2
        assert "early, ordered by 2 officers" not in client.get("/?lang=en").text, "they signed the day after"
        early = [service.report(day, done=day) for day in (DAY, DAY + 1)]
        assert [bring(client, note) for note in early] == ["taken"] * 2
        page = client.get("/?lang=en").text
        assert ("early, ordered by 2 officers" in page) == (what == "early")
        assert ("registry.example: destroyed on Nov 20, 2026, before" in page) == (what == "early")
        assert ('<q dir="auto">A server was stolen.</q>' in page) == (what == "early")
        assert "early, ordered by nobody" in page
        assert "destroyed early, on Nov 20, 2026" in page


def test_keys_that_a_service_stated_under_an_earlier_key_count_where_that_is_named(
    retention: Retention, service: Service
) -> None:
    """Otherwise a new node would take none of the last 28 days from the others."""
    with retention.client() as client:
        assert bring(client, service.make_key(DAY)) == "taken"
        url, log = str(client.base_url).removesuffix("/"), client.get("/v1/keys").json()["log"]
        now = NoteSigner(service.name, SigningKey(b"\x0c" * 32)).verifier
        settings = ReadLog(url=url, vkey=log)
        assert LoggedCommitments(settings, now).read() == {}
        assert LoggedCommitments(settings, now, service.signer.verifier).read() == {day_key(DAY): "ab" * 32}


def test_a_new_node_takes_only_the_keys_that_the_log_has_so(
    retention: Retention, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three old keys that both others hold: one was logged, one was logged otherwise, one never. Of today's key the
    log may not have heard yet; with the control that a node without a log takes them all."""
    ring = Ring(tmp_path / "ring")
    ring.service = service.signer
    ring.serve(monkeypatch, direct=True)
    ring.trust()
    names = [day_key(day) for day in (DAY - 5, DAY - 4, DAY - 3, DAY)]
    for name in names:
        ring.keys("a").make(name, oldest=0)
        ring.keys("b").hold(name, ring.keys("a").secret(name), oldest=0)
    with retention.client() as client:
        for name, commitment in ((names[0], ring.keys("a").commitment(names[0])), (names[1], "ab" * 32)):
            day = CALENDAR.date(name.day)
            assert bring(client, service.say(KEY_MADE, key=str(name), commitment=commitment, day=day)) == "taken"
        log = client.get("/v1/keys").json()["log"]
        url = str(client.base_url).removesuffix("/")
        node, settings = ring.node("c"), ReadLog(url=url, vkey=log)
        monkeypatch.setattr(node, "_logged", LoggedCommitments(settings, service.signer.verifier))
        node.fill()
        assert ring.keys("c").names() == [names[0], names[3]]
        assert node.contradicted == names[1:3]
        assert [finding.level for finding in findings(node)] == ["failure"]
    monkeypatch.setattr(node, "_logged", None)
    node.fill()
    assert ring.keys("c").names() == names and node.contradicted == []


OFFICERS = [NoteSigner(f"health.example/officer-{n}", SigningKey(bytes([n]) * 32)) for n in (1, 2)]


def lost(service: Service, node: NoteSigner, officers: int, authority: str = "health.example") -> str:
    values = {"authority": authority, "service": service.name, "node": node.verifier.vkey, "clock": "simulated"}
    return sign_note(NODE_LOST.write({**values, "day": CALENDAR.date(DAY)}), *OFFICERS[:officers], service.signer)


def quarrels(service: Service, notes: list[str]) -> list[tuple[LogEntry, str, str]]:
    """What an auditor who knows the service and the officers finds in a log of these."""
    keys = [service.signer.verifier, *(officer.verifier for officer in OFFICERS)]
    opened = [open_note(note, keys) for note in notes]
    entries = [read_entry(index, note.text, note.names, notes[index]) for index, note in enumerate(opened)]
    return list(Book(entries).quarrels())


def test_members_come_before_what_they_signed_however_a_service_shows_it(
    retention: Retention, service: Service
) -> None:
    """Names of statements have an order of their own."""
    service.notes += [said(service, NODE_DESTROYED, NODES[0]), members(service)]
    with retention.client() as client:
        shown = client.get("/readyz").json()["findings"]
        assert not any(finding["name"] == "refused" for finding in shown)
        for note in service.notes:
            assert bring(client, note) == "taken"
