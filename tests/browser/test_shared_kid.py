"""A scanner page at a registry that pins two issuers whose keys of today have one kid: visitors of both get in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checkin.protocol.primitives import SigningKey, random_bytes
from tests.browser.conftest import Launch
from tests.browser.pages import Camera, ScannerPage
from tests.support.registry_service import Issuer, Phone, Registry, enrol
from tests.vectors.material import kid_pair
from tests.venue.realtime import CALENDAR, today


@pytest.fixture
def issuers() -> Iterator[list[Issuer]]:
    """Two, under the real clock, with the keys of the pair for all days around now."""
    made = []
    for number, key in kid_pair():
        issuer = Issuer(number, simulated=False)
        issuer.keys = dict.fromkeys(range(today() - 1, today() + 2), key)
        made.append(issuer)
    yield made
    for issuer in made:
        issuer.stop()


def test_a_scanner_page_takes_codes_of_both_issuers_of_one_kid(
    launch: Launch, camera: Camera, tmp_path: Path, issuers: list[Issuer]
) -> None:
    """And no code that neither of them signed."""
    registry = Registry(tmp_path / "registry", issuers, now=None, zone=CALENDAR.zone)
    with registry.client() as client:
        at = enrol(client)
        site: Any = SimpleNamespace(url=lambda _, path="": f"{str(client.base_url).rstrip('/')}{path}")
        page = ScannerPage(site, launch(), camera)
        device = {"venue_id": at.venue_id, "scanner_id": at.scanner_id, "scanner_token": at.scanner, "label": "door"}
        page.enrol(json.dumps(device))
        stranger: Any = SimpleNamespace(public=issuers[0].keys[today()].public, sign=SigningKey(random_bytes(32)).sign)
        for issuer, signer, expected in (
            (issuers[0], None, "accepted"),
            (issuers[1], None, "accepted"),
            (issuers[0], stranger, "bad_signature"),
        ):
            phone = Phone(issuer, today())
            phone.bytes_at(time.time(), signer=signer)
            assert page.verdict(phone.at(time.time() + 4)) == expected
