"""The public page's "Check it yourself": the visitor's own browser comes to the same values, or says where not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from checkin.keys.secret_file import make_secret
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey, random_bytes
from retention.public_page import STEPS
from tests.browser.conftest import Launch
from tests.browser.looks import fits_the_width
from tests.browser.publicpage import (
    audited,
    broken,
    ended,
    has_no_barriers,
    said,
    states,
    wait_for_an_audit,
    with_reports,
)
from tests.support.deployment_in_processes import Site
from tests.support.retention_service import Retention, pinned
from tests.support.serving import caller

WORDS = {"en": "nothing to check yet", "ko": "아직 확인할 것 없음"}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A retention service that a registry gave three reports, and that made its audit of today."""
    with audited(tmp_path / "retention") as found:
        yield found


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


def test_a_log_without_witnesses_says_so(launch: Launch, address: str) -> None:
    """Nobody is told that a log is watched when it is not: in the step and, without scripts, beside the keys."""
    page = launch().new_page()
    for language, words in (("en", "This log has no witness"), ("ko", "증인이 없습니다")):
        assert states(page, address, language)["witnesses"] == "nothing"
        assert words in said(page, "witnesses")
        assert words in page.locator("[aria-labelledby=keys-title]").inner_text()


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


def remember_another_key(page: Page, vkey: str) -> None:
    """As if the log had had it at the last visit."""
    seen = """vkey => {
        const seen = JSON.parse(localStorage.getItem("verified-log"));
        localStorage.setItem("verified-log", JSON.stringify({ ...seen, vkey }));
    }"""
    page.evaluate(seen, vkey)


def test_what_a_service_signed_under_an_earlier_key_is_verified_while_that_key_is_named(
    launch: Launch, tmp_path: Path
) -> None:
    """Three reports, and the audit; the control is a page that names the new keys alone."""
    service = with_reports()
    retention = Retention(tmp_path / "retention", pinned(service))
    try:
        with retention.client() as client:
            wait_for_an_audit(client)
            own, log = map(client.get("/v1/keys").json().get, ("retention", "log"))
        _, _, before = pinned(service)
        service.signer = NoteSigner(service.name, SigningKey(random_bytes(32)))
        (retention.folder / "statement.key").unlink()
        make_secret(retention.folder / "statement.key")
        settings, page = retention.config.read_text().replace(before, pinned(service)[2]), launch().new_page()
        retention.config.write_text(settings)
        with retention.client() as client:
            assert states(page, str(client.base_url))["signatures"] == "failed"
        named = settings.replace("{ name", f'{{ former = ["{before}"], name')
        (retention.folder / "log.key").unlink()
        retention.config.write_text(f'former = ["{own}"]\nlog_former = ["{log}"]\n{named}')
        with retention.client() as client:
            address = str(client.base_url)
            assert states(page, address) == ended("witnesses", "continued")
            assert page.locator("[data-former]").count() == 3
            remember_another_key(page, log)
            assert states(page, address) == ended("witnesses", "continued")
            assert "its key is another one" in said(page, "continued")
            remember_another_key(page, own)
            assert states(page, address)["continued"] == "failed"
    finally:
        service.server.stop()


def test_a_deployment_of_the_first_day_is_verified_too(launch: Launch, site: Site) -> None:
    """Three real services: no report is due yet; a step with nothing to compare says so and is not called good."""
    with caller(site.url("retention")) as client:
        wait_for_an_audit(client)
    page = launch().new_page()
    nothing = ("witnesses", "continued", "reports", "signatures")
    assert states(page, site.url("retention")) == ended(*nothing), page.locator(".checks").inner_text()
    assert "4 good, 4 had nothing to compare" in page.locator("#outcome").inner_text()


def test_large_text_on_a_small_phone_goes_down_and_not_sideways(launch: Launch, address: str) -> None:
    """Twice the size in 320 pixels, in both languages, also with what the steps say; nothing to press is printed."""
    page = launch().new_page(viewport={"width": 320, "height": 568})
    for language in ("ko", "en"):
        states(page, address, language)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        fits_the_width(page, language)
    expect(page.locator("#run")).to_be_visible()
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == 0
