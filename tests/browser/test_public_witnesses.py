"""Who else saw the log: the public page tells a visitor, whose browser checks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route

from retention import witnessing
from retention.public_page import STEPS
from tests.browser.conftest import Launch
from tests.browser.publicpage import broken, ended, has_no_barriers, said, states, wait_for_an_audit, with_reports
from tests.retention.witnesses import Witness, bring, published, watch
from tests.support.retention_service import Retention, Service, pinned
from tests.support.service_folder import DAY
from tests.support.waiting import until


def watched(folder: Path, service: Service, quorum: int = 1) -> tuple[Retention, Witness]:
    """A retention service that pins a witness, which does not run yet."""
    retention = Retention(folder / "retention", pinned(service))
    return retention, watch(retention, folder / "witness", quorum)


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[str]:
    """A retention service that a registry gave three reports, and a witness that saw all of it."""
    service = with_reports()
    retention, witness = watched(tmp_path, service)
    try:
        with witness.running(), retention.client() as client:
            wait_for_a_witnessed_audit(client)
            yield str(client.base_url)
    finally:
        service.server.stop()


def wait_for_a_witnessed_audit(client: httpx.Client) -> None:
    """Until the head that covers the audit is published."""
    wait_for_an_audit(client)
    place = client.get("/v1/audits").json()["audits"][0]["place"]
    until(lambda: int((published(client) or "\n0\n").split("\n")[1]) > place)


def test_a_visitors_browser_checks_who_else_saw_the_log(launch: Launch, witnessed: str) -> None:
    """A step of its own says how many witnesses signed, who and when; their keys are on the page like all others."""
    page = launch().new_page(viewport={"width": 390, "height": 844})
    for language, nothing, words in (("en", ("continued",), "1 of 1 witnesses"), ("ko", (), "1곳 가운데 1곳")):
        assert states(page, witnessed, language) == ended(*nothing), page.locator(".checks").inner_text()
        assert words in said(page, "witnesses")
        has_no_barriers(page, language)
    assert "8단계가 모두 맞습니다" in page.locator("#outcome").inner_text()
    name = page.locator("[data-witness]").inner_text().partition("+")[0]
    seen = page.locator("[data-step=witnesses] .value").inner_text()
    assert re.fullmatch(re.escape(name) + r": \d{4}-\d\d-\d\dT[\d:.]+Z", seen)


def without_witness(text: str) -> str:
    """A head as the log alone signs it."""
    return "".join(line for line in text.splitlines(keepends=True) if "witness" not in line)


def renewed(text: str) -> str:
    """The witness's line with another time than it signed."""
    head, _, encoded = text.rstrip("\n").rpartition(" ")
    return f"{head} {encoded[:8]}{'B' if encoded[8] == 'A' else 'A'}{encoded[9:]}\n"


def unpinned(text: str) -> str:
    """What programs get, without the witness."""
    return json.dumps(json.loads(text) | {"witnesses": []})


def unneeded(text: str) -> str:
    """What programs get, as if no witness were needed."""
    return json.dumps(json.loads(text) | {"quorum": 0})


@pytest.mark.parametrize(
    ("path", "other", "step"),
    [
        ("/checkpoint", without_witness, "witnesses"),
        ("/checkpoint", renewed, "witnesses"),
        ("/v1/keys", unpinned, "keys"),
        ("/v1/keys", unneeded, "keys"),
    ],
)
def test_a_head_that_no_witness_saw_is_found(
    launch: Launch, witnessed: str, path: str, other: Callable[[str], str], step: str
) -> None:
    """A log that shows this visitor a history of his own has no witness's line for it, and cannot unpin the witness."""

    def change(route: Route) -> None:
        answer = route.fetch()
        assert other(answer.text()) != answer.text()
        route.fulfill(response=answer, body=other(answer.text()))

    page = launch().new_page()
    page.route(f"{witnessed}{path}", change)
    found = states(page, witnessed)
    at = STEPS.index(step)
    assert found == broken(at), page.locator(".checks").inner_text()
    assert page.evaluate("localStorage.length") == 0


def test_a_log_that_waits_for_no_witness_says_so(launch: Launch, tmp_path: Path) -> None:
    """A witness is pinned and silent, and the head is published all the same: the step tells both."""
    service = with_reports()
    retention, _ = watched(tmp_path, service, quorum=0)
    page = launch().new_page()
    try:
        with retention.client() as client:
            wait_for_an_audit(client)
            for language, words in (("en", "None of 1 witnesses"), ("ko", "서명한 곳이 없으며")):
                assert states(page, str(client.base_url), language)["witnesses"] == "nothing"
                assert words in said(page, "witnesses")
    finally:
        service.server.stop()


def test_what_waits_for_a_silent_witness_is_said_to_wait(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that came while no witness answered is neither called good nor taken for a lie."""
    monkeypatch.setattr(witnessing, "RETRY_SECONDS", 0.2)  # the witness is asked before it runs
    service = with_reports()
    retention, witness = watched(tmp_path, service)
    page = launch().new_page()
    try:
        with retention.client() as client:
            with witness.running():
                wait_for_a_witnessed_audit(client)
            bring(client, service.report(DAY - 29))
            for language, words in (("en", "3 lead to that root. Newer ones"), ("ko", "새로운 1건")):
                assert states(page, str(client.base_url), language)["reports"] == "done"
                assert words in said(page, "reports")
    finally:
        service.server.stop()
