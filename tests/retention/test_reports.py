"""What retention believes, keeps and shows: over HTTP, from a service's purge to a proof that anybody can verify."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
import sqlite_utils

from checkin.errors import CheckinError, NoteUntrusted
from checkin.protocol.encoding import b64_decode
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.purge.statement_store import PURGE_REPORT
from checkin.service.pwa import messages
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.merkle import leaf_hash, verify_inclusion
from retention.settings import RetentionSettings
from retention.tasks import Schedule
from tests.support.purging_service import House
from tests.support.retention_service import TOKEN, Retention, Service, pinned, serve_house
from tests.support.service_folder import CALENDAR, DAY, HOUR, bearer, make_service

BEARER = bearer(TOKEN)


def warnings(client: httpx.Client) -> dict[str, str]:
    """What /readyz tells somebody to look at."""
    found = client.get("/readyz").json()["findings"]
    return {finding["name"]: finding["text"] for finding in found if finding["level"] == "warning"}


def test_a_real_purge_ends_in_a_proof_that_an_outsider_verifies(tmp_path: Path) -> None:
    """A registry runs 28 days, is asked, destroys, and its report is in the log; only the two keys are needed."""
    make_service(tmp_path / "registry")
    house = House(tmp_path / "registry")
    house.first_day()
    for day in (DAY + 4, DAY + 27):
        house.go(day, HOUR)
        house.guard.confirm()
        house.purger.close_due_days()
    house.go(DAY + 28, HOUR)
    server = serve_house(house)
    vkey = house.party.signer.verifier.vkey
    retention = Retention(tmp_path / "retention", ("registry.example", server.url, vkey))
    retention.go(DAY + 28, HOUR)
    with retention.client() as client:
        keys = client.get("/v1/keys").json()
        answer = client.get("/v1/purge-reports", params={"day": CALENDAR.date(DAY)}).json()
        alone = client.get(f"/v1/purge-reports/{answer['reports'][0]['index']}").json()
    server.stop()
    assert not house.live()
    assert server.tokens == {f"Bearer {TOKEN}"}
    (report,) = answer["reports"]
    assert alone == report
    text = open_note(report["note"], [NoteVerifier.parse(vkey)]).text
    assert PURGE_REPORT.read(text)["rows"] == report["rows"] == "12"
    head = open_checkpoint(answer["checkpoint"], NoteVerifier.parse(keys["log"]))
    proof = report["proof"]
    hashes = [b64_decode(value) for value in proof["hashes"]]
    assert proof["size"] == head.size
    verify_inclusion(leaf_hash(report["note"].encode()), proof["index"], head.size, hashes, head.root)


def test_a_statement_heard_many_times_is_kept_once(retention: Retention, service: Service) -> None:
    """From the daily round, from the service itself, and with another party's signature added."""
    note = service.report(DAY - 28)
    with retention.client() as client:
        first = client.post("/v1/entries", json={"note": note}, headers=BEARER).json()
    stranger = NoteSigner("stranger.example", SigningKey(b"\x09" * 32))
    text = unverified_text(note)
    service.notes.append(sign_note(text, service.signer, stranger))
    with retention.client() as client:
        reports = client.get("/v1/purge-reports").json()["reports"]
    assert [report["index"] for report in reports] == [first["index"]]


def test_two_reports_about_one_day_are_both_kept_and_shown(retention: Retention, service: Service) -> None:
    """A service cannot replace what it said."""
    service.report(DAY - 28, rows="12")
    service.report(DAY - 28, rows="4000")
    with retention.client() as client:
        answer = client.get("/v1/purge-reports").json()
        assert "contradictions" in warnings(client)
        page = client.get("/", params={"lang": "en"}).text
    assert sorted(report["rows"] for report in answer["reports"]) == ["12", "4000"]
    (contradiction,) = answer["contradictions"]
    assert (contradiction["day"], len(contradiction["reports"])) == (CALENDAR.date(DAY - 28), 2)
    assert "contradicts another report" in page


@pytest.mark.parametrize(("day", "seconds", "missing"), [(28, HOUR, False), (28, HOUR + 1, True)])
def test_a_report_that_does_not_come_is_missed(
    retention: Retention, service: Service, day: int, seconds: float, *, missing: bool
) -> None:
    """An hour after the day was due; the service still answers, and keeps silent about that day."""
    service.make_key(DAY)
    retention.go(DAY + day, seconds)
    with retention.client() as client:
        answer = client.get("/v1/purge-reports").json()
        assert ("reports" in warnings(client)) == missing
        assert client.get("/readyz").status_code == 200
        page = client.get("/", params={"lang": "en"}).text
    assert bool(answer["missing"]) == missing
    assert ("report missing" in page.split("</table>")[0].split("<table>")[-1]) == missing


def test_a_forged_statement_is_refused_and_counted(retention: Retention, service: Service) -> None:
    """Signed by another key, altered, another service's, or made under the other kind of clock."""
    honest = service.report(DAY - 28)
    service.notes.clear()
    forger = NoteSigner(service.name, SigningKey(b"\x08" * 32))
    real = Service("registry.example", simulated=False)
    real.server.stop()
    other = Service("issuer.example")
    other.server.stop()
    text = unverified_text(honest)
    posing = sign_note(unverified_text(other.report(DAY - 28)), service.signer)
    mixed = sign_note(unverified_text(real.report(DAY - 28)), service.signer)
    service.notes = [sign_note(text, forger), honest.replace("rows 12", "rows 13"), posing, mixed, "nonsense"]
    with retention.client() as client:
        assert client.get("/v1/purge-reports").json()["reports"] == []
        assert "registry.example: 5" in warnings(client)["statements"]
        answer = client.post("/v1/entries", json={"note": service.notes[0]}, headers=BEARER)
        assert answer.json()["code"] == "note_untrusted"
        assert client.post("/v1/entries", json={"note": honest}, headers=BEARER).status_code == 200


def test_only_services_bring_statements(retention: Retention, service: Service) -> None:
    """The token names the service; the signature alone is not enough."""
    note = service.report(DAY - 28)
    with retention.client() as client:
        assert client.post("/v1/entries", json={"note": note}).json()["code"] == "unauthorized"
        wrong = {"Authorization": "Bearer of-somebody-else"}
        assert client.post("/v1/entries", json={"note": note}, headers=wrong).json()["code"] == "unauthorized"


def test_a_service_that_nobody_reached_for_28_days_leaves_a_log_in_its_true_order(tmp_path: Path) -> None:
    """It says everything at once; that a day's key was made is logged before its end, or every audit would fail."""
    service = Service()
    service.report(DAY - 28)
    service.make_key(DAY - 28)
    retention = Retention(tmp_path / "retention", pinned(service))
    with retention.client() as client:
        (report,) = client.get("/v1/purge-reports").json()["reports"]
    assert report["index"] == 1
    service.server.stop()


def test_each_service_is_asked_at_start_and_once_a_day(retention: Retention, service: Service) -> None:
    """However often the round comes; and at once when a day begins."""
    parts = retention.parts()
    schedule = Schedule(parts)
    for _ in range(5):
        schedule.run()
    first, *asked = service.server.asked
    assert first == "GET /v1/checkpoint"  # the newest head that it saw of the log, before anything is signed
    assert asked == ["POST /v1/purge", "GET /v1/statements"]
    retention.go(DAY + 1, 0)
    schedule.run()
    schedule.run()
    assert len(service.server.asked) == 5
    Schedule(parts).run()
    assert len(service.server.asked) == 7
    parts.close()


def test_a_service_that_does_not_answer_keeps_no_other_waiting_and_is_reported(tmp_path: Path) -> None:
    """Dead, or talking nonsense; the third is asked all the same, and after two days somebody is told."""
    dead, mad, good = Service("dead.example"), Service("mad.example"), Service("good.example")
    dead.server.stop()
    mad.server.routes["/v1/statements"] = lambda: ["nothing", "useful"]
    good.report(DAY - 28)
    retention = Retention(tmp_path / "retention", pinned(dead), pinned(mad), pinned(good))
    with retention.client() as client:
        assert len(client.get("/v1/purge-reports").json()["reports"]) == 1
        told = warnings(client)["services"]
    assert "dead.example" in told
    assert "mad.example" in told
    assert "good.example" not in told
    mad.server.stop()
    good.server.stop()


def test_reports_are_found_by_service_and_day(tmp_path: Path) -> None:
    """And paged by number, newest first."""
    one, other = Service("issuer.example"), Service("registry.example")
    for day in range(DAY - 40, DAY - 28):
        one.report(day)
        other.report(day)
    retention = Retention(tmp_path / "retention", pinned(one), pinned(other))
    with retention.client() as client:
        mine = client.get("/v1/purge-reports", params={"service": "issuer.example"}).json()["reports"]
        assert {report["service"] for report in mine} == {"issuer.example"}
        assert [report["index"] for report in mine] == sorted((report["index"] for report in mine), reverse=True)
        before = client.get("/v1/purge-reports", params={"before": 2}).json()["reports"]
        assert [report["index"] for report in before] == [1, 0]
        assert client.get("/v1/purge-reports", params={"day": "yesterday"}).json()["code"] == "invalid_request"
        assert client.get("/v1/purge-reports/9999").json()["code"] == "not_found"
    one.server.stop()
    other.server.stop()


def test_the_log_is_served_as_files(retention: Retention, service: Service) -> None:
    """Checkpoint and tiles; nothing else of the folder, whatever the path."""
    service.report(DAY - 28)
    with retention.client() as client:
        origin, size, *_ = client.get("/checkpoint").text.split("\n")
        assert origin == "retention.example/log"
        tile = client.get(f"/tile/0/000.p/{size}")
        assert tile.content.startswith(leaf_hash(service.notes[0].encode()))
        assert "immutable" in tile.headers["cache-control"]
        for path in ("%2e%2e/log.sqlite", "0/000", "entries/000.p/9", "x", "0/%2e%2e/0/000.p/1", "..%2flog.sqlite"):
            assert client.get(f"/tile/{path}").status_code == 404, path
        # Entry bundles are packed for whoever reads that, and the same bytes; hashes, which do not pack, for nobody.
        entries, plain = f"/tile/entries/000.p/{size}", {"accept-encoding": "identity"}
        bundle = client.get(entries, headers=plain)
        assert service.notes[0].encode() in bundle.content and "content-encoding" not in bundle.headers
        for header in ("gzip", "GZIP;q=0.5, br", "br, *"):
            packed = client.get(entries, headers={"accept-encoding": header})
            assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding"), header
            assert packed.content == bundle.content and int(packed.headers["content-length"]) < len(bundle.content)
        for header in ("gzip;q=0, *", "gzip;q=0.000", "br", "x-gzip-like"):
            assert "content-encoding" not in client.get(entries, headers={"accept-encoding": header}).headers, header
        assert "content-encoding" not in tile.headers and "gzip" in tile.request.headers["accept-encoding"]


def test_the_database_opens_with_common_tools(retention: Retention, service: Service) -> None:
    """`sqlite-utils` shows the documented tables, and the statements in them verify as they stand."""
    service.report(DAY - 28)
    parts = retention.parts()
    Schedule(parts).run()
    parts.close()
    tables = sqlite_utils.Database(retention.folder / "data" / "retention.db")
    assert set(tables.table_names()) == {"statements", "refused", "services", "listed"}
    assert tables.view_names() == ["purge_reports"]
    (row,) = tables["purge_reports"].rows
    assert open_note(row["note"], [service.signer.verifier]).names == ("registry.example",)
    tables.close()


@pytest.mark.parametrize(("header", "language"), [("ko-KR,ko;q=0.9", "ko"), ("en-GB", "en"), ("fr", "en"), ("", "en")])
def test_the_page_speaks_the_readers_language(
    retention: Retention, service: Service, header: str, language: str
) -> None:
    """Korean or English, by the browser's wish or the link, and it can be read without scripts or styles."""
    service.make_key(DAY)
    service.report(DAY - 30)
    with retention.client() as client:
        answer = client.get("/", headers={"accept-language": header})
        other = client.get("/", params={"lang": "ko"}).text
    assert f'<html lang="{language}">' in answer.text
    assert messages("public")[language]["title"] in answer.text
    assert re.findall(r"<script.*", answer.text) == [
        '<script src="/static/js/unreadable.js"></script>',
        '<script type="module" src="/static/js/public/main.js"></script>',
    ]
    assert " style=" not in answer.text
    assert answer.text.count('<span class="tip">') == 60
    assert "보고서" in other


def test_both_languages_say_the_same_things() -> None:
    """No text is missing in one, and each takes the same values."""
    english, korean = messages("public")["en"], messages("public")["ko"]
    assert english.keys() == korean.keys()
    for name in english:
        fields = [{part.split("}")[0] for part in text[name].split("{")[1:]} for text in (english, korean)]
        assert fields[0] == fields[1], name


def test_the_sample_settings_load() -> None:
    """As they stand in the repository."""
    sample = Path(__file__).parents[2] / "retention" / "settings.sample.toml"
    settings = RetentionSettings.load(sample)
    assert [service.name for service in settings.services] == ["issuer.example", "registry.example"]


def test_a_service_is_pinned_under_the_name_in_its_key(tmp_path: Path) -> None:
    """A slip in the settings is found at start."""
    service = Service()
    service.server.stop()
    wrong = ("issuer.example", "http://127.0.0.1:9", service.signer.verifier.vkey)
    retention = Retention(tmp_path / "retention", wrong)
    with pytest.raises(CheckinError, match="name"):
        retention.parts()


def test_what_is_not_believed_is_not_logged(retention: Retention, service: Service) -> None:
    """The log never holds a note that its service did not sign."""
    forged = sign_note("checkin/anything/v1\nclock simulated\n", NoteSigner(service.name, SigningKey(b"\x08" * 32)))
    parts = retention.parts()
    with pytest.raises(NoteUntrusted):
        parts.intake.take(parts.settings.services[0], forged)
    assert parts.log.size() == 0
    parts.close()
