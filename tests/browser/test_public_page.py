"""The public page's "Check it yourself": the visitor's own browser comes to the same values, or says where not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from retention.page import STEPS
from tests.browser.conftest import Launch
from tests.browser.world import Site
from tests.checkin.house import DAY
from tests.retention.witnesses import Witness, bring, published, wait_until, watch
from tests.retention.world import Retention, Service, pinned

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

WORDS = {"en": "nothing to check yet", "ko": "아직 확인할 것 없음"}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A retention service that a registry gave three reports, and that made its audit of today."""
    service = with_reports()
    try:
        with Retention(tmp_path / "retention", pinned(service)).client() as client:
            wait_for_an_audit(client)
            yield str(client.base_url)
    finally:
        service.server.stop()


def with_reports() -> Service:
    """A registry that destroyed three days."""
    service = Service()
    for day in (DAY - 32, DAY - 31, DAY - 30, DAY):
        service.make_key(day)
    for day in (DAY - 32, DAY - 31, DAY - 30):
        service.report(day)
    return service


def watched(folder: Path, service: Service, quorum: int = 1) -> tuple[Retention, Witness]:
    """A retention service that pins a witness, which does not run yet."""
    retention = Retention(folder / "retention", pinned(service))
    return retention, watch(retention, folder / "witness", quorum)


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[str]:
    """The same, with a witness that saw all of it."""
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
    wait_until(lambda: int((published(client) or "\n0\n").split("\n")[1]) > place)


def wait_for_an_audit(client: httpx.Client) -> None:
    """The service makes it by itself, once it asked everybody."""
    until = time.monotonic() + 300  # who was not up yet when it was asked is asked again after a minute
    while not client.get("/v1/audits").json()["audits"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def states(page: Page, address: str, language: str = "en") -> dict[str, str]:
    """Opens the page, presses the button by keyboard, and gives each step's state in the end."""
    page.goto(f"{address}/?lang={language}")
    page.locator("#run").press("Enter")
    expect(page.locator("#outcome")).not_to_be_empty()
    return {name: page.locator(f"[data-step={name}]").get_attribute("class") or "" for name in STEPS}


def ended(*nothing: str) -> dict[str, str]:
    """Every step is checked, but for those that had nothing to compare."""
    return {name: "nothing" if name in nothing else "done" for name in STEPS}


def broken(at: int, *nothing: str) -> dict[str, str]:
    """The step at this place failed, and none after it was run."""
    after = {name: "failed" if name == STEPS[at] else "skipped" for name in STEPS[at:]}
    return ended(*nothing) | after


def has_no_barriers(page: Page, where: str) -> None:
    """Nothing for axe, light and dark; nothing to be scrolled sideways on a phone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"][:200]) for item in found] == [], (where, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where


def test_a_visitors_browser_verifies_everything_that_the_page_shows(launch: Launch, address: str) -> None:
    """Every step gets a check and says what it compared; the next visit compares with this one; no rule is broken."""
    page = launch().new_page(viewport={"width": 390, "height": 844})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    for language, nothing, words in (
        ("en", ("witnesses", "continued"), "6 good, 2 had nothing to compare"),
        ("ko", ("witnesses",), "7단계가 맞고, 1단계는 비교할 것이 없었습니다"),
    ):
        assert states(page, address, language) == ended(*nothing), page.locator(".checks").inner_text()
        assert words in page.locator("#outcome").inner_text()
        assert page.locator(".checks .nothing .state").all_inner_texts() == [WORDS[language]] * len(nothing)
        has_no_barriers(page, language)
    root = page.locator("[data-step=root] .value").inner_text()
    assert re.fullmatch("[0-9a-f]{64}", root)
    assert page.locator("[data-step=checkpoint] .value").inner_text() == root
    assert page.locator("[data-step=continued] .value").inner_text() == root
    assert page.locator("[data-point]").count() >= 3
    assert "서명된 원문 그대로" in page.locator("[aria-labelledby=audit-title] > p.quiet").first.inner_text()
    assert page.locator(".history a").count() == 1
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "step"),
    [("/v1/keys", "keys"), ("/checkpoint", "checkpoint"), ("/tile/0/*/**", "root"), ("/tile/entries/**", "reports")],
)
def test_one_changed_byte_turns_a_step_to_a_cross(launch: Launch, address: str, path: str, step: str) -> None:
    """Whatever the service gives: that step fails in words, those after it are not run, and nothing is remembered."""

    def spoil(route: Route) -> None:
        answer = route.fetch()
        body = bytearray(answer.body())
        body[len(body) // 2] ^= 1
        route.fulfill(response=answer, body=bytes(body))

    page = launch().new_page()
    page.route(f"{address}{path}", spoil)
    found = states(page, address)
    at = STEPS.index(step)
    assert found == broken(at, "witnesses", "continued"), page.locator(".checks").inner_text()
    assert f"Step {at + 1} of {len(STEPS)} failed" in page.locator("#outcome").inner_text()
    assert page.locator(f"[data-step={step}] .value").inner_text()
    assert page.evaluate("localStorage.length") == 0
    has_no_barriers(page, step)


def said(page: Page, step: str) -> str:
    """A step's sentence."""
    return page.locator(f"[data-step={step}] .said").inner_text()


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


def test_a_log_without_witnesses_says_so(launch: Launch, address: str) -> None:
    """Nobody is told that a log is watched when it is not: in the step and, without scripts, beside the keys."""
    page = launch().new_page()
    for language, words in (("en", "This log has no witness"), ("ko", "증인이 없습니다")):
        assert states(page, address, language)["witnesses"] == "nothing"
        assert words in said(page, "witnesses")
        assert words in page.locator("[aria-labelledby=keys-title]").inner_text()


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


def test_what_waits_for_a_silent_witness_is_said_to_wait(launch: Launch, tmp_path: Path) -> None:
    """A report that came while no witness answered is neither called good nor taken for a lie."""
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


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [('data-rows="12"', 'data-rows="13"', "signatures"), ('data-point="fail', 'data-point="pass', "audit")],
)
def test_a_page_that_shows_something_else_than_was_signed_is_found(
    launch: Launch, address: str, old: str, new: str, step: str
) -> None:
    """Another number than in the signed report; a line of the audit turned to good."""

    def other(route: Route) -> None:
        answer = route.fetch()
        assert old in answer.text()
        route.fulfill(response=answer, body=answer.text().replace(old, new, 1))

    page = launch().new_page()
    page.route(re.compile(re.escape(f"{address}/?lang=")), other)
    assert states(page, address)[step] == "failed"


def test_a_log_that_was_rewritten_since_the_last_visit_is_found(launch: Launch, address: str) -> None:
    """This browser remembers another root; forgetting is a button."""
    page = launch().new_page()
    assert states(page, address)["continued"] == "nothing"
    page.evaluate(
        """() => {
            const seen = JSON.parse(localStorage.getItem("verified-log"));
            localStorage.setItem("verified-log", JSON.stringify({ ...seen, root: "00".repeat(32) }));
        }"""
    )
    assert states(page, address)["continued"] == "failed"
    page.click("#forget")
    assert states(page, address)["continued"] == "nothing"


def test_a_deployment_of_the_first_day_is_verified_too(launch: Launch, site: Site) -> None:
    """Three real services: no report is due yet; a step with nothing to compare says so and is not called good."""
    with httpx.Client(base_url=site.url("retention"), timeout=120, trust_env=False) as client:
        wait_for_an_audit(client)
    page = launch().new_page()
    nothing = ("witnesses", "continued", "reports", "signatures")
    assert states(page, site.url("retention")) == ended(*nothing), page.locator(".checks").inner_text()
    assert "4 good, 4 had nothing to compare" in page.locator("#outcome").inner_text()
