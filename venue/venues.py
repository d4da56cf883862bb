"""Venues and their operators: enrolled with a secret, known by a random token of which only the hash is kept."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from limits import RateLimitItemPerMinute
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from checkin.errors import Forbidden, NotFound, TooManyRequests, Unauthorized
from checkin.files.tables import Commit, Tables, Value
from checkin.keys.journal import Ending
from checkin.protocol.primitives import random_bytes
from checkin.service.auth import Bearer, new_token, pinned, token_hash
from checkin.service.body import Body
from checkin.service.describe import problem_answers
from checkin.service.endings import Endings
from checkin.service.shared_counts import Bound, SharedCounts
from checkin.shown import FORMULA, is_unseen
from venue.database import CLOSED, OPERATOR, SCANNERS, knows_token

CHANGES_A_MINUTE: Final = 30  # of a venue: each of them empties what all workers know by heart
ID_SIZE = 8  # bytes, as in the seals of queued scans
VenueId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="8 bytes as 16 hexadecimal digits")]
Status = Annotated[int, Field(ge=1, le=3)]
People = Annotated[int, Field(ge=1, le=1_000_000)]
_OPERATED = "SELECT 1 FROM venues WHERE id = :venue AND operator_sha256 = :hashed AND closed = 0"
_ENROL = """INSERT INTO venues (id, name, category, capacity, operator_sha256, status_rule, closed)
    VALUES (:id, :name, :category, :capacity, :operator_sha256, '[]', 0) ON CONFLICT DO NOTHING"""


_TOLD = frozenset({"status_rule", "closed"})
"""The columns that a scanner depends on."""


def plain_name(text: str) -> str:
    """A name that an operator gives, in form NFC; `ValueError` for what looks like a formula or cannot all be seen."""
    name = unicodedata.normalize("NFC", text)
    if not name or name != name.strip() or any(map(is_unseen, name)):
        raise PydanticCustomError("unfit_name", "a name has no spaces at its ends and no invisible characters")
    if name[0] in FORMULA:
        raise PydanticCustomError("formula_name", "a name does not begin with = + - or @")
    if unicodedata.category(name[0]).startswith("M"):  # a mark with nothing to stand on; some are not drawn at all
        raise PydanticCustomError("unfit_name", "a name does not begin with a mark")
    return name


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(plain_name)]


class NewVenue(Body):
    """What an operator says about the venue."""

    name: Name
    category: Name
    capacity: People | None = None


class EnrolledVenue(BaseModel):
    """The token is shown this once."""

    venue_id: str
    operator_token: str


class OperatorToken(BaseModel):
    """The token is shown this once."""

    operator_token: str


class VenueEntry(BaseModel):
    """A venue as its operator sees it; `status_rule`: as `StatusRuleBody` says."""

    venue_id: str
    name: str
    category: str
    capacity: People | None
    status_rule: list[Status]


class Capacity(Body):
    """How many people it may hold; null when that is not set."""

    capacity: People | None


class StatusRuleBody(Body):
    """Statuses of which a visitor must show one: 1 vaccinated, 2 recovered, 3 tested; none: no rule."""

    accepted: Annotated[list[Status], Field(max_length=3)]


class Venues:
    """The table `venues`. A change that scanners depend on is seen by all workers at their next look."""

    def __init__(self, tables: Tables, endings: Endings) -> None:
        self._tables = tables
        self._endings = endings

    def enrol(self, new: NewVenue) -> EnrolledVenue:
        """A venue with its first operator's token."""
        identifier, token = random_bytes(ID_SIZE).hex(), new_token()
        row = {**new.model_dump(), "id": identifier, "operator_sha256": token_hash(token)}
        self._tables.write(lambda commit: commit.execute(_ENROL, row))
        return EnrolledVenue(venue_id=identifier, operator_token=token)

    def renew_operator(self, venue: str) -> OperatorToken:
        """Makes another token; the one before is void from now on. Raises `NotFound`."""
        token = new_token()
        hashed = token_hash(token)
        self._update(venue, "operator_sha256", hashed, lambda before: Ending(OPERATOR, venue, (hashed + before).hex()))
        return OperatorToken(operator_token=token)

    def close(self, venue: str) -> None:
        """Closes it: its operator's and all its scanners' tokens are void. Its visits stay until they are due."""
        self._update(venue, "closed", 1, lambda _: Ending(CLOSED, venue))

    def entry(self, venue: str) -> VenueEntry:
        """The venue as its operator sees it. Raises `NotFound`."""
        query = "SELECT name, category, capacity, status_rule FROM venues WHERE id = :venue"
        for name, category, capacity, rule in self._tables.read(query, {"venue": venue}):
            return VenueEntry(
                venue_id=venue, name=name, category=category, capacity=capacity, status_rule=json.loads(rule)
            )
        raise NotFound("There is no venue of this id.")

    def set_capacity(self, venue: str, capacity: Capacity) -> Capacity:
        """Sets it for the operator's page alone: no check-in is refused for it."""
        self._update(venue, "capacity", capacity.capacity)
        return capacity

    def set_rule(self, venue: str, accepted: list[int]) -> StatusRuleBody:
        """Sets which statuses the venue's scanners require, as they learn from /v1/trust."""
        rule = sorted(set(accepted))
        self._update(venue, "status_rule", json.dumps(rule))
        return StatusRuleBody(accepted=rule)

    def require_operator(self, venue: str, token: str) -> None:
        """Raises `Unauthorized` for an unknown token, `Forbidden` for a scanner's and for another venue's operator's,
        whether or not there is a venue of that id."""
        hashed = token_hash(token)
        if not self._tables.read(_OPERATED, {"hashed": hashed, "venue": venue}):
            raise Forbidden if knows_token(self._tables, hashed) else Unauthorized

    def _update(self, venue: str, column: str, value: Value, ended: Callable[[Any], Ending] | None = None) -> None:
        """Sets a column. `ended`: what ends with the value before. The same value again changes nothing, and empties
        no memory."""

        def step(commit: Commit, ending: list[Ending]) -> None:
            commit.alone()  # the value that ends is the newest one
            query = f"SELECT {column} FROM venues WHERE id = :venue AND closed = 0"  # noqa: S608 - a constant from above
            found = commit.execute(query, {"venue": venue})
            if not found:
                raise NotFound("There is no venue of this id.")
            if found != [(value,)]:
                commit.execute(
                    f"UPDATE venues SET {column} = :value WHERE id = :venue",  # noqa: S608 - as above
                    {"value": value, "venue": venue},
                )
                if column in _TOLD:
                    commit.changed(SCANNERS)
                ending.extend([ended(found[0][0])] if ended else [])

        self._endings.write(self._tables, step)


def operator_of(venues: Venues) -> Any:
    """For a route's `dependencies`: the venue's operator alone; others are refused before the body is read."""

    def operator(venue_id: VenueId, token: Bearer) -> None:
        venues.require_operator(venue_id, token)

    return Depends(operator)


def change_bound(shared: SharedCounts) -> Bound:
    """How often a venue's operator may change something, by whatever route."""
    refusal = "This venue's settings were changed too often: try again in a minute."
    return Bound(RateLimitItemPerMinute(CHANGES_A_MINUTE, namespace="changes"), refusal, shared)


def routes(venues: Venues, enrolment_sha256: str, throttle: Bound) -> APIRouter:
    """Enrolment, with its secret; the venue itself, with the operator's token."""
    router = APIRouter(prefix="/v1/venues")
    enrolment, operator = [pinned(enrolment_sha256)], [operator_of(venues)]
    refused, missing = problem_answers(Forbidden), problem_answers(Forbidden, NotFound)
    changed = problem_answers(Forbidden, NotFound, TooManyRequests)

    @router.post("", status_code=201, tags=["enrolment"], dependencies=enrolment, responses=refused)
    def enrol_venue(new: NewVenue) -> EnrolledVenue:
        """Enrol a venue. Bearer: the enrolment secret."""
        return venues.enrol(new)

    renewal = "/{venue_id}/operator-token"

    @router.post(renewal, status_code=201, tags=["enrolment"], dependencies=enrolment, responses=missing)
    def renew_operator_token(venue_id: VenueId) -> OperatorToken:
        """Make a new operator's token for one that was lost or stolen; the old one is void. Bearer: the enrolment
        secret."""
        return venues.renew_operator(venue_id)

    @router.delete("/{venue_id}", status_code=204, tags=["enrolment"], dependencies=enrolment, responses=missing)
    def close_venue(venue_id: VenueId) -> None:
        """Close a venue: all its tokens are void. Bearer: the enrolment secret."""
        venues.close(venue_id)

    @router.get("/{venue_id}", tags=["operator"], dependencies=operator, responses=missing)
    def show_venue(venue_id: VenueId) -> VenueEntry:
        """Show the venue, with the rule at its doors. Bearer: the venue's operator."""
        return venues.entry(venue_id)

    @router.put("/{venue_id}/capacity", tags=["operator"], dependencies=operator, responses=changed)
    def set_capacity(venue_id: VenueId, wanted: Capacity) -> Capacity:
        """Set how many people the venue may hold; nobody is kept out by it. Bearer: the venue's operator."""
        throttle.pass_one(venue_id)
        return venues.set_capacity(venue_id, wanted)

    @router.put("/{venue_id}/status-rule", tags=["operator"], dependencies=operator, responses=changed)
    def set_status_rule(venue_id: VenueId, wanted: StatusRuleBody) -> StatusRuleBody:
        """Set what visitors must show. Bearer: the venue's operator. Scanners hear of it with their next /v1/trust."""
        throttle.pass_one(venue_id)
        return venues.set_rule(venue_id, wanted.accepted)

    return router
