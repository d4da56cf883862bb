"""A registry in which people were today, for the files that test its purge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.purging_service import House
from tests.support.service_folder import make_service


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry with twelve visits today."""
    make_service(tmp_path / "registry")
    house = House(tmp_path / "registry")
    house.first_day()
    return house
