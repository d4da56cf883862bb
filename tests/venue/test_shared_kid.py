"""A kid is a hint: an issuer that grinds a key with another's kid turns nobody away, and is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.cli import app
from checkin.protocol.credential import IssuerKey
from checkin.protocol.primitives import SigningKey, random_bytes
from tests.support.registry_service import (
    RETENTION,
    Issuer,
    Phone,
    Registry,
    check_in,
    enrol,
    intake_keys,
    sealed,
    upload,
)
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.vectors.material import kid_pair
from tests.venue.conftest import NewIssuer, Scene, verifier
from tests.venue.test_checkins import code

(HONEST, HONEST_KEY), (SECOND, GROUND_KEY) = kid_pair()


@pytest.fixture
def other(new_issuer: NewIssuer) -> Issuer:
    """Another issuer, with keys of its own."""
    return new_issuer(SECOND)


@pytest.fixture
def scene(tmp_path: Path, new_issuer: NewIssuer, other: Issuer) -> Iterator[Scene]:
    """A registry that pins both, the honest one with its key of the pair."""
    honest = new_issuer(HONEST)
    honest.keys[DAY] = HONEST_KEY
    other.keys[DAY] = GROUND_KEY
    registry = Registry(tmp_path / "registry", [honest, other], now=NOON)
    with registry.client() as client:
        at = enrol(client)
        yield Scene(registry, client, honest, at, intake_keys(client, at, verifier(client, at)))


def audited(scene: Scene) -> dict[str, str]:
    """The registry's own audit: point → result and evidence."""
    answer = scene.client.post("/v1/audit", json={}, headers=bearer(RETENTION))
    lines = [line.split(" ", 4) for line in answer.json()["statement"].splitlines() if line.startswith("point ")]
    return {name: f"{result} {evidence}" for _, result, name, _, evidence in lines}


def test_the_pair_has_one_kid_and_two_keys() -> None:
    keys = IssuerKey(HONEST, HONEST_KEY.public), IssuerKey(SECOND, GROUND_KEY.public)
    assert keys[0].kid == keys[1].kid
    assert keys[0].public != keys[1].public


def test_codes_of_both_issuers_are_taken_online_and_queued(scene: Scene, other: Issuer) -> None:
    for issuer in (scene.issuer, other):
        phone = Phone(issuer, DAY)
        assert code(check_in(scene.client, scene.at, phone.at(NOON))) == "accepted"
        queued = sealed(scene.at, scene.intake, Phone(issuer, DAY).bytes_at(NOON), NOON)
        assert upload(scene.client, scene.at, [queued]) == ["accepted"]


def test_a_code_that_neither_signed_is_refused(scene: Scene) -> None:
    """The control: trying several keys lets in nobody whom one of them would not."""
    phone = scene.phone()
    text = phone.bytes_at(NOON, signer=SigningKey(random_bytes(32)))
    assert upload(scene.client, scene.at, [sealed(scene.at, scene.intake, text, NOON)]) == ["unknown_issuer_key"]

    class Forger(SigningKey):
        """Signs with a key of its own under the shared kid."""

        public = HONEST_KEY.public

        def __init__(self) -> None:
            self._own = SigningKey(random_bytes(32))

        def sign(self, message: bytes) -> bytes:
            return self._own.sign(message)

    forged = scene.phone().bytes_at(NOON, signer=Forger())
    assert upload(scene.client, scene.at, [sealed(scene.at, scene.intake, forged, NOON)]) == ["bad_signature"]


def test_readiness_and_the_audit_name_who_shares_a_kid(scene: Scene) -> None:
    """The service stays ready: nobody is turned away."""
    assert scene.findings()["shared_kids"] == "warning"
    assert scene.client.get("/readyz").status_code == 200
    text = next(f["text"] for f in scene.client.get("/readyz").json()["findings"] if f["name"] == "shared_kids")
    assert f"Issuers {HONEST} and {SECOND}" in text
    assert CALENDAR.date(DAY) in text
    assert audited(scene)["kids"].startswith(f"fail issuers {HONEST} and {SECOND}")


def test_issuers_with_kids_of_their_own_are_not_named(tmp_path: Path, new_issuer: NewIssuer) -> None:
    registry = Registry(tmp_path / "registry", [new_issuer(HONEST), new_issuer(SECOND)], now=NOON)
    with registry.client() as client:
        scene = Scene(registry, client, new_issuer(3), enrol(client), {})
        assert "shared_kids" not in scene.findings()
        assert audited(scene)["kids"].startswith("pass ")


def test_the_command_line_scanner_takes_codes_of_both_issuers(scene: Scene, other: Issuer, tmp_path: Path) -> None:
    """Online, and in its queue; what neither signed it refuses."""
    device = tmp_path / "scanner.json"
    fields = {"venue_id": scene.at.venue_id, "scanner_id": scene.at.scanner_id, "scanner_token": scene.at.scanner}
    device.write_text(json.dumps(fields), encoding="utf-8")
    device.chmod(0o600)
    clock = ["--simulated-clock", str(scene.registry.clock), "--scanner", str(device)]
    registry = ["--venue", str(scene.client.base_url), *clock]

    def scan(text: str, *options: str) -> str:
        done = CliRunner().invoke(app, ["scan", text, *registry, "--json", *options])
        failed = str(getattr(done.exception, "code", done.exception))
        return str(json.loads(done.stdout)["result"]) if done.exit_code == 0 else failed

    for issuer in (scene.issuer, other):
        assert scan(Phone(issuer, DAY).at(NOON)) == "accepted"
    for issuer in (scene.issuer, other):
        assert scan(Phone(issuer, DAY).at(NOON), "--offline") == "queued"
    assert len(json.loads(device.read_text())["queue"]) == 2
    assert scan(Phone(other, DAY).at(NOON)) == "accepted"
    assert json.loads(device.read_text())["queue"] == []
    stranger = scene.phone()
    stranger.bytes_at(NOON, signer=SigningKey(random_bytes(32)))
    assert scan(stranger.at(NOON)) == "unknown_issuer_key"


def test_an_unknown_key_is_undecided_in_a_queue_until_a_list_names_it(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """The second issuer's list comes later than its visitors: nothing of them is stored before, and nothing is lost."""
    first, late = new_issuer(HONEST), new_issuer(SECOND)
    late.note = "not a list yet"
    registry = Registry(tmp_path / "registry", [first, late], now=NOON)
    with registry.client() as client:
        at = enrol(client)
        keys = intake_keys(client, at, verifier(client, at))
        batch = [sealed(at, keys, Phone(issuer, DAY).bytes_at(NOON), NOON) for issuer in (late, first)]
        answer = client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(at.scanner)).json()
        assert answer["results"] == [{"result": "undecided", "code": "unknown_issuer_key"}, {"result": "accepted"}]
        assert upload(client, at, batch) == ["unknown_issuer_key", "repeated"]
    late.note = None
    with registry.client() as client:
        assert upload(client, at, batch) == ["accepted", "repeated"]


def test_what_is_undecided_is_refused_like_anything_else_when_its_time_is_over(scene: Scene) -> None:
    nobody = scene.phone().bytes_at(NOON, signer=SigningKey(random_bytes(32)))
    batch = [sealed(scene.at, scene.intake, nobody, NOON)]
    for now, word in (
        (NOON + 72 * 3600, "unknown_issuer_key"),
        (NOON + 72 * 3600 + 1, "scan_too_old"),
        (CALENDAR.closes(DAY), "day_closed"),
    ):
        scene.registry.set(now)
        assert upload(scene.client, scene.at, batch) == [word]
