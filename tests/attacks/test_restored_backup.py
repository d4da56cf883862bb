"""A backup that is put back revives nobody: no account, no scanner, no token that ended since it was made.

The attacker: whoever has an old copy of `data`, or an operator on a bad day. He holds: the copy, and a token that was
revoked or an account that was deleted after it was made. He tries: putting the copy back. Control: the same without the
journal beside the key ring, where all of it lives again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.demo.stage import registered
from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.errors import Unauthorized
from checkin.http.client import Client
from checkin.service.addresses import free_ports
from tests.services.test_commands import checkin

PHONE = "+821012345678"
BOTH = ("issuer", "venue")


class Story:
    """A deployment with one account, one venue and two scanners, its folders as they were, and what ended since."""

    def __init__(self, folder: Path) -> None:
        (folder / "clock").write_text("2026-11-20T12:00:00+09:00\n", encoding="ascii")
        self.deployment = Deployment.open_or_make(folder, free_ports(3), simulated_clock=folder / "clock")
        with Processes(self.deployment):
            self.wallet = registered(self.deployment, "Ahn", PHONE)
            with self.registry(self.deployment.token("enrolment")) as client:
                made = client.post("/v1/venues", {"name": "Café", "category": "cafe"})
            self.venue, self.operator = made["venue_id"], made["operator_token"]
            with self.registry(self.operator) as client:
                self.scanners = [client.post(f"/v1/venues/{self.venue}/scanners", {"label": one}) for one in "ab"]
        self.copy()
        with Processes(self.deployment):
            self.end()
        self.put_back()

    def registry(self, token: str) -> Client:
        return Client(self.deployment.url("venue"), token)

    def copy(self) -> None:
        for service in BOTH:
            folder = self.deployment.folder / service
            shutil.copytree(folder / "data", folder / "copy")

    def put_back(self) -> None:
        for service in BOTH:
            folder = self.deployment.folder / service
            shutil.rmtree(folder / "data")
            shutil.copytree(folder / "copy", folder / "data")

    def end(self) -> None:
        """The account, one of the scanners, the operator's token."""
        with Client(self.deployment.url("issuer"), self.wallet.token) as client:
            client.delete("/v1/wallet")
        with self.registry(self.operator) as client:
            client.delete(f"/v1/venues/{self.venue}/scanners/{self.scanners[0]['scanner_id']}")
        with self.registry(self.deployment.token("enrolment")) as client:
            self.renewed = client.post(f"/v1/venues/{self.venue}/operator-token")["operator_token"]

    def alive(self) -> dict[str, bool]:
        """Which of what had a token opens something."""
        asked = {
            "account": ("issuer", self.wallet.token, "/v1/wallet"),
            "revoked scanner": ("venue", self.scanners[0]["scanner_token"], "/v1/trust"),
            "other scanner": ("venue", self.scanners[1]["scanner_token"], "/v1/trust"),
            "old operator": ("venue", self.operator, f"/v1/venues/{self.venue}"),
            "new operator": ("venue", self.renewed, f"/v1/venues/{self.venue}"),
        }
        return {what: self.opens(*question) for what, question in asked.items()}

    def opens(self, service: str, token: str, path: str) -> bool:
        try:
            with Client(self.deployment.url(service), token) as client:
                client.get(path)
        except Unauthorized:
            return False
        return True

    def restored(self, service: str) -> str:
        """What /readyz says, '' for nothing."""
        with Client(self.deployment.url(service)) as client:
            found = client._exchange.send("GET", "/readyz").json()["findings"]
        return next((one["text"] for one in found if one["name"] == "restored"), "")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    yield Story(tmp_path_factory.mktemp("story"))


def test_what_ended_stays_dead_in_a_backup_that_is_put_back(story: Story, tmp_path: Path) -> None:
    with Processes(story.deployment, patience=0.0):
        assert story.alive() == {
            "account": False,
            "revoked scanner": False,
            "other scanner": True,
            "old operator": False,
            "new operator": True,
        }
        for service in BOTH:
            assert "2026-11-20" in story.restored(service)
            confirm = ("purge", "run", "--config", str(story.deployment.config(service)), "--confirm-restored")
            done = checkin(tmp_path, *confirm, "--simulated-clock", str(story.deployment.simulated_clock))
            assert done.returncode == 0, done.stderr
            assert story.restored(service) == ""
        assert story.restored("retention") == ""


def test_control_without_the_journal_all_of_it_lives_again(story: Story) -> None:
    """Without its marks, too, nobody would have noticed."""
    story.put_back()
    for service in BOTH:
        shutil.rmtree(story.deployment.folder / service / "keys" / "journal")
    with Processes(story.deployment, patience=0.0):
        alive = story.alive()
    assert alive["account"] and alive["revoked scanner"] and alive["old operator"]
    assert not alive["new operator"]
