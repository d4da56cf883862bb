"""The operator's page against the real registry: gates, signs of life, the rule as it stands, numbers to take along."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from checkin.clock import Calendar, SystemClock
from checkin.errors import Unauthorized
from checkin.http.asking import drive
from checkin.http.client import Client, drive_at
from checkin.parties import wallet
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from tests.browser.conftest import Launch
from tests.browser.looks import looked_at, watch
from tests.browser.pages import PHONE
from tests.support.deployment_in_processes import Site, Venue

NUMBERS = iter(range(5000_0000, 6000_0000, 7919))
MODULES = "/checkin/web/static/js/operator"


def sign_in(page: Page, site: Site, venue: Venue) -> None:
    """As its operator, from a device that was never here."""
    page.goto(site.url("venue", "/operator"))
    page.wait_for_selector("body[data-started]")
    page.fill("#venue-id", venue.id)
    page.fill("#operator-token", venue.token)
    page.click("#sign-in [type=submit]")
    page.wait_for_selector("#desk:not([hidden])")


def visit(site: Site, gates: list[dict[str, Any]], calendar: Calendar) -> None:
    """One visitor's codes, one at each of these gates in turn."""
    phone = str(next(NUMBERS))
    issuer, now = site.url("issuer"), SystemClock().now()
    registration = drive_at(issuer, wallet.register("Park Seo-jun", f"+8210{phone}"))
    held = drive_at(issuer, wallet.confirm(issuer, registration, site.message(phone)))
    drive_at(issuer, held.fetch(calendar.day(now), calendar))
    for gate in gates:
        opened = drive(held.open_code(calendar.day(now)))
        assert opened is not None
        token = wallet.present(opened, SystemClock().now(), calendar)
        with Client(site.url("venue"), gate["scanner_token"]) as client:
            client.get("/v1/trust")
            scan = {"token": token, "scan_id": b64url_encode(random_bytes(16))}
            assert client.post("/v1/check-ins", scan) == {"result": "accepted"}


def stop_and_start(site: Site) -> None:
    """In an orderly way: whatever the registry still counted is in its file."""
    site.processes.stop("venue")
    site.down.add("venue")
    site.restart()


def test_an_operator_sees_his_gates_in_bars_in_words_and_in_a_spreadsheet(site: Site, launch: Launch) -> None:
    """Two gates, three people; before the registry has written down which gate, the venue's number is there."""
    venue = site.venue("Museum")
    front, back = (venue.ask("POST", "/scanners", {"label": label}) for label in ("front", "뒷문"))
    page = launch().new_context(locale="en-US", viewport=PHONE).new_page()  # type: ignore[arg-type]  # width and height
    wrong = watch(page, site)
    sign_in(page, site, venue)
    expect(page.locator("#venue-name")).to_have_text("Museum")
    calendar = Calendar(str(page.evaluate("document.body.dataset.zone")))
    visit(site, [front, front, back], calendar)
    page.click("#refresh")
    expect(page.locator("#total")).to_have_text("3 check-ins")
    stop_and_start(site)
    page.click("#refresh")
    legend = page.locator("#legend li")
    expect(legend).to_have_text(["front 2", "뒷문 1"])
    fills = page.locator("#bars .piece").evaluate_all("(all) => all.map((one) => one.getAttribute('fill'))")
    assert {"url(#gate-0)", "url(#gate-1)"} == set(fills)
    assert "front 2" in (page.locator("#bars").get_attribute("aria-label") or "")
    expect(page.locator("#room-text")).to_have_text("3 of 40 in this hour and the last")
    expect(page.locator("#scanner-list .life.alive")).to_have_count(2)
    page.click("summary")
    expect(page.locator("#hours-head th")).to_have_text(["hour", "front", "뒷문", "all gates"])
    cells = page.locator("#hours td").all_text_contents()
    assert [sum(int(cell) for cell in cells[gate::3]) for gate in range(3)] == [2, 1, 3]
    with page.expect_download() as download:
        page.click("#export")
    [head, *rows] = csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig")))
    assert head == ["venue", "day", "hour", "check-ins", "front", "뒷문"]
    assert [sum(int(row[column]) for row in rows) for column in (3, 4, 5)] == [3, 2, 1]
    looked_at(page, "gates")
    assert wrong == []


def test_a_wrong_token_is_called_wrong(site: Site, launch: Launch) -> None:
    """Whoever mistypes the token or the venue's number reads which fields to look at, in both languages."""
    venue, other = site.venue("Library"), site.venue("Archive")
    page = launch().new_page()
    page.goto(site.url("venue", "/operator"))
    page.wait_for_selector("body[data-started]")
    for language, unknown, elsewhere in (
        ("en", "The venue number or the token is wrong.", "The venue number, the token or"),
        ("ko", "장소 번호나 토큰이 틀렸습니다.", "장소 번호, 토큰, 등록용 비밀값"),
    ):
        page.click(f"[data-language={language}]")
        for number, token, words in ((venue.id, "mistyped", unknown), (other.id, venue.token, elsewhere)):
            page.fill("#venue-id", number)
            page.fill("#operator-token", token)
            page.click("#sign-in [type=submit]")
            expect(page.locator("#problem")).to_contain_text(words)
        expect(page.locator("#desk")).to_be_hidden()


def test_the_rule_at_the_door_is_shown_as_it_stands_and_by_whomever_it_was_set(site: Site, launch: Launch) -> None:
    """Ticks that were not sent yet stay while the page refreshes itself, and give way when the rule has changed."""
    venue = site.venue()
    page = launch().new_context(locale="en-US").new_page()
    sign_in(page, site, venue)
    now, boxes = page.locator("#rule-now"), page.locator("[name=status]")
    expect(now).to_have_text("Now: nothing has to be shown")
    page.check("[name=status][value='2']")
    page.click("#refresh")
    expect(page.locator("#as-of")).not_to_be_empty()
    expect(boxes.nth(1)).to_be_checked()
    page.click("#rule [type=submit]")
    expect(now).to_have_text("Now: recovered")
    venue.ask("PUT", "/status-rule", {"accepted": [1, 3]})
    page.click("#refresh")
    expect(now).to_have_text("Now: vaccinated or tested")
    expect(boxes.nth(1)).not_to_be_checked()
    expect(boxes.nth(2)).to_be_checked()


def test_the_capacity_is_the_venues_own_and_a_full_house_is_told_in_words(site: Site, launch: Launch) -> None:
    """It is there again on another device."""
    venue, browser = site.venue(), launch()
    for old, new in (("40", "70"), ("70", "")):
        page = browser.new_context(locale="en-US").new_page()
        sign_in(page, site, venue)
        expect(page.locator("#capacity")).to_have_value(old)
        page.fill("#capacity", new)
        page.keyboard.press("Tab")
        text = f"0 of {new} in this hour and the last" if new else "0 in this hour and the last; set a capacity"
        expect(page.locator("#room-text")).to_contain_text(text)
    assert venue.ask("GET", "")["capacity"] is None


def test_a_scanner_is_revoked_only_when_its_operator_says_so_twice(site: Site, launch: Launch) -> None:
    """By keyboard: the question names the gate, and the first answer it offers is no."""
    venue = site.venue()
    venue.device("front")
    page = launch().new_context(locale="en-US").new_page()
    sign_in(page, site, venue)
    revoke, answer = page.locator("#scanner-list .danger"), page.locator("#sure")
    for times in (1, 2):
        revoke.press("Enter")
        expect(page.locator("#sure-title")).to_have_text("Revoke front?")
        if times == 1:
            page.keyboard.press("Enter")
            expect(answer).to_be_hidden()
            expect(revoke).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#revoked-title")).to_have_text("Revoked (1)")
    expect(page.locator("#no-scanners")).to_be_visible()


# --- what the modules compute ---------------------------------------------------------------------------------------


@pytest.fixture
def module(launch: Launch, files: str) -> Page:
    """A page that may import the operator's modules, and has their words."""
    page = launch().new_page()
    page.goto(f"{files}/tests/js/blank.html")
    return page


def hours(**counts: int) -> list[int]:
    """25 numbers."""
    return [counts.get(f"h{hour}", 0) for hour in range(25)]


def test_the_last_hours_go_across_midnight(module: Page) -> None:
    """A bar at one in the morning sees its evening; yesterday's 25th hour is today's first."""
    days = [
        {"day": "2026-11-19", "hours": hours(h12=9, h13=5, h23=2, h24=1), "gates": []},
        {
            "day": "2026-11-20",
            "hours": hours(h0=4, h1=3),
            "gates": [{"scanner_id": "a", "hours": hours(h0=3, h1=1)}, {"scanner_id": "b", "hours": hours(h1=1)}],
        },
    ]
    script = f"""async (days) => {{
        const {{ lastHours, partsOf }} = await import("{MODULES}/hours.js");
        const {{ Calendar }} = await import("/checkin/web/static/js/calendar.js");
        const calendar = new Calendar("Asia/Seoul");
        const now = calendar.start(Calendar.parseDate("2026-11-20")) + 3600 + 1800;
        const hours = lastHours(days, calendar, now);
        const scanners = [{{ scanner_id: "a", label: "A" }}, {{ scanner_id: "b", label: "B" }}];
        return [hours.map(({{ total }}) => total), partsOf(hours, scanners).map(({{ kind, count }}) => [kind, count])];
    }}"""
    totals, parts = module.evaluate(script, days)
    # 14 h to 1 h
    assert totals == [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 3]
    assert parts == [["gate", 4], ["gate", 1], ["apart", 5]]


def test_a_venue_with_many_gates_names_the_large_ones_and_adds_up_the_rest(module: Page) -> None:
    """Nobody is left out: the parts are the whole."""
    script = f"""async () => {{
        const {{ partsOf }} = await import("{MODULES}/hours.js");
        const scanners = [..."abcdefghi"].map((id) => ({{ scanner_id: id, label: id }}));
        const gates = new Map(scanners.map(({{ scanner_id: id }}, place) => [id, 10 + place]));
        return partsOf([{{ total: 130, gates }}], scanners).map(({{ label, kind, count }}) => [label, kind, count]);
    }}"""
    named = [[label, "gate", 14 + place] for place, label in enumerate("efghi")]
    assert module.evaluate(script) == [*named, ["", "others", 46], ["", "apart", 4]]


def test_the_export_has_a_column_a_gate_and_leaves_empty_what_is_not_known(module: Page) -> None:
    """Two gates of one name are told apart; a gate's name cannot run in a spreadsheet; a closed day has no gates."""
    days = [
        {"day": "2026-11-10", "hours": hours(h9=2), "gates": []},
        {
            "day": "2026-11-20",
            "hours": hours(h9=7),
            "gates": [{"scanner_id": "a", "hours": hours(h9=4)}, {"scanner_id": "b", "hours": hours(h9=2)}],
        },
    ]
    script = f"""async (days) => {{
        const {{ exportRows }} = await import("{MODULES}/export.js");
        const {{ table }} = await import("{MODULES}/csv.js");
        const {{ Calendar }} = await import("{MODULES}/../calendar.js");
        const scanners = ["a", "b", "c"].map((id) => ({{ scanner_id: id, label: "=door" }}));
        return table(exportRows("Café", days, scanners, new Calendar("Asia/Seoul")));
    }}"""
    rows = str(module.evaluate(script, days)).lstrip("\ufeff").split("\r\n")
    assert rows[0] == "venue,day,hour,check_ins,'=door (a),'=door (b)"
    assert rows[1 + 9] == "Café,2026-11-10,9,2,,"
    assert rows[1 + 25 + 9] == "Café,2026-11-20,9,7,4,2"
    assert rows[1 + 25 + 10] == "Café,2026-11-20,10,0,0,0"
    assert len(rows) == 1 + 50 + 1


def test_bars_and_export_name_an_hour_as_clocks_showed_it(module: Page) -> None:
    """Berlin, 25 October 2026: at 15:30 it was the 17th hour since midnight, and 2 o'clock came twice."""
    berlin, day = Calendar("Europe/Berlin"), 20751
    at = berlin.start(day) + 16 * 3600 + 1800
    days = [{"day": berlin.date(day), "hours": hours(h16=1), "gates": []}]
    script = f"""async ([days, at]) => {{
        const {{ exportRows }} = await import("{MODULES}/export.js");
        const {{ lastHours }} = await import("{MODULES}/hours.js");
        const {{ Calendar }} = await import("{MODULES}/../calendar.js");
        const berlin = new Calendar("Europe/Berlin");
        const row = exportRows("Café", days, [], berlin).find(([, , , count]) => count === 1);
        return [lastHours(days, berlin, at).at(-1), row, berlin.hourLabels(Calendar.parseDate(days[0].day))];
    }}"""
    bar, row, labels = module.evaluate(script, [days, at])
    assert (bar["label"], bar["total"]) == ("15", 1)
    assert row[2] == "15"
    assert labels[:5] == ["0", "1", "2A", "2B", "3"]
    assert labels == berlin.hour_labels(day)
    assert berlin.hour(day, at) == 16


def test_a_sign_of_life_becomes_words(module: Page) -> None:
    """Alive within ten minutes; otherwise how long ago; never after a revocation."""
    script = f"""async (seen) => {{
        const {{ signOfLife }} = await import("{MODULES}/scanners.js");
        const now = Date.parse("2026-11-20T12:00:00+09:00") / 1000;
        return seen.map(([last_seen, revoked]) => signOfLife({{ last_seen, revoked }}, now).state);
    }}"""
    seen = [
        ("2026-11-20T11:55:00+09:00", False),
        ("2026-11-20T11:50:00+09:00", False),
        ("2026-11-18T11:50:00+09:00", False),
        (None, False),
        (None, True),
    ]
    assert module.evaluate(script, json.loads(json.dumps(seen))) == ["alive", "silent", "silent", "unheard", "revoked"]


def test_a_token_is_copied_renewed_when_it_is_lost_and_a_venue_closed(site: Site, launch: Launch) -> None:
    """By the holder of the enrolment secret; a wrong one is told beside its field; a portal changes nothing."""
    venue = site.venue("Kiosk")
    context = launch().new_context(locale="en-US", viewport={"width": 320, "height": 568})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(site.url("venue", "/operator"))
    page.wait_for_selector("body[data-started]")
    page.fill("#known-id", venue.id)
    page.fill("#known-secret", "mistyped")
    page.click("#known-venue [data-t=renew_token]")
    problem = page.locator("#problem")
    expect(problem).to_contain_text("the enrolment secret is wrong")
    expect(problem).to_be_in_viewport(ratio=1)
    expect(page.locator("#known-secret")).to_be_focused()
    expect(page.locator("#known-secret")).to_have_attribute("aria-invalid", "true")
    page.evaluate("document.querySelector('[data-language=ko]').click()")
    expect(problem).to_contain_text("등록용 비밀값")
    looked_at(page, "refused")
    page.evaluate("document.querySelector('[data-language=en]').click()")
    page.fill("#known-secret", site.deployment.token("enrolment"))
    page.route("**/operator-token", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>Wi-Fi"))
    page.click("#known-venue [data-t=renew_token]")
    expect(problem).to_contain_text("No answer from the service")
    page.unroute("**/operator-token")
    page.click("#known-venue [data-t=renew_token]")
    expect(page.locator("#keep")).to_be_visible()
    page.click("#copy-token")
    expect(page.locator("#copied")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#keep-token").inner_text() != venue.token
    looked_at(page, "another token")
    with pytest.raises(Unauthorized):
        venue.ask("GET", "/stats")
    venue.token = copied
    page.click("#kept")
    expect(page.locator("#venue-name")).to_have_text("Kiosk")
    page.click("#sign-out")
    page.fill("#known-id", venue.id)
    page.fill("#known-secret", site.deployment.token("enrolment"))
    for answer in ("no", "yes"):
        assert venue.ask("GET", "")["name"] == "Kiosk"
        page.click("#known-venue [value=close]")
        expect(page.locator("#close-sure")).to_be_visible()
        page.click(f"#close-sure [value={answer}]")
        expect(page.locator("#close-sure")).to_be_hidden()
    expect(page.locator("#known-result")).to_have_text("The venue is closed.")
    with pytest.raises(Unauthorized):
        venue.ask("GET", "")
