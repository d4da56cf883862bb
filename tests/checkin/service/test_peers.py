"""Other parties' time over HTTP: asked with a fresh nonce, believed under the pinned key alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from checkin.clock import Calendar, SystemClock, parse_rfc3339
from checkin.errors import NoteUntrusted
from checkin.protocol.note import NoteSigner, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.protocol.signed_time import TIME_STATEMENT, read_time
from checkin.service import time_peers as peers
from checkin.service.settings import Peer
from checkin.service.time_peers import signed_times
from tests.support.purging_service import House
from tests.support.retention_service import Service
from tests.support.service_folder import DAY, HOUR, make_service
from tests.support.trickle import trickling, whole

CALENDAR = Calendar()


@pytest.fixture
def peer() -> Iterator[Service]:
    """A pinned party that tells the time."""
    service = Service("issuer.example")
    yield service
    service.server.stop()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Who asks."""
    make_service(tmp_path / "x")
    return House(tmp_path / "x")


def asked(house: House, *services: Service) -> list[float]:
    """The times that were believed."""
    pinned = [Peer(url=peer.server.url, vkey=peer.signer.verifier.vkey) for peer in services]
    return list(signed_times(pinned, house.party))


def test_a_signed_time_is_heard(house: House, peer: Service) -> None:
    """To the second."""
    assert asked(house, peer) == [CALENDAR.start(DAY)]


def test_a_forged_time_is_not_believed(house: House, peer: Service) -> None:
    """Whoever sits on the wire has not the pinned key."""
    forger = NoteSigner("issuer.example", SigningKey(b"\x01" * 32))
    peer.server.routes["/v1/time"] = lambda: {
        "note": sign_note(unverified_text(peer.time(peer.server.query["nonce"][0])), forger)
    }
    assert asked(house, peer) == []


def test_a_time_that_names_another_service_is_not_read() -> None:
    """One party may sign under several names; the answer is to be of the one that was asked."""
    signer = NoteSigner("issuer.example", SigningKey(b"\x01" * 32))
    nonce, stamp = "AAAAAAAAAAAAAAAAAAAAAA", "2026-11-20T12:00:00+09:00"

    def told(service: str) -> str:
        return sign_note(TIME_STATEMENT.write({"service": service, "nonce": nonce, "time": stamp}), signer)

    assert read_time(told("issuer.example"), signer.verifier, nonce) == parse_rfc3339(stamp)
    with pytest.raises(NoteUntrusted, match="not this service's"):
        read_time(told("registry.example"), signer.verifier, nonce)


def test_an_old_answer_is_not_believed(house: House, peer: Service) -> None:
    """A true note from yesterday does not carry today's nonce."""
    old = peer.time("AAAAAAAAAAAAAAAAAAAAAA")
    peer.server.routes["/v1/time"] = lambda: {"note": old}
    assert asked(house, peer) == []


def test_simulated_and_real_time_do_not_mix(house: House) -> None:
    """A peer under another kind of clock says nothing about ours."""
    real = Service("issuer.example", simulated=False)
    assert asked(house, real) == []
    real.server.stop()


@pytest.mark.parametrize("answer", [{}, {"note": ""}, {"note": 7}, [], "x" * 20_000, {"time": "now"}])
def test_nonsense_is_passed_over_and_the_next_peer_is_heard(house: House, peer: Service, answer: object) -> None:
    """So is silence: the first peer here is down."""
    dead = Service("dead.example")
    dead.server.stop()
    mad = Service("mad.example")
    mad.server.routes["/v1/time"] = lambda: answer
    assert asked(house, dead, mad, peer) == [CALENDAR.start(DAY)]
    mad.server.stop()


@pytest.mark.parametrize(
    "body", [b"[" * 16_000, b'{"note":' * 2_000, b"\xff\xfe{}", b""], ids=["lists", "objects", "no text", "nothing"]
)
def test_json_too_deep_to_read_is_passed_over_and_the_next_peer_ends_the_doubt(tmp_path: Path, body: bytes) -> None:
    """A pinned party, or whoever sits on the wire to it, must not decide whether the next one is asked."""
    make_service(tmp_path / "z")
    house = House(tmp_path / "z")
    house.guard.tick()
    house.go(DAY + 7, HOUR)
    honest = Service("issuer.example")
    honest.now = house.clock.now
    with trickling(whole(body), at_once=1_000_000) as mad:
        both = [Peer(url=url, vkey=honest.signer.verifier.vkey) for url in (mad.url, honest.server.url)]
        alone = House(tmp_path / "z", peers=partial(signed_times, both[:1], house.party))
        alone.guard.tick()
        assert alone.guard.doubt is not None
        again = House(tmp_path / "z", peers=partial(signed_times, both, house.party))
        again.guard.tick()
        assert again.guard.doubt is None
    honest.server.stop()


def test_after_seven_days_of_downtime_an_honest_peer_suffices_beside_a_liar(tmp_path: Path) -> None:
    """One two hours off, one that is right, asked over the network; then everything due is destroyed."""
    make_service(tmp_path / "y")
    house = House(tmp_path / "y")
    house.purger.run()
    house.open_day()
    house.go(DAY + 34, HOUR)
    liar, honest = Service("liar.example"), Service("issuer.example")
    liar.now = lambda: house.clock.now() + 2 * HOUR
    honest.now = house.clock.now
    both = [Peer(url=other.server.url, vkey=other.signer.verifier.vkey) for other in (liar, honest)]
    alone = House(tmp_path / "y", peers=partial(signed_times, both[:1], house.party))
    alone.guard.tick()
    assert alone.guard.doubt is not None
    again = House(tmp_path / "y", peers=partial(signed_times, both, house.party))
    assert again.purger.run() == ["purge-2026-11-20"]
    assert not again.live()
    liar.server.stop()
    honest.server.stop()


def test_a_peer_that_trickles_holds_up_neither_housekeeping_nor_the_next_peer(
    house: House, peer: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte now and then evades every timeout between two bytes; meanwhile nothing would be destroyed."""
    monkeypatch.setattr(peers, "LONGEST_SECONDS", 3.0)
    with trickling(whole(b'{"note": ""}' + b" " * 400)) as trickle:
        slow = Peer(url=trickle.url, vkey=peer.signer.verifier.vkey)
        good = Peer(url=peer.server.url, vkey=peer.signer.verifier.vkey)
        assert list(signed_times([slow, good], house.party)) == [CALENDAR.start(DAY)]
        assert not trickle.ended


def test_a_true_time_that_was_held_back_is_not_believed(
    house: House, peer: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sits on the wire keeps the answer until it agrees with a clock that is wrong: also while we sleep."""
    passed = iter([1000.0, 1000.0 + 3000.0])
    monkeypatch.setattr(SystemClock, "boot", lambda _: next(passed, 4000.0))
    assert asked(house, peer) == []
