"""An issuer whose keys three nodes hold, in one process: batches, nights, a node away, and what a thief has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from checkin.audit.point import PointResult
from checkin.clock import RETENTION_DAYS
from checkin.errors import NotReady, QuotaUsed
from checkin.keys.generation import Generation
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Mode
from checkin.protocol.note import open_note, unverified_text
from checkin.protocol.primitives import Label
from checkin.protocol.ring_messages import KEY_AWAITED, NODE_DESTROYED, RAW, TRANSFER
from checkin.protocol.statement import one
from checkin.purge.statement_store import PURGE_REPORT, destroyed_name, made_name, report_name
from checkin.service import leased_ring
from checkin.service.leased_ring import LeasedRing
from checkin.service.vault_folder import VaultFolder
from issuer import service
from issuer.app import create_app
from issuer.contact import Contact
from issuer.issuer_audit import self_audit
from issuer.service import Issuer
from tests.checkin.ring.test_recorded import catch_one_use_keys, opened, windows
from tests.support.databases import name_database
from tests.support.issuer_service import E164, NAME, Site, enrol, keep_house, publics
from tests.support.ring_in_process import NODES, Ring, day_key, node_name, signer
from tests.support.service_folder import DAY, HOUR

OLD, NEW = (KeyName(Purpose.IDENTITY, day) for day in (DAY, DAY + RETENTION_DAYS))
SIGNING = KeyName(Purpose.SIGNING, DAY)


class World:
    """The issuer's folder and its ring."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.site = Site.make(folder / "issuer")
        self.ring = Ring(folder / "ring", service=signer(self.site.folder / "statement.key", "issuer.example"))
        self.ring.serve(patch, direct=True)
        config = self.site.config
        text = config.read_text(encoding="utf-8").replace('master_key = "master.key"\n', "")
        config.write_text(f"{text}\n{self.ring.settings()}", encoding="utf-8")
        self.ring.trust()

    def go(self, issuer: Issuer, day: int) -> None:
        """Noon of a day, by all clocks; they go on being trusted."""
        self.site.set_day(day)
        self.ring.go(day, 12 * HOUR)
        self.ring.trust([letter for letter in NODES if letter not in self.ring.down])
        issuer.guard.confirm()
        lent(issuer).forget()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nodes are asked anew when `go` or `forget` says so, and silent ones each time; signing keys are made for today
    and tomorrow, which is less work than two weeks."""
    monkeypatch.setattr(leased_ring, "STATE_SECONDS", 1e9)
    monkeypatch.setattr(leased_ring, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(service, "AHEAD_DAYS", 1)
    made = World(tmp_path, monkeypatch)
    yield made
    made.ring.forget()


def lent(issuer: Issuer) -> LeasedRing:
    assert isinstance(issuer.party.ring, LeasedRing)
    return issuer.party.ring


def batch(issuer: Issuer, subject: int, day: int = DAY) -> None:
    assert len(issuer.batches.issue(subject, day, Mode.SCREEN, publics())) == 10


def ring_findings(issuer: Issuer) -> list[tuple[str, str]]:
    return [(finding.name, finding.level) for finding in issuer.nodes.findings()]


def test_an_issuer_lives_on_a_ring(world: World) -> None:
    """A batch is issued with lent keys; a day, its signing key and the identity key are destroyed on three nodes, then
    stated, with what each node signed; who has an account goes on having it."""
    ring = world.ring
    with world.site.open() as issuer:
        subject = enrol(issuer)
        batch(issuer, subject)
        secrets = [ring.keys("b").use(name) for name in (day_key(), SIGNING, OLD)]
        files = [path.read_bytes() for path in world.site.folder.rglob("*") if path.is_file()]
        assert not any(secret in content for content in files for secret in secrets)
        assert not list(world.site.folder.rglob("*.slot"))
        assert all(ring.keys(letter).names() == ring.keys("a").names() for letter in NODES)
        for day in (DAY + 4, DAY + RETENTION_DAYS):
            world.go(issuer, day)
            keep_house(issuer)
        values = PURGE_REPORT.read(unverified_text(issuer.book.get(report_name(DAY)) or ""))
        assert (values["rows"], one(values, "closing") == "-") == ("fewer than 10", False)
        for name in (day_key(), SIGNING, OLD):
            assert all(ring.keys(letter).overwritten(name) for letter in NODES)
            notes = [note for _, note in issuer.book.all(f"ring-destroyed-{name.purpose.value}-2026-11-20")]
            found = {one(NODE_DESTROYED.read(unverified_text(note)), "node") for note in notes}
            assert found == {node_name(letter) for letter in NODES}
            for note in notes:
                assert open_note(note, [issuer.party.signer.verifier])
            assert destroyed_name(name) in issuer.book
        assert issuer.identities.read(subject).name == NAME
        assert issuer.identity_keys.live() == [NEW]
        assert ring_findings(issuer) == []
        Generation(issuer.party.data, issuer.party.settings.keys).open("2026-12-18")
        issuer.authority.accept(world.site.signed_list(DAY + RETENTION_DAYS, DAY + RETENTION_DAYS + 14))
        assert {point.result for point in self_audit(issuer).run([NAME, E164])} == {PointResult.PASS}
        folder = VaultFolder(world.site.config, world.site.folder / "clock")
        status = folder.status()
        folder.close()
        assert [(node.node, node.due, node.awaited) for node in status.nodes] == [
            (node_name(letter), [], []) for letter in NODES
        ]
        assert status.nodes[0].destroyed >= 3 and [gone.day for gone in status.destroyed] == ["2026-11-20"]


def test_a_node_that_is_away_holds_up_the_reports_until_it_is_back(world: World) -> None:
    """Of a day and of the identity key; what they sealed can be read no more where nodes are up."""
    ring = world.ring
    with world.site.open() as issuer:
        subject = enrol(issuer)
        batch(issuer, subject)
        issuer.nodes.state()
        ring.down = {"c"}
        for day in (DAY + RETENTION_DAYS, DAY + RETENTION_DAYS + 2):
            world.go(issuer, day)
            keep_house(issuer)
            assert [name for name in (day_key(), OLD) if destroyed_name(name) in issuer.book] == []
        assert {day_key(), OLD}.isdisjoint(ring.keys("a").names()) and OLD in ring.keys("c").names()
        for name in (day_key(), OLD):
            awaited = issuer.book.get(f"ring-awaited-{name.purpose.value}-2026-11-20") or ""
            assert KEY_AWAITED.read(unverified_text(awaited))["missing"] == [node_name("c")]
        assert ("ring_purge", "failure") in ring_findings(issuer)
        assert issuer.identities.read(subject).name == NAME
        ring.down = set()
        world.go(issuer, DAY + RETENTION_DAYS + 2)
        ring.node("c").purge()
        keep_house(issuer)
        assert [name for name in (day_key(), OLD) if destroyed_name(name) not in issuer.book] == []
        assert ring_findings(issuer) == []


def test_who_is_away_is_told_whatever_cannot_be_known_without_them(world: World) -> None:
    """An issuer that starts while two nodes are away cannot use the day's key."""
    with world.site.open():
        world.ring.down = {"b", "c"}
    frame = create_app(world.site.config, world.site.clock.path).state.frame
    found = {(finding.name, finding.level) for finding in frame.findings()}
    frame.close()
    assert {("check_failed", "failure"), ("ring", "warning"), ("sms", "warning")} <= found


def test_a_node_that_never_had_the_identity_key_says_so(world: World) -> None:
    """It was away while there was one: its word is asked for, too, and nothing is waited for afterwards."""
    world.ring.down = {"c"}
    with world.site.open() as issuer:
        enrol(issuer)
        world.go(issuer, DAY + RETENTION_DAYS)
        keep_house(issuer)
        assert destroyed_name(OLD) not in issuer.book
        world.ring.down = set()
        world.go(issuer, DAY + RETENTION_DAYS)
        keep_house(issuer)
        assert destroyed_name(OLD) in issuer.book


def test_a_recording_and_a_nodes_disk_open_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of days, signing keys and identities that are over; with two controls: before that a node's disk alone has each
    key, and whoever caught one-use keys out of a node's memory opens the recording."""
    caught = catch_one_use_keys(monkeypatch)
    with world.site.open() as issuer:
        batch(issuer, enrol(issuer))
        names = (day_key(), SIGNING, OLD)
        told = [note for note in world.ring.sent if note.startswith(TRANSFER.kind)]
        world.ring.sent = [note for note in told if any(f"\nkey {name}\n" in note for name in names)]
        assert len(world.ring.sent) == 6
        secrets = [world.ring.keys("b").use(name) for name in names]
        subkeys = [world.ring.keys("b").subkey(day_key(), label) for label in (Label.SUB_ROW, Label.SUB_SEAL)]
        assert set(secrets) <= set(opened(world.ring, caught))
        world.go(issuer, DAY + RETENTION_DAYS)
        keep_house(issuer)
        assert not any(name in world.ring.keys(letter).names() for name in names for letter in NODES)
        tried = windows(world.ring.folder / "b")
        assert not set(opened(world.ring, tried)) & set(secrets)
        assert not {*tried, *windows(world.site.folder)} & {*secrets, *subkeys}


def test_another_process_seals_under_the_new_identity_key_at_once(world: World) -> None:
    """What it knows of the nodes is of a moment ago: under the old key a name would be lost with it."""
    with world.site.open() as issuer, world.site.open() as other:
        assert other.identity_keys.current() == OLD
        world.go(issuer, DAY + RETENTION_DAYS)
        issuer.make_keys()
        assert made_name(NEW) in issuer.book
        assert other.identity_keys.current() == NEW
        assert other.identities.read(enrol(other)).name == NAME


def test_one_node_names_no_identity_key_that_is_used(world: World) -> None:
    """A newer one that it alone has; with the control that two that hold it do."""
    with world.site.open() as issuer:
        later = KeyName(Purpose.IDENTITY, DAY + 1)
        lie = world.ring.keys("c")
        lie.make(later, oldest=0)
        lent(issuer).forget()
        assert issuer.identity_keys.live() == [OLD]
        world.ring.keys("b").hold(later, lie.secret(later), oldest=0)
        lent(issuer).forget()
        assert issuer.identity_keys.live() == [OLD, later]


def test_no_second_identity_key_takes_the_name_of_a_lost_one(world: World) -> None:
    """On no node; what is sealed under the first would be taken for damaged."""
    with world.site.open() as issuer:
        for letter in NODES:
            (world.ring.folder / letter / f"keys/{OLD}.slot").unlink()
        world.ring.forget()
        lent(issuer).forget()
        with pytest.raises(NotReady):
            issuer.make_keys()
        assert not any(OLD in world.ring.keys(letter).names() for letter in NODES)


def test_signing_keys_of_days_ahead_are_not_lent(world: World) -> None:
    """Their public halves are, to be listed, and the keys of today, with which codes are signed. Nobody who has an app
    node in hand is lent those of later days than tomorrow."""
    with world.site.open() as issuer:
        subject = enrol(issuer)
        for seconds in range(0, 100, 20):
            world.site.clock.set(f"2026-11-20T12:{seconds // 60:02}:{seconds % 60:02}+09:00")
            world.ring.go(DAY, 12 * HOUR + seconds)
            issuer.make_keys()
            batch(issuer, subject)
            lent(issuer).renew()
        signing = {name for name, use in lent(issuer)._leases if name.purpose is Purpose.SIGNING and use == RAW}
        assert signing == {SIGNING}
        issuer.purger.make(KeyName(Purpose.SIGNING, DAY + 2))
        with pytest.raises(NotReady):
            lent(issuer).signing_key(KeyName(Purpose.SIGNING, DAY + 2))
        assert lent(issuer).signing_key(KeyName(Purpose.SIGNING, DAY + 1)), "control"


def test_two_issuers_with_folders_of_their_own_are_one_on_an_engine_and_a_ring(world: World, dsn: str) -> None:
    """One phone at both at once is one account with one quota; the identity key is replaced under both, the day is
    destroyed on all three nodes, and reported once."""
    own = world.site.folder
    sites = [world.site, replace(world.site, folder=own.with_name("elsewhere"), hours=own / "clock")]
    name_database(own / "settings.toml", dsn)
    common = (own / "settings.toml").read_text(encoding="utf-8").partition("[ring]")[0]
    common = common.replace('"statement.key"', f'"{own / "statement.key"}"')
    for site, app in zip(sites, ("app", "app-2"), strict=True):
        site.folder.mkdir(exist_ok=True)
        site.config.write_text(f"{common}\n{world.ring.settings(app)}", encoding="utf-8")
    world.ring.forget()  # the nodes start again, and know both
    world.ring.trust()
    with sites[0].open() as here, sites[1].open() as there, ThreadPoolExecutor(8) as threads:
        both = (here, there)
        list(threads.map(lambda number: both[number % 2].accounts.register(Contact(NAME, E164)), range(6)))
        [(subject,)] = here.database.read("SELECT subject FROM identities")
        asked = [threads.submit(batch, both[number % 2], subject) for number in range(10)]
        assert sum(isinstance(one.exception(), QuotaUsed) for one in asked) == 4
        assert [issuer.issued.of(subject) for issuer in both] == [{DAY: 6}] * 2
        for day in (DAY + 4, DAY + RETENTION_DAYS):
            world.go(here, day)
            there.guard.confirm()
            lent(there).forget()
            for issuer in both:
                keep_house(issuer)
        assert here.identity_keys.live() == there.identity_keys.live() == [NEW]
        assert [issuer.identities.read(subject).name for issuer in both] == [NAME, NAME]
        assert report_name(DAY) in here.book and here.book.names() == there.book.names()
        for name in (day_key(), SIGNING, OLD):
            assert all(world.ring.keys(letter).overwritten(name) for letter in NODES)
    assert not [path for site in sites for path in site.folder.rglob("*.slot")]
