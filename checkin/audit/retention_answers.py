"""Answers of a retention service, read by an auditor that believes nothing of them: by strict models, and bounded.

The audited party writes these answers. No text of them becomes part of a file's name unchecked, no list goes on for
ever, and what has another form than docs/spec/audit.md §6 gives it is refused in one line.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from checkin.clock import DATES, STOPWATCH
from checkin.errors import ServiceError
from checkin.http.asking import conform, read_json
from checkin.http.client import Client

MAX_NUMBER: Final = 2**24
"""Entries of a log that an auditor reads; one with 1,000 entries a day has so many after 45 years."""
MAX_NAME: Final = 200
MAX_NOTE: Final = 65_535  # characters: an entry of the log has at most so many bytes
MAX_PAGE: Final = 1000
MAX_DAYS: Final = 60 * 100
"""60 days of so many organisations."""
PAGES: Final = 5000
BYTES: Final = 2**30
SECONDS: Final = 1800.0


Number = Annotated[int, Field(ge=0, lt=MAX_NUMBER)]
Note = Annotated[str, Field(max_length=MAX_NOTE)]
Date = Annotated[str, Field(max_length=10), AfterValidator(lambda text: DATES.date(DATES.parse_date(text)))]


class Answer(BaseModel):
    """Members that are not named here are left aside."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class ReportShown(Answer):
    """A purge report: its number in the log, the service and day it is about, and the signed note."""

    index: Number
    service: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    day: Date
    note: Note


class DayShown(Answer):
    """What an audit shows of a day of one organisation; follows from the log, and is not signed itself."""

    day: Date
    service: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    state: Literal["held", "destroyed", "early", "late", "awaited", "missing", "none"]
    rows: Annotated[str, Field(max_length=MAX_NAME)] = ""
    due: Annotated[str, Field(max_length=10)] = ""
    done: Annotated[str, Field(max_length=10)] = ""
    by: Annotated[str, Field(max_length=MAX_NOTE)] = ""
    reason: Annotated[str, Field(max_length=MAX_NAME)] = ""


class AuditShown(Answer):
    """An audit: its number in the log, the signed note, and, where it is shown alone, the last 60 days."""

    place: Number
    note: Note
    days: Annotated[list[DayShown], Field(max_length=MAX_DAYS)] = []


class ReportPage(Answer):
    """One page of reports, newest first."""

    reports: Annotated[list[ReportShown], Field(max_length=MAX_PAGE)]


class AuditPage(Answer):
    """One page of audits, newest first."""

    audits: Annotated[list[AuditShown], Field(max_length=MAX_PAGE)]


A = TypeVar("A", bound=Answer)
S = TypeVar("S", ReportShown, AuditShown)


def read_answer(model: type[A], answer: Any) -> A:
    """The answer in its form; raises `ServiceError`, which quotes nothing of it."""
    return conform(model, answer, ServiceError("The service's answer does not have the documented form."))


class Reader:
    """Queries one service, up to a number of pages, bytes and seconds in all; raises `ServiceError` beyond them."""

    def __init__(self, client: Client, pages: int = PAGES, size: int = BYTES, seconds: float = SECONDS) -> None:
        self._client = client
        self._pages = pages
        self._bytes = size
        self._end = STOPWATCH.boot() + seconds

    def bytes(self, path: str) -> bytes:
        """An answer as it is."""
        if STOPWATCH.boot() > self._end:
            raise ServiceError("The service takes too long over what it shows: nothing of it was believed.")
        data = self._client.get_bytes(path)
        self._bytes -= len(data)
        if self._bytes < 0:
            raise ServiceError("The service shows more than any log has: nothing of it was believed.")
        return data

    def page(self, model: type[A], path: str, **query: str) -> A:
        """One page of a list."""
        self._pages -= 1
        if self._pages < 0:
            raise ServiceError("The service's lists do not end: nothing of them was believed.")
        return read_answer(model, read_json(self.bytes(f"{path}?{urlencode(query)}" if query else path)))

    def reports(self) -> list[ReportShown]:
        return _all(lambda **more: self.page(ReportPage, "/v1/purge-reports", **more).reports, lambda one: one.index)

    def audits(self) -> list[AuditShown]:
        return _all(lambda **more: self.page(AuditPage, "/v1/audits", **more).audits, lambda one: one.place)


def _all(page_of: Callable[..., list[S]], number: Callable[[S], int]) -> list[S]:
    """What the pages of a list hold, newest first; raises `ServiceError` unless each `number` is below the last."""
    found: list[S] = []
    page = page_of()
    while page:
        found += page
        numbers = [number(one) for one in found[-len(page) - 1 :]]
        if any(later >= earlier for earlier, later in pairwise(numbers)):
            raise ServiceError("The service's list is not in its order, newest first.")
        page = page_of(before=str(numbers[-1]))
    return found
