"""What all workers and machines count together at a server, which may be away, hang, or keep what should be gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog
from limits import RateLimitItemPerDay, RateLimitItemPerMinute

from checkin.errors import SettingsInvalid, TooManyRequests
from checkin.service import shared_counts
from checkin.service.shared_counts import Bound, SharedCounts
from tests.conftest import Needs
from tests.support.counts_server import CountsServer
from tests.support.purging_service import House, day_key
from tests.support.service_folder import DAY, HOUR, make_service
from tests.support.waiting import until

MOST = 5
TIMEOUT = shared_counts.TIMEOUT_SECONDS
TOGETHER = ("throttles", "ok")


class Worker:
    """A process of a service, with a bound of so many a minute."""

    def __init__(self, folder: Path, dsn_file: Path | None) -> None:
        self.house = House(folder)
        for day in (DAY, DAY + 1):
            self.house.party.ring.ensure(day_key(day), oldest=0)
        self.counts = SharedCounts(self.house.party, dsn_file)
        self.bound = Bound(RateLimitItemPerMinute(MOST, namespace="test"), "Too many.", self.counts)

    def passes(self, tries: int = 1, key: str = "key") -> int:
        """How many of them pass."""
        return sum(_passes(self.bound, key) for _ in range(tries))

    def findings(self) -> list[tuple[str, str]]:
        return [(found.name, found.level) for found in self.counts.findings()]


NewWorker = Callable[[], Worker]


def _passes(bound: Bound, key: str) -> bool:
    try:
        bound.pass_one(key)
    except TooManyRequests:
        return False
    return True


@pytest.fixture
def worker(counts_server: CountsServer, tmp_path: Path) -> Iterator[NewWorker]:
    """Makes workers of one service."""
    made: list[Worker] = []
    make_service(tmp_path / "service")

    def make() -> Worker:
        made.append(Worker(tmp_path / "service", counts_server.dsn_file))
        return made[-1]

    yield make
    for one in made:
        one.counts.close()


def test_workers_that_count_at_one_server_have_one_bound_together(worker: NewWorker, tmp_path: Path) -> None:
    """All at once. Control: without a server each has its own."""
    workers = [worker(), worker()]
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda number: workers[number % 2].passes(), range(60))) == MOST
    assert [one.bound.full("key") for one in workers] == [True, True]
    assert workers[0].passes(key="another") == 1
    alone = [Worker(tmp_path / "service", None) for _ in range(2)]
    assert [one.passes(60) for one in alone] == [MOST, MOST]
    assert alone[0].findings() == []


def test_what_one_gives_back_another_may_take_and_no_more(worker: NewWorker) -> None:
    """A refusal counts nothing, and what is given back twice is given back once."""
    here, there = worker(), worker()
    assert here.passes(MOST) == MOST
    assert there.passes(20) == 0
    here.bound.give_back("key")
    assert not there.bound.full("key")
    assert there.passes(2) == 1
    for _ in range(MOST + 3):
        here.bound.give_back("key")
    assert there.passes(2 * MOST) + here.passes(2 * MOST) == MOST


def test_a_refusal_says_when_the_window_of_all_is_over(worker: NewWorker, counts_server: CountsServer) -> None:
    here, there = worker(), worker()
    here.passes(MOST)
    [name] = counts_server.kept()
    counts_server.client.expire(name, 7)
    with pytest.raises(TooManyRequests) as refused:
        there.bound.pass_one("key")
    assert 5 < refused.value.wait <= 8


def test_a_server_that_goes_away_leaves_each_worker_its_own_bound_and_comes_back_by_itself(
    worker: NewWorker, counts_server: CountsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is the gate open then, nor the door closed; and what a worker let pass before still counts for it."""
    monkeypatch.setattr(shared_counts, "FRESH_SECONDS", 3600.0)
    here, there = worker(), worker()
    assert here.findings() == [TOGETHER]
    assert here.passes(3) == 3
    counts_server.kill()
    with structlog.testing.capture_logs() as told:
        assert [here.passes(20), there.passes(20)] == [MOST - 3, MOST]
        [found] = here.counts.findings()
    assert (found.name, found.level) == ("throttles", "warning")
    assert "ConnectionError" in found.text
    assert "each worker process counts for itself" in found.text
    assert [line["event"] for line in told] == ["throttles_away"] * 2, "once each"
    counts_server.start()
    for one in (here, there):
        until(lambda one=one: one.findings() == [TOGETHER])  # type: ignore[misc]
    fresh = worker()
    assert fresh.passes(2) == 2
    assert worker().passes(20) == MOST - 2


def test_nobody_waits_long_for_a_server_that_hangs(
    worker: NewWorker, counts_server: CountsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One waits for an answer, and then nobody for a while. Control: each of them waits."""
    monkeypatch.setattr(shared_counts, "TIMEOUT_SECONDS", TIMEOUT)
    monkeypatch.setattr(shared_counts, "AWAY_SECONDS", 3600.0)
    here = worker()
    here.passes()

    def seconds(tries: int) -> float:
        begun = time.monotonic()
        assert sum(here.passes(key=f"{tries}/{number}") for number in range(tries)) == tries
        return time.monotonic() - begun

    counts_server.stop_answering()
    try:
        assert seconds(30) < 15 * TIMEOUT
        monkeypatch.setattr(shared_counts, "AWAY_SECONDS", 0.0)
        here.counts._away_until = 0.0
        assert seconds(2) > 1.9 * TIMEOUT
    finally:
        counts_server.go_on()


def test_names_are_macs_that_end_with_their_window_or_the_day(
    worker: NewWorker, counts_server: CountsServer, tmp_path: Path
) -> None:
    """Of the same key another service's are others, and so are the next day's: only the day's key makes one."""
    here = worker()
    day = Bound(RateLimitItemPerDay(MOST, namespace="a day"), "Too many.", here.counts)
    day.pass_one("key")
    [(value, left)] = counts_server.kept().values()
    assert value == "1"
    assert 0 < left <= 1000 * (12 * HOUR + 1), "no time of the first one"
    here.passes()
    here.house.go(DAY + 1)
    here.passes()
    make_service(tmp_path / "another")
    other = Worker(tmp_path / "another", counts_server.dsn_file)
    other.passes()
    other.counts.close()
    kept = counts_server.kept()
    assert len(kept) == 4
    for name, (value, _) in kept.items():
        prefix, _, mac = name.partition(":")
        assert (prefix, len(bytes.fromhex(mac)), value) == ("checkin", 16, "1")
    assert sorted(life for _, life in kept.values())[2] <= 60_000


def test_without_todays_key_each_worker_counts_for_itself(worker: NewWorker, counts_server: CountsServer) -> None:
    here, there = worker(), worker()
    for one in (here, there):
        one.house.go(DAY + 2)
    assert [here.passes(20), there.passes(20)] == [MOST, MOST]
    assert counts_server.kept() == {}
    [found] = here.counts.findings()
    assert "KeyMissing" in found.text


def test_a_server_that_keeps_what_should_be_gone_is_named(worker: NewWorker, counts_server: CountsServer) -> None:
    """And one that is set up as it should be is not."""
    party, client = worker().house.party, counts_server.client

    def found() -> list[tuple[str, str]]:
        counts = SharedCounts(party, counts_server.dsn_file)
        together, *wrong = [(found.name, found.level) for found in counts.findings()]
        assert together == TOGETHER
        counts.close()
        return [(name.removeprefix("throttles_"), level) for name, level in wrong]

    for setting, value in [("save", "3600 1"), ("appendonly", "yes"), ("slowlog-log-slower-than", "10000")]:
        assert found() == []
        before = client.config_get(setting)[setting]
        client.config_set(setting, value)
        assert found() == [(setting, "warning")]
        client.config_set(setting, before)
    client.replicaof("127.0.0.1", 1)
    assert found() == [("replication", "warning")]


def test_a_server_that_shows_nothing_of_its_settings_is_named_and_used(
    worker: NewWorker, counts_server: CountsServer
) -> None:
    counts_server.client.acl_setuser(
        "limited", enabled=True, passwords=["+pass"], keys="*", commands=["+@all", "-config"]
    )
    counts_server.dsn_file.write_text(counts_server.dsn_file.read_text().replace("unix://", "unix://limited:pass@"))
    here, there = worker(), worker()
    assert here.findings() == [TOGETHER, ("throttles_unknown", "warning")]
    assert here.passes(3) + there.passes(3) == MOST


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("", "does not hold"),
        ("unix://", "does not hold"),
        ("redis://", "does not hold"),
        ("memory://secret", "does not hold"),
        ("redis://me:secret@localhost:99999", "does not hold"),
        ("redis://me:secret@[bad", "does not hold"),
        ("redis://me:secret@10.0.0.7", "by TLS"),
        ("redis://me:secret@counts.example", "by TLS"),
        ("rediss://me:secret@counts.example?ssl_cert_reqs=none", "nothing else"),
        ("unix:///run/secret?socket_timeout=60", "nothing else"),
    ],
)
def test_a_dsn_of_another_form_is_refused_and_never_quoted(tmp_path: Path, needs: Needs, dsn: str, why: str) -> None:
    needs("Redis's client", find_spec("redis"), "pip install -e '.[test]'")
    make_service(tmp_path)
    file = tmp_path / "dsn"
    file.write_text(dsn)
    file.chmod(0o600)
    with pytest.raises(SettingsInvalid, match=why) as refused:
        SharedCounts(House(tmp_path).party, file)
    assert "secret" not in str(refused.value.detail)


def test_a_client_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    make_service(tmp_path)
    file = tmp_path / "dsn"
    file.touch(mode=0o600)
    file.write_text("redis://localhost")
    with pytest.raises(SettingsInvalid, match=r"private-qr-checkin\[redis\]"):
        SharedCounts(House(tmp_path).party, file)


def test_a_dsn_that_others_can_read_is_refused(worker: NewWorker, counts_server: CountsServer) -> None:
    counts_server.dsn_file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        worker()
