"""A ring node as a service: the common frame, and a route for each request of app nodes and other nodes.

POST /v1/ring/state     app, node   which keys are held, and which are destroyed
POST /v1/ring/lease     app         keys for a minute
POST /v1/ring/make      app         draw a key, and give it to the others
POST /v1/ring/offer     maker       fetch a key from the node that drew it
POST /v1/ring/pull      node        hand a key on
POST /v1/ring/destroy   app         destroy a key that is over; officers: before it is

The caller is known by the signature of the request; there is no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI
from pydantic import Field

from checkin import errors
from checkin.errors import SettingsInvalid
from checkin.keys.key_ring import KeyRing
from checkin.protocol import ring_messages as messages
from checkin.protocol.statement import StatementType
from checkin.ring.node import RingNode
from checkin.ring.settings import RingSettings
from checkin.service.body import Body
from checkin.service.describe import problem_answers
from checkin.service.frame import Finding, Frame
from checkin.service.identity import ServiceIdentity
from checkin.service.ring_calls import PATHS, RingNotes
from checkin.service.tasks import Task
from checkin.service.time_peers import clock_guard

DESCRIPTION: Final = (
    "One of the three nodes that hold the day keys of a service, each on a volume of its own. It sees no record of "
    "anybody. Who asks signs the request with a key that the settings name."
)
MAX_REQUEST: Final = 32 * 1024
_REFUSALS: Final = (
    errors.NoteMalformed,
    errors.NoteUntrusted,
    errors.ClockUntrusted,
    errors.KeyMissing,
    errors.KeyDestroyed,
    errors.KeyExists,
    errors.DayDestroyed,
    errors.NotReady,
)


class RingRequest(Body):
    """A signed note of the kind that the route takes (docs/spec/ring.md §2)."""

    note: Annotated[str, Field(max_length=MAX_REQUEST)]


def create_app(config: Path, simulated_clock: Path | None = None) -> FastAPI:
    """The node of this settings file. Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`."""
    settings = RingSettings.load(config)
    party = ServiceIdentity(settings, simulated_clock)
    if not isinstance(party.ring, KeyRing):
        raise SettingsInvalid("A ring node has a key ring of its own: leave `ring` out of its settings.")
    guard = clock_guard(party)
    node = RingNode(party, party.ring, guard, settings)
    frame = Frame(
        party,
        guard,
        "Key ring node",
        DESCRIPTION,
        checks=[lambda: findings(node)],
        periodic=[
            Task("purge", node.purge, lane="purge", vital=True),
            Task("fill", node.fill, lane="ring", at_start=False),
        ],
    )
    app = frame.build()
    app.include_router(routes(node))
    return app


def findings(node: RingNode) -> Iterator[Finding]:
    """A failure while a key is held that should be destroyed, or others hold one that is not the logged one."""
    if node.contradicted:
        keys = ", ".join(map(str, node.contradicted))
        yield Finding("ring", "failure", f"The other nodes hold keys that the log does not have so: {keys}.")
    if overdue := node.overdue():
        yield Finding("purge", "failure", f"Keys are overdue to be destroyed: {', '.join(overdue)}.")


def routes(node: RingNode) -> APIRouter:
    """The six routes; each takes a signed note and answers with signed notes."""
    router = APIRouter()

    def add(kind: StatementType, work: Callable[[str], list[str]]) -> None:
        def route(body: RingRequest) -> RingNotes:
            return RingNotes(notes=work(body.note))

        router.add_api_route(
            PATHS[kind],
            route,
            methods=["POST"],
            name=f"ring_{work.__name__}",
            tags=["ring"],
            description=work.__doc__,
            responses=problem_answers(*_REFUSALS),
        )

    add(messages.STATE_REQUEST, node.state)
    add(messages.LEASE_REQUEST, node.lease)
    add(messages.MAKE_REQUEST, node.make)
    add(messages.OFFER, node.offer)
    add(messages.PULL_REQUEST, node.pull)
    add(messages.DESTROY_REQUEST, node.destroy)
    return router
