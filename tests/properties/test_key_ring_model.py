"""Whatever order things happen in, by whichever process: the ring does what a small model of it does."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from checkin.errors import CheckinError, DayDestroyed, KeyDestroyed, KeyExists, KeyMissing
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from tests.examples import examples

MASTER = bytes(range(32))
NAMES = st.builds(KeyName, st.sampled_from([Purpose.DAY, Purpose.SIGNING]), st.integers(0, 3))
WHO = st.integers(0, 1)
LEFT = st.sampled_from([b"", bytes(40), bytes(4096), b"ck1/slot"])


def outcome(work: object, *args: object, **kwargs: object) -> object:
    """What a call returns, or the class of what it raises."""
    try:
        return work(*args, **kwargs)  # type: ignore[operator]
    except (CheckinError, ValueError) as error:
        return type(error)


class KeyRingModel(RuleBasedStateMachine):
    """Two rings on one folder stand for two processes; `live` and `tombs` are the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.rings = [self.fresh(), self.fresh()]
        self.live: dict[KeyName, tuple[str, bytes]] = {}
        self.tombs: dict[KeyName, int] = {}
        self.oldest = 0
        self.seen: set[bytes] = set()

    def fresh(self) -> KeyRing:
        return KeyRing(self.folder / "keys", MASTER, allow_unfit=True)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def closed(self, name: KeyName) -> bool:
        return name in self.tombs or name.day < self.oldest

    def learn(self, who: int, name: KeyName, commitment: object) -> None:
        key = self.rings[who].use(name)
        assert isinstance(commitment, str) and key not in self.seen, "every key is fresh"
        self.seen.add(key)
        self.live[name] = (commitment, key)

    @rule(who=WHO, name=NAMES)
    def make(self, who: int, name: KeyName) -> None:
        got = outcome(self.rings[who].make, name, oldest=self.oldest)
        if self.closed(name):
            assert got is DayDestroyed
        elif name in self.live:
            assert got is KeyExists
        else:
            self.learn(who, name, got)

    @rule(who=WHO, name=NAMES)
    def ensure(self, who: int, name: KeyName) -> None:
        got = outcome(self.rings[who].ensure, name, oldest=self.oldest)
        # A worker that mapped the slot before it was entombed has it until it is overwritten.
        if name.day < self.oldest or (name in self.tombs and name not in self.live):
            assert got is DayDestroyed
        elif name in self.tombs:
            assert got in (DayDestroyed, self.live[name][0])
        elif name in self.live:
            assert got == self.live[name][0]
        else:
            self.learn(who, name, got)

    @rule(who=WHO, name=NAMES)
    def entomb(self, who: int, name: KeyName) -> None:
        self.rings[who].entomb(name, {"turn": len(self.tombs)})
        self.tombs.setdefault(name, len(self.tombs))

    @rule(who=WHO, name=NAMES)
    def destroy(self, who: int, name: KeyName) -> None:
        got = outcome(self.rings[who].destroy, name)
        assert got is (None if name in self.tombs else ValueError)
        if name in self.tombs:
            self.live.pop(name, None)

    @rule(name=NAMES, left=LEFT)
    def crash_while_making(self, name: KeyName, left: bytes) -> None:
        path = self.folder / "keys" / f"{name}.slot"
        if not path.exists() and name not in self.tombs:
            path.write_bytes(left)

    @rule(who=WHO)
    def restart(self, who: int) -> None:
        self.rings[who] = self.fresh()

    @precondition(lambda self: self.oldest < 3)
    @rule()
    def a_day_passes(self) -> None:
        self.oldest += 1

    @invariant()
    def both_processes_see_the_same_and_a_restart_changes_nothing(self) -> None:
        for name in set(self.live) | set(self.tombs):
            for ring in self.rings:
                got = outcome(ring.use, name)
                if name not in self.live:
                    assert got is KeyDestroyed
                elif name in self.tombs:
                    assert got in (KeyDestroyed, self.live[name][1])
                else:
                    assert got == self.live[name][1]
        assert set(self.tombs) == set(self.rings[0].tombstones())
        assert set(self.live) <= set(self.rings[1].names())
        for name, turn in self.tombs.items():
            assert self.rings[0].tombstone(name) == {"turn": turn}

    @invariant()
    def a_key_that_was_never_made_is_missing(self) -> None:
        for day in range(4):
            name = KeyName(Purpose.DAY, day)
            if name not in self.live and name not in self.tombs:
                assert outcome(self.rings[0].use, name) is KeyMissing

    @invariant()
    def no_key_lies_in_the_clear(self) -> None:
        for file in (self.folder / "keys").iterdir():
            with suppress(FileNotFoundError):
                content = file.read_bytes()
                assert not any(key in content for key in self.seen)


TestKeyRingModel = KeyRingModel.TestCase
TestKeyRingModel.settings = examples(24, stateful_step_count=40)
