"""The public page, in Korean and English: what is held, what was destroyed and when; readable without scripts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal
from fastapi import APIRouter
from starlette.responses import HTMLResponse

from checkin.audit.log_entry import DayState, EarlyEnd, by_service
from checkin.audit.point import Point
from checkin.audit.words import point_words
from checkin.protocol.encoding import decimal_decode
from checkin.purge.statement_store import FEWER
from checkin.service.pwa import LANGUAGES, Language, messages
from checkin.shown import shown
from checkin.templates import template
from retention.audits import Audit, Audits
from retention.overview import DayReport, OrderNumbers, StripCell, order_numbers
from retention.parts import Parts

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_REPORTS = 120
SHOWN_AUDITS = 30
STEPS = ("keys", "checkpoint", "witnesses", "root", "continued", "reports", "signatures", "audit")
"""Of "Check it yourself"; what each does is in checkin/web/static/js/public/steps.js."""


def routes(parts: Parts, audits: Audits) -> APIRouter:
    """GET / of the retention service."""
    router, overview, settings = APIRouter(tags=["pages"]), parts.overview, parts.settings

    @router.get("/", response_class=HTMLResponse)
    def public_page(language: Language) -> HTMLResponse:
        """Show the public page, for people."""
        words, now = Words(language), parts.party.now()
        cells = overview.strip(now)
        contradictions = set(overview.contradictions())
        reports = list(reversed(overview.reports()))[:SHOWN_REPORTS]
        early = {report.index: day for report in reports if (day := overview.early(report))}
        newest = audits.find(limit=SHOWN_AUDITS)
        html = template("index.html", TEMPLATES).render(
            lang=language,
            other=next(code for code in LANGUAGES if code != language),
            t=words.text,
            date=words.date,
            cells=[words.cell(cell) for cell in cells],
            kept=words.held(sum(cell.state in ("held", "open") for cell in cells)),
            held=[cell for cell in reversed(cells) if cell.state in ("held", "open")],
            early=[words.early(end) for end in EarlyEnd.of(early.values())],
            reports=[words.report(report, contradictions, early.get(report.index)) for report in reports],
            missing=overview.missing(now)[::-1],
            orders=words.orders(order_numbers(parts.statements)),
            keys=_keys(parts, words),
            former=[(role, vkey) for role, vkeys in settings.former_keys.items() for vkey in vkeys],
            witnesses=[(words.text("of_witness", who=one.verifier.name), one.vkey) for one in settings.witnesses],
            quorum=settings.needed,
            steps=[words.step(name) for name in STEPS],
            raw=words.raw,
            audit=words.audit(newest[0]) if newest else None,
            history=newest,
            simulated=parts.party.clock.simulated,
        )
        return HTMLResponse(html, headers={"vary": "accept-language"})

    return router


def _keys(parts: Parts, words: Words) -> list[tuple[str, str, str]]:
    """What people call it, what programs call it, and the verifier key."""
    services = [(service.name, service.name, service.vkey) for service in parts.settings.services]
    own = (words.text("of_retention"), "retention", parts.party.signer.verifier.vkey)
    return [*services, own, (words.text("of_log"), "log", parts.log_verifier.vkey)]


class Words:
    """One language's words, dates and numbers."""

    def __init__(self, language: str) -> None:
        self._language, self._texts = language, messages("public")[language]

    def text(self, name: str, **values: Any) -> str:
        """A text of `messages/public.json`; `KeyError` for one that is not there."""
        return self._texts[name].format(**values)

    def raw(self, name: str) -> str:
        """A text with values that the browser fills in."""
        return self._texts[name]

    def held(self, days: int) -> str:
        """What is kept, and of how many days."""
        return self.text("kept_answer", days=self.text("kept_one" if days == 1 else "kept_many", count=days))

    def orders(self, numbers: OrderNumbers | None) -> str:
        """Numbers of orders, in sentences. Small ones are words, because a small one could point at a person."""
        if numbers is None:
            return self.text("did_none")
        told = {name: self._how_often(count) for name, count in numbers} | {"people": self.count(numbers.people)}
        # an order about fewer than ten people is not counted in `people`: it is nought, or ten and more
        people = "did_no_people" if numbers.people == FEWER else "did_people"
        return " ".join(self.text(name, **told) for name in ("did_who", people, "did_small"))

    def _how_often(self, count: str) -> str:
        return self.text("did_few") if count == FEWER else self.text("did_count", count=self.count(count))

    def step(self, name: str) -> dict[str, str]:
        """A step of "Check it yourself": its title, and what it says when done, with nothing to do, or failed."""
        said = {
            outcome: self._texts.get(f"{name}_{outcome}", "") for outcome in ("good", "none", "unseen", "later", "bad")
        }
        return {"name": name, "title": self._texts[f"{name}_step"], **said}

    def audit(self, audit: Audit) -> dict[str, Any]:
        """The newest audit, line by line, one group for each service."""
        points = by_service(audit.points())
        groups = [(service, [self._line(point) for point in mine]) for service, mine in points.items()]
        numbers = {"passed": audit.passed, "failed": audit.failed, "not_run": audit.not_run}
        summary = self.text("audit_summary", day=self.date(audit.day), **numbers)
        return {"place": audit.place, "day": audit.day, "result": audit.result, "summary": summary, "groups": groups}

    def _line(self, point: Point) -> dict[str, str]:
        return {
            "line": point.line(),
            "state": point.result,
            "result": self.text(f"audit_{point.result}"),
            "words": point_words(point.name)[LANGUAGES.index(self._language)],
            "evidence": point.evidence,
        }

    def date(self, iso: str) -> str:
        """A day as people write it."""
        return format_date(date.fromisoformat(iso), format="medium", locale=self._language)

    def cell(self, cell: StripCell) -> dict[str, Any]:
        """A square of the strip: its state, what it says, where it leads, and the height of its filling in percent."""
        day = date.fromisoformat(cell.day)
        numbers = ", ".join(str(report.index) for report in cell.reports)
        done = max((report.done for report in cell.reports), default=cell.due)
        dates = {"day": self.date(cell.day), "due": self.date(cell.due), "done": self.date(done)}
        state = "early" if cell.state == "destroyed" and done < cell.due else cell.state
        text = self.text(f"{state}_cell", **dates, numbers=numbers)
        return {
            "state": state,
            "text": text,
            "target": _target(cell),
            "level": cell.level,
            "number": day.day,
            "month": format_date(day, format="MMM", locale=self._language) if day.day == 1 else "",
        }

    def early(self, end: EarlyEnd) -> dict[str, str]:
        """Days that officers had destroyed before they were due: which, when, by how many, and why."""
        days = self.date(end.first) if end.first == end.last else f"{self.date(end.first)} – {self.date(end.last)}"
        told = {"service": end.service, "done": self.date(end.done), "officers": end.officers}
        return {"days": days, "text": self.text("early_end", **told), "reason": shown(end.reason)}

    def report(self, report: DayReport, contradictions: set[tuple[str, str]], early: DayState | None) -> dict[str, Any]:
        """A line of the table of reports; `early`: what officers ordered about it."""
        result = "late" if report.done > report.due else "in_time"
        if report.done < report.due:
            result = "early" if early else "too_early"
        if (report.service, report.day) in contradictions:
            result = "contradicts"
        return vars(report) | {
            "rows": self.count(report.rows),
            "stated": report.rows,
            "good": result in ("in_time", "early"),
            "result": self.text(result, count=early.officers if early else 0),
        }

    def count(self, rows: str) -> str:
        """A number as people write it, or words for one that is not published."""
        try:
            return format_decimal(decimal_decode(rows), locale=self._language)
        except ValueError:
            return self.text("fewer" if rows == FEWER else "unknown")


def _target(cell: StripCell) -> str:
    if cell.state in ("held", "open"):
        return f"held-{cell.day}"
    if cell.state == "missing":
        return f"missing-{cell.day}"
    return f"report-{cell.reports[0].index}" if cell.reports else ""
