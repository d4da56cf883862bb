"""A retention service that audits a registry at which all is well, for the files that test its audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.service.auth import token_hash
from tests.checkin.audit.office import AUDITOR, Audited, Office
from tests.support.retention_service import Retention, pinned
from tests.support.service_folder import CALENDAR, DAY


@pytest.fixture
def service() -> Iterator[Audited]:
    """It finds that all is well."""
    service = Audited()
    service.points = ["pass oldest-day registry.example All is young."]
    service.today = CALENDAR.date(DAY)
    service.server.routes["/v1/audit"] = lambda: {"statement": service.own_audit()}
    yield service
    service.server.stop()


@pytest.fixture
def retention(tmp_path: Path, service: Audited) -> Retention:
    """Asks that registry, and takes an auditor's token."""
    retention = Retention(tmp_path / "retention", pinned(service))
    with retention.config.open("a") as file:
        file.write(f'auditor_token_sha256 = "{token_hash(AUDITOR).hex()}"\n')
    return retention


@pytest.fixture
def office(retention: Retention) -> Iterator[Office]:
    """A running one."""
    office = Office(retention)
    yield office
    office.close()
