"""The retention service and a witness of another organisation, a process of its own: what is published, and when."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from checkin.errors import SettingsInvalid
from checkin.protocol.note import NoteVerifier
from checkin.tlog.checkpoint import cosignatures, open_checkpoint
from checkin.tlog.witness_folder import make_folder
from retention import witnessing
from retention.settings import RetentionSettings
from tests.retention.witnesses import Witness, bring, pin, published, watch
from tests.support.retention_service import Retention, Service
from tests.support.service_folder import DAY, HOUR
from tests.support.waiting import until


@pytest.fixture
def witness(retention: Retention, tmp_path: Path) -> Witness:
    """Pinned in the settings of the retention service, whose log it watches; nothing is published without it."""
    witness = watch(retention, tmp_path / "witness")
    (retention.folder / "data" / "log" / "checkpoint").unlink()  # as if the witness had been there from the start
    return witness


def warned(client: httpx.Client) -> str | None:
    found = client.get("/readyz").json()["findings"]
    return next((one["text"] for one in found if (one["name"], one["level"]) == ("witnesses", "warning")), None)


def test_a_checkpoint_is_published_only_once_the_witness_has_cosigned_it(
    retention: Retention, service: Service, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the witness runs nothing is; with it each head is, before the answer to whoever brought an entry; when it
    is gone the last cosigned head stays, and somebody is told. A log alone can show no second history."""
    monkeypatch.setattr(witnessing, "RETRY_SECONDS", 0.2)
    notes = [service.report(DAY - 28 - back) for back in range(4)]
    service.notes.clear()
    with retention.client() as client:
        keys = client.get("/v1/keys").json()
        assert (keys["witnesses"], keys["quorum"]) == ([witness.verifier.vkey], 1)
        log = NoteVerifier.parse(keys["log"])

        def size() -> int:
            note = published(client)
            return 0 if note is None else open_checkpoint(note, log, [witness.verifier], quorum=1).size

        first = bring(client, notes[0])
        assert published(client) is None
        assert "witness.example/w1/simulated: unreachable" in (warned(client) or "")
        assert client.get(f"/v1/purge-reports/{first}").json()["proof"] is None
        with witness.running():
            until(lambda: size() == first + 1 and warned(client) is None)
            assert client.get(f"/v1/purge-reports/{first}").json()["proof"]["size"] == first + 1
            for note in notes[1:3]:
                assert bring(client, note) + 1 <= size()
            seen = published(client)
        last = bring(client, notes[3])
        assert published(client) == seen
        assert client.get(f"/v1/purge-reports/{last}").json()["proof"] is None
        assert client.get("/readyz").status_code == 200
        assert warned(client)


def test_the_witness_is_asked_again_each_day_so_that_readers_see_how_fresh_the_head_is(
    retention: Retention, service: Service, witness: Witness
) -> None:
    """Also when nothing was logged: an old time on a head would mean that newer ones are withheld."""
    parts = retention.parts()

    def times() -> dict[str, int]:
        parts.cosigning.run()
        return cosignatures(parts.log.published(), [witness.verifier])

    with witness.running():
        before = times()
        retention.go(DAY, 13 * HOUR)
        assert times() == before
        retention.go(DAY + 1, HOUR)
        after = times()
    parts.close()
    assert after[witness.verifier.name] - before[witness.verifier.name] == 13 * 3600
    assert set(service.server.asked) == {"GET /v1/checkpoint"}  # the service itself is asked for nothing else


def test_a_witness_under_a_real_clock_does_not_vouch_for_simulated_time(retention: Retention, tmp_path: Path) -> None:
    """Nor the other way round: found at start."""
    pin(retention, "http://127.0.0.1:9", make_folder(tmp_path / "real", "witness.example/w1"))
    with pytest.raises(SettingsInvalid, match="simulated"):
        retention.parts()


@pytest.mark.parametrize(("witnesses", "quorum"), [(1, 2), (0, 1), (2, 1)])
def test_settings_that_could_never_publish_or_count_one_witness_twice_are_refused(
    retention: Retention, tmp_path: Path, witnesses: int, quorum: int
) -> None:
    """A quorum larger than there are witnesses; one name twice."""
    verifiers = [make_folder(tmp_path / "w", "witness.example/w1", simulated=True)] * witnesses
    pin(retention, "http://127.0.0.1:9", *verifiers, quorum=quorum)
    with pytest.raises(SettingsInvalid):
        RetentionSettings.load(retention.config)
