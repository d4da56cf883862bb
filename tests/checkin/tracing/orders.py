"""Orders about the café of these tests, and what a service answers to a part of one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import httpx

from checkin.orders.order import SignedOrder
from tests.checkin.tracing.conftest import Scene
from tests.support.deployment_in_threads import venue_order
from tests.support.service_folder import NOON

NAMES = (f"order-{number}" for number in itertools.count())  # each order's own folder
HOUR = 3600.0


def order(scene: Scene, **changes: Any) -> SignedOrder:
    """A good order about the café, or with changes."""
    wish = replace(venue_order(scene.cafe, NOON - HOUR, NOON + HOUR), **changes)
    return scene.country.signed(next(NAMES), wish)


def code(answer: httpx.Response) -> str:
    """`ok`, or why not."""
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


def number_of(signed: SignedOrder, step: str, audience: str = "") -> int:
    """Which part of an order it is."""
    for number, one in enumerate(signed.parts):
        if one.part.step == step and audience in ("", one.part.audience):
            return number
    raise AssertionError(step)
