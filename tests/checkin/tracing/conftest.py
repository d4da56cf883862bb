"""One country for all tests that leave its clock alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.deployment_in_threads import SECOND, Country, Person, country
from tests.support.registry_service import Enrolled
from tests.support.service_folder import DAY, NOON


@dataclass(frozen=True)
class Scene:
    """A café where Alice (first issuer) and Bob and Carol (second issuer) were at noon of DAY."""

    country: Country
    cafe: Enrolled
    alice: Person
    bob: Person
    carol: Person


def make_scene(made: Country) -> Scene:
    """Everybody checks in, minutes apart."""
    alice, bob = made.person("issuer", "Alice Ahn-young"), made.person(SECOND, "Bob Baek-hyeon")
    carol = made.person(SECOND, "Carol Choi-won")
    scene = Scene(made, made.door("Café"), alice, bob, carol)
    for minute, person in enumerate((scene.alice, scene.bob, scene.carol)):
        person.fetch(DAY)
        made.visit(person, scene.cafe, NOON + 60 * minute)
    return scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Shared by a file's tests."""
    with country(tmp_path_factory.mktemp("country") / "c") as made:
        yield make_scene(made)


@pytest.fixture
def own_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """For tests that move the clock."""
    with country(tmp_path_factory.mktemp("country") / "c") as made:
        yield make_scene(made)
