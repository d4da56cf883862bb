"""After the purge of an issuer and a registry their raw disk holds no key, no visit id and no seal of the day.

Both run on a real ext4 image, journal and deleted files included in the search. Controls that must be found show
that it would find them: the slots and rows before the purge, what was only unlinked, and the day that is still held.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from checkin.keys.key_ring import KeyName, KeyRing, Purpose, ServiceKeys
from checkin.protocol import credential
from checkin.protocol.credential import Mode
from checkin.protocol.primitives import Label, random_bytes
from checkin.vault.visit import Visit, seal_visit
from tests.faults.disk import INSTALL, Needs, can_mount, found, mounted, new_image
from tests.faults.test_purge_crashes import MOST, die_at
from tests.support.issuer_service import Site, enrol, keep_house, publics
from tests.support.purging_service import House
from tests.support.service_folder import DAY, HOUR, make_service

CANARIES = 10_000
PEOPLE, BATCHES = 20, 5  # a thousand of the canaries are visits with credentials that the issuer issued
AHEAD = {Purpose.DAY: 1, Purpose.INTAKE: 1}
PART = 8
Needles = dict[str, bytes]


def part_of(secret: bytes) -> bytes | None:
    """8 bytes out of it that grep can take as a line: no newline, no zero. A few of 16 random bytes have none."""
    parts = (secret[at : at + PART] for at in range(len(secret) - PART + 1))
    return next((part for part in parts if not {0, 10} & set(part)), None)


def needles(secrets: Mapping[str, bytes]) -> Needles:
    """What to search for, nearly all of them."""
    parts = {name: part for name, secret in secrets.items() if (part := part_of(secret))}
    assert len(parts) >= 0.98 * len(secrets)
    return parts


def keys_of(folder: Path, ring: ServiceKeys, day: int) -> dict[str, bytes]:
    """Every key of the day, as it is wrapped in its slot, and the day key itself with what is derived from it."""
    names = [name for name in ring.names() if name.day == day and name.purpose is not Purpose.IDENTITY]
    wrapped = {f"slot {folder.name} {name}": (folder / "keys" / f"{name}.slot").read_bytes()[8:84] for name in names}
    day_key = KeyName(Purpose.DAY, day)
    derived = {label.name: ring.subkey(day_key, label) for label in (Label.SUB_SEAL, Label.SUB_ROW, Label.SUB_MAC)}
    plain = {"DAY": ring.use(day_key), **derived}
    return wrapped | {f"key {folder.name} {name}": key for name, key in plain.items()}


class Town:
    """An issuer and a registry on one disk, at noon of the day, and what must not be left of it."""

    def __init__(self, disk: Path) -> None:
        self.secrets: dict[str, bytes] = {}
        self.rows: dict[str, bytes] = {}
        self.next_day: dict[str, bytes] = {}
        self.site = Site.make(disk / "issuer", allow_unfit_storage="false", batches_a_day="50")
        make_service(disk / "registry")
        visits = list(self._issue())
        visits += [(random_bytes(16), random_bytes(72)) for _ in range(CANARIES - len(visits))]
        self._check_in(visits)

    def _issue(self) -> Iterator[tuple[bytes, bytes]]:
        with self.site.open() as issuer:
            for person in range(PEOPLE):
                subject = enrol(issuer, f"Canary {person}", f"+8210{person:08}")
                for _ in range(BATCHES):
                    for issued in issuer.batches.issue(subject, DAY, Mode.SCREEN, publics()):
                        read = credential.read(issued.credential)
                        yield read.visit_id, read.sealed_subject
            self.rows |= {f"ledger {at}": row.sealed for at, row in enumerate(issuer.vault.store.rows(DAY))}
            self.secrets |= keys_of(self.site.folder, issuer.party.ring, DAY)

    def _check_in(self, visits: list[tuple[bytes, bytes]]) -> None:
        folder = self.site.folder.with_name("registry")
        house = House(folder, ahead=AHEAD)
        house.guard.tick()
        house.purger.make_keys()
        for day, some in ((DAY, visits), (DAY + 1, [(random_bytes(16), random_bytes(72)) for _ in range(20)])):
            records = [Visit(b"a venue!", 1, 7, visit_id, random_bytes(16), sealed) for visit_id, sealed in some]
            rows = [seal_visit(house.vault, day, record, 12) for record in records]
            assert all(house.vault.insert(day, rows))
            kept = self.rows if day == DAY else self.next_day
            kept |= {f"visit row {day} {at}": row.sealed for at, row in enumerate(rows)}
        for at, (visit_id, sealed) in enumerate(visits):
            self.secrets |= {f"visit id {at}": visit_id, f"seal {at}": sealed}
        self.secrets |= keys_of(folder, house.party.ring, DAY)
        self.next_day["slot"] = (folder / "keys" / f"day-{DAY + 1}.slot").read_bytes()[8:84]
        house.store.close()

    def purge(self) -> None:
        """Both live on to the first moment of the day on which the day is due, and are asked for nothing."""
        with self.site.open() as issuer:
            house = House(self.site.folder.with_name("registry"), ahead=AHEAD)
            house.guard.tick()
            for day in (DAY + 4, DAY + 28):
                house.go(day, HOUR)
                self.site.set_day(day, 1)
                for guard in (house.guard, issuer.guard):
                    guard.confirm()
                keep_house(issuer)
                house.purger.close_due_days()
                house.purger.run()
            assert DAY not in issuer.vault.store.days() + house.store.days()
            rings = (issuer.party.ring, house.party.ring)
            assert not [name for ring in rings for name in ring.names() if name.day == DAY]
            house.store.close()


@pytest.fixture
def image(tmp_path: Path, needs: Needs) -> Path:
    """A formatted disk."""
    needs("an ext4 image on a loop device", can_mount(tmp_path), INSTALL)
    return new_image(tmp_path / "disk.img", 256)


def leave_controls(disk: Path, town: Town) -> dict[str, bytes]:
    """What a service would leave that unlinks in place of overwriting, or writes a canary down before it seals it."""
    ring = KeyRing(disk / "careless", bytes(32))
    left = {}
    for day in range(100):
        ring.make(KeyName(Purpose.DAY, day), oldest=0)
        path = disk / "careless" / f"day-{day}.slot"
        left[f"unlinked {day}"] = path.read_bytes()[8:84]
    canaries = {name: value for name, value in town.secrets.items() if name.endswith("7")}
    note = disk / "note"
    note.write_bytes(b"".join(canaries.values()))
    os.sync()
    note.unlink()
    for day in range(100):
        (disk / "careless" / f"day-{day}.slot").unlink()
    return left


def test_no_key_no_visit_id_and_no_seal_of_ten_thousand_visits_is_left_on_the_raw_disk(
    image: Path, tmp_path: Path
) -> None:
    """A thief has the disk an hour after the day was due, and the master keys: nothing opens a row of that day."""
    with mounted(image, tmp_path / "disk") as disk:
        town = Town(disk)
        gc.collect()  # slots are mapped until then
    secrets, rows, held = needles(town.secrets), needles(town.rows), needles(town.next_day)
    slots = {name for name in secrets if name.startswith("slot")}
    assert len(slots) == 4 and len(rows) > 0.98 * (CANARIES + PEOPLE * BATCHES)
    before = found(image, secrets | rows | held, tmp_path)
    assert before == slots | set(rows) | set(held), "control: keys and rows are found, and nothing is there in plain"

    with mounted(image, tmp_path / "disk"):
        town.purge()
        gc.collect()
    after = found(image, secrets | rows | held, tmp_path)
    assert after & set(secrets) == set()
    assert set(held) <= after, "control: the day that is still held"
    assert len(after & set(rows)) > len(rows) / 2, "control: rows that are deleted files, and unreadable without a key"

    with mounted(image, tmp_path / "disk") as disk:
        careless = needles(leave_controls(disk, town))
        gc.collect()
    left = found(image, secrets | careless, tmp_path)
    assert len(left & set(careless)) > 80, "control: keys that were only unlinked"
    assert {name for name in secrets if name.endswith("7")} <= left, "control: what was written down in plain"


def test_a_purge_that_is_killed_again_and_again_leaves_no_key_on_the_raw_disk_either(
    image: Path, tmp_path: Path
) -> None:
    """Twelve days are due; each round dies one step later than the one before, until one comes through."""
    days = range(DAY, DAY + 12)
    with mounted(image, tmp_path / "disk") as disk:
        folder = disk / "registry"
        make_service(folder)
        house = House(folder)
        house.guard.tick()
        secrets: dict[str, bytes] = {}
        for day in days:
            house.open_day(day)
            secrets |= {f"{day} {name}": key for name, key in keys_of(folder, house.party.ring, day).items()}
        house.go(days[-1] + 28, HOUR)
        house.guard.confirm()
        house.store.close()
        del house
        gc.collect()
    parts = needles(secrets)
    assert found(image, parts, tmp_path) == {name for name in parts if " slot " in name}, "control"
    with mounted(image, tmp_path / "disk"):
        deaths = next(number for number in range(MOST) if die_at(number, folder, before=number % 2 == 0))
    assert deaths > 20
    assert found(image, parts, tmp_path) == set()
