"""The frame of a service: health, readiness, metrics, signed time, documentation, limits, periodic tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import structlog
from fastapi import FastAPI, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from checkin.errors import CheckinError, Forbidden, InternalError
from checkin.keys.generation import Generation, GenerationTable
from checkin.protocol.signed_time import NONCE
from checkin.purge.clock_guard import ClockGuard
from checkin.service import describe, problems
from checkin.service.auth import pinned_hashes
from checkin.service.identity import ServiceIdentity
from checkin.service.limits import BodyLimit, Heads, SecurityHeaders, UnexpectedErrors
from checkin.service.pwa import serve_static
from checkin.service.settings import counts_together
from checkin.service.tasks import Task, Tasks
from checkin.service.wal_watch import WalWatch
from checkin.shown import shown

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would show to the millisecond when a code first came
MOST_TOLD = 2000  # characters of a finding
GENERATION_SECONDS = 300.0
_RESTORED = (
    "The data folder, or the database, was put back from a backup, or belongs to another key ring: it is of {day}. "
    "What came since is lost; accounts, scanners and tokens that ended since stay ended. Read docs/operating.md, "
    "Backups, then run `checkin purge run --confirm-restored`."
)
_NOT_KNOWN = "{code}: A check ended with {type}, so it is not known what is wrong: look at the disk and at the log."
_LONG_LOG = (
    "The write-ahead log of {kinds} has grown long, because somebody has been reading for long: end what reads (a "
    "backup, an open look into the file). The log is cut by itself afterwards."
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that readiness depends on. A `warning` leaves the service ready, a `failure` does not."""

    name: str
    level: Literal["ok", "warning", "failure"]
    text: str


class Readiness(BaseModel):
    """Whether the service can do its work, and what its operator should look at."""

    ready: bool
    findings: list[dict[str, str]]


class Health(BaseModel):
    """That the process answers, and under which clock."""

    service: str
    status: Literal["ok"] = "ok"
    clock: Literal["real", "simulated"]


@dataclass
class Frame:
    """What a service hangs into the frame."""

    party: ServiceIdentity
    guard: ClockGuard
    title: str
    description: str
    checks: list[Callable[[], Iterable[Finding]]] = field(default_factory=list)
    periodic: list[Task] = field(default_factory=list)
    """Run at start before anything is served, in this order, then each by its period."""
    closers: list[Callable[[], None]] = field(default_factory=list)
    generations: GenerationTable | None = None
    """Where the service's state lies in a database that is put back apart from the data folder."""
    stored_token: Callable[[bytes], bool] = lambda _: False
    """Whether a token of this hash is valid, beside those that the settings pin."""
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    _own: CollectorRegistry = field(default_factory=CollectorRegistry, init=False)
    metrics_for: list[Any] = field(default_factory=list)
    """Dependencies of /metrics; without any the counters are public, and then must disclose nothing."""
    body_limits: dict[str, int] = field(default_factory=dict)
    """Path → largest request body in bytes, where the common limit of 64 KiB is too small."""

    def build(self) -> FastAPI:
        """The app, with the common routes; the service adds its own."""
        app = FastAPI(
            title=self.title,
            description=self.description,
            version="1",
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
            generate_unique_id_function=lambda route: route.name,  # a generated client calls it so
            redirect_slashes=False,  # the redirection would lead to whatever host the request names
        )
        self.generation.open(self.party.date())
        app.state.frame = self  # for `checkin purge run`, which runs the tasks without serving
        pinned = pinned_hashes(self.party.settings)
        app.state.knows_token = lambda hashed: hashed in pinned or self.stored_token(hashed)
        self._own.register(self.tasks)
        self._own.register(self.wal)
        problems.install(app)
        describe.install(app)
        serve_static(app, self.title)
        self._install_common(app)
        app.add_middleware(UnexpectedErrors)
        app.add_middleware(BodyLimit, limits=self.body_limits)
        app.add_middleware(Heads)
        app.add_middleware(SecurityHeaders)
        return app

    @cached_property
    def tasks(self) -> Tasks:
        """The clock is looked at first."""
        first = Task("clock", self.guard.tick)
        last = Task("generation", self._count_on, every=GENERATION_SECONDS, at_start=False)
        logs = Task("wal", self.wal.run, lane="wal", at_start=False)
        simulated_day = self.party.today if self.party.clock.simulated else None
        return Tasks([first, *self.periodic, logs, last], simulated_day)

    @cached_property
    def generation(self) -> Generation:
        """Whether the data is as new as the key ring."""
        return Generation(self.party.data, self.party.settings.keys, self.generations)

    @cached_property
    def wal(self) -> WalWatch:
        return WalWatch(self.party.data)

    def _count_on(self) -> None:
        self.generation.advance(self.party.date())

    def findings(self) -> list[Finding]:
        """What all checks found; one that fails is a failure itself, and keeps no other from being made."""
        checks = (self._clock, self._restored, self._late, self._long_logs, *self.checks)
        return [finding for check in checks for finding in _found(check)]

    def close(self) -> None:
        """Gives back what the service holds; what cannot be given back keeps nothing else from it."""
        for close in (self._count_on, *self.closers):
            try:
                close()
            except Exception as error:
                log.error("not_closed", what=close.__qualname__, type=type(error).__name__)

    def _clock(self) -> Iterator[Finding]:
        doubt = self.guard.doubt
        yield Finding("clock", "failure" if doubt else "ok", doubt or "The clock is trusted.")

    def _restored(self) -> Iterator[Finding]:
        if day := self.generation.restored:
            yield Finding("restored", "failure", _RESTORED.format(day=day))

    def _late(self) -> Iterator[Finding]:
        for task, age, failure in self.tasks.late():
            why = f" It failed with {failure}." if failure else ""
            text = f"The task {task.name} has not been done for {age / 60:.0f} minutes.{why}"
            yield Finding(f"task_{task.name}", "failure" if task.vital else "warning", text)

    def _long_logs(self) -> Iterator[Finding]:
        if kinds := self.wal.long():
            yield Finding("wal", "warning", _LONG_LOG.format(kinds=", ".join(kinds)))

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(self.tasks.run_all)
        self.tasks.start()
        log.info("started", service=self.party.settings.name, simulated=self.party.clock.simulated)
        try:
            yield
        finally:
            await run_in_threadpool(self.tasks.stop)
            self.close()

    def _install_common(self, app: FastAPI) -> None:
        party = self.party

        @app.get("/healthz", tags=["operation"])
        def healthz() -> Health:
            """Say that the process runs, and under which clock."""
            return Health(service=party.settings.name, clock="simulated" if party.clock.simulated else "real")

        @app.get("/readyz", tags=["operation"], responses={503: {"model": Readiness}})
        def readyz(response: Response) -> Readiness:
            """Tell whether the service can do its work; 503 when not. Warnings come days before failures."""
            findings = self.findings()
            ready = all(finding.level != "failure" for finding in findings)
            response.status_code = 200 if ready else 503
            return Readiness(
                ready=ready,
                findings=[{"name": f.name, "level": f.level, "text": shown(f.text, MOST_TOLD)} for f in findings],
            )

        @app.get(
            "/metrics",
            tags=["operation"],
            response_class=Response,
            dependencies=self.metrics_for,
            responses=describe.problem_answers(Forbidden) if self.metrics_for else {},
        )
        def metrics() -> Response:
            """Show counters in the text format of Prometheus; no label names a person, a venue or a code.

            Counters are those of all workers together, ages of tasks those of the worker that answers.
            """
            counters = self.metrics
            if counts_together():  # what all counted since they were started together, those that ended included
                counters = CollectorRegistry()
                MultiProcessCollector(counters)  # type: ignore[no-untyped-call]
            return Response(generate_latest(counters) + generate_latest(self._own), media_type=CONTENT_TYPE_LATEST)

        @app.get("/v1/time", tags=["operation"])
        def time(nonce: Annotated[str, Query(pattern=NONCE)]) -> dict[str, str]:
            """Tell the time to the second, signed together with the caller's nonce."""
            stamp, note = party.signed_time(nonce)
            return {"time": stamp, "note": note}


def _found(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds, and last why it found no more."""
    try:
        yield from check()
    except CheckinError as error:
        yield Finding("check_failed", "failure", f"{error.code}: {error.detail}")
    except Exception as error:  # /readyz must answer
        with suppress(Exception):  # also where the log cannot be written
            log.error("check_failed", check=getattr(check, "__qualname__", "check"), type=type(error).__name__)
        yield Finding("check_failed", "failure", _NOT_KNOWN.format(code=InternalError.code, type=type(error).__name__))
