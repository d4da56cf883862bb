"""What must not leak: tokens, visit ids, scan ids, venues; searched for where it would be found."""

from __future__ import annotations

import json
from pathlib import Path

from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.presentation import to_text
from checkin.protocol.primitives import SigningKey, random_bytes
from tests.support.registry_service import (
    METRICS,
    RETENTION,
    Phone,
    Registry,
    check_in,
    enrol,
    intake_keys,
    processes,
    scan_id,
    sealed,
    upload,
)
from tests.support.service_folder import DAY, NOON, bearer
from tests.venue.conftest import NewIssuer, verifier


def spellings(secret: bytes) -> list[bytes]:
    """As somebody might write it."""
    return [secret, secret.hex().encode(), b64url_encode(secret).encode(), json.dumps(secret.hex()).encode()]


def files_with(folder: Path, secret: bytes) -> list[str]:
    """Files below `folder` whose name or content has the secret."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if any(form in content or form in str(path).encode() for form in spellings(secret)):
            found.append(path.name)
    return found


def test_no_token_visit_id_or_scan_id_is_in_any_file_log_metric_or_error(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """A real process at work: accepted, repeated, refused, forged, queued and garbage, and a purge."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    good, queued, forged, garbage = (Phone(issuer, DAY) for _ in range(4))
    forged.bytes_at(NOON)
    forged.holder = SigningKey(random_bytes(32))
    scan, queued_scan = scan_id(), random_bytes(16)
    answers: list[str] = []
    with processes(registry, 1) as [server], server.client() as client:
        at = enrol(client, "Canary cafe")
        keys = intake_keys(client, at, verifier(client, at))
        answers += [check_in(client, at, good.at(NOON), scan).text for _ in range(2)]
        answers.append(check_in(client, at, good.at(NOON)).text)
        answers.append(check_in(client, at, forged.at(NOON)).text)
        answers.append(check_in(client, at, garbage.at(NOON) + "0").text)
        answers.append(client.post("/v1/check-ins", content=good.at(NOON), headers=bearer(at.scanner)).text)
        entries = [
            sealed(at, keys, queued.bytes_at(NOON), NOON, queued_scan),
            sealed(at, keys, forged.bytes_at(NOON), NOON),
        ]
        assert upload(client, at, entries) == ["accepted", "bad_signature"]
        answers.append(client.get("/metrics", headers=bearer(METRICS)).text + client.get("/readyz").text)
        answers.append(client.post("/v1/purge", json={}, headers=bearer(RETENTION)).text)
        answers.append(client.get("/v1/statements", headers=bearer(RETENTION)).text)
    text = "\n".join(answers).encode()
    secrets = [phone.visit_id for phone in (good, queued, forged, garbage)]
    secrets += [b64url_decode(scan), queued_scan, good.bytes_at(NOON), to_text(good.bytes_at(NOON)).encode()]
    secrets += [at.operator.encode(), at.scanner.encode()]
    for secret in secrets:
        assert files_with(registry.folder, secret) == []
        assert not any(form in text for form in spellings(secret))
    # The venue has a name in its own table, and in no log, statement or metric.
    assert set(files_with(registry.folder, b"Canary cafe")) <= {"venue.db", "venue.db-wal"}
    assert at.venue_id.encode() not in text
    assert at.venue_id not in server.log.read_text()
    # The control: the same search finds what is there.
    assert files_with(registry.folder, b"queued_signature_failed") == [server.log.name]


def test_the_log_tells_no_request(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with processes(registry, 1) as [server], server.client() as client:
        at = enrol(client)
        before = server.log.read_text()
        for _ in range(5):
            check_in(client, at, Phone(issuer, DAY).at(NOON))
            client.get("/nowhere")
        assert server.log.read_text() == before
