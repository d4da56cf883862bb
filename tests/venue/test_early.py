"""A registry whose day officers had destroyed: what comes for it is refused, and tomorrow is a day as ever."""

from __future__ import annotations

from pathlib import Path

from checkin.service.vault_folder import VaultFolder
from tests.support.officers import TABLE, early_note
from tests.support.registry_service import RETENTION, Phone, Registry, check_in, enrol, intake_keys, sealed, upload
from tests.support.service_folder import DAY, NOON, bearer
from tests.venue.conftest import NewIssuer, verifier


def test_codes_and_queued_scans_of_a_destroyed_day_are_refused(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """By the codes that there are for it, at once, in a service that runs; tomorrow's are taken."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer], now=NOON)
    registry.config.write_text(f"{registry.config.read_text()}\n{TABLE}")
    with registry.client() as client:
        at = enrol(client)
        keys = intake_keys(client, at, verifier(client, at))
        phone = Phone(issuer, DAY)
        assert check_in(client, at, phone.at(NOON)).status_code == 201
        folder = VaultFolder(registry.config, registry.clock)
        folder.early.take(early_note(DAY, DAY))
        assert folder.destroy() == {}
        folder.close()
        for code in (phone, Phone(issuer, DAY)):
            refused = check_in(client, at, code.at(NOON))
            assert (refused.status_code, refused.json()["code"]) == (410, "day_destroyed")
        entry = sealed(at, keys, Phone(issuer, DAY).bytes_at(NOON), NOON)
        assert upload(client, at, [entry]) == ["day_closed"]
        assert client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator)).status_code == 200
        purged = client.post("/v1/purge", headers=bearer(RETENTION)).json()["statements"]
        assert purged == [], "it was stated beside the service"
        points = client.post("/v1/audit", json={}, headers=bearer(RETENTION)).json()["statement"]
        assert "\npoint fail " not in points, points
    registry.set(NOON + 86_400)
    with registry.client() as client:
        assert check_in(client, at, Phone(issuer, DAY + 1).at(NOON + 86_400)).status_code == 201
