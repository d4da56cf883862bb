"""What came of a town as a page of its own: plots, each with its numbers beneath, in English and Korean; no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.audit.audit_page import STYLE
from checkin.clock import RETENTION_DAYS
from checkin.simulation.simulation import Ended
from checkin.templates import template

WIDTH: Final = 720
HEIGHT: Final = 180
_GAP: Final = 0.2  # of a row's room
Pair = tuple[str, str]
"""English, Korean."""
_DAY: Final = ("Day", "날")


@dataclass(frozen=True)
class Plot:
    """Bars over rows, a series a column. `limit`: a line that no bar may cross."""

    title: Pair
    told: Pair
    columns: Sequence[Pair]
    rows: Sequence[tuple[str, Sequence[float]]]
    limit: float = 0

    @property
    def top(self) -> float:
        """What the plot's height stands for."""
        return max(self.limit, *(value for _, values in self.rows for value in values)) or 1

    @property
    def bars(self) -> list[tuple[int, float, float, float, float]]:
        """(series, x, y, width, height) of each, in units of the plot."""
        room, series = WIDTH / len(self.rows), len(self.columns) - 1
        width = room * (1 - _GAP) / series
        return [
            (at, round(room * (row + _GAP / 2) + at * width, 2), round(HEIGHT - high, 2), round(width, 2), high)
            for row, (_, values) in enumerate(self.rows)
            for at, value in enumerate(values)
            for high in [round(HEIGHT * value / self.top, 2)]
        ]


def report_html(ended: Ended) -> str:
    """The page; all it needs is in it."""
    style = STYLE.read_text(encoding="utf-8")
    return template("town.html").render(
        size=ended.size, faults=ended.faults(), plots=_plots(ended), style=style, width=WIDTH, height=HEIGHT
    )


def _plots(ended: Ended) -> list[Plot]:
    days, traces = ended.evenings, ended.outbreaks
    most, largest = max(day.held for day in days), days[-1].visit_bytes + days[-1].ledger_bytes
    busiest = max(ended.tally.hours, key=lambda hour: ended.tally.hours[hour], default=0)
    slowest = max(trace.seconds for trace in traces)
    recall, precision = min(trace.recall for trace in traces), min(trace.precision for trace in traces)
    hours = range(min(ended.tally.hours, default=0), max(ended.tally.hours, default=23) + 1)
    return [
        Plot(
            ("Days held", "보관 중인 날"),
            (
                f"In the evening of each day; at most {most}. The line is at {RETENTION_DAYS}, which none may cross.",
                f"매일 저녁에 센 날 수, 가장 많을 때 {most}일. 선은 {RETENTION_DAYS}일이고, 이를 넘으면 안 됩니다.",
            ),
            [_DAY, ("days held", "보관한 날")],
            [(str(number), [day.held]) for number, day in enumerate(days, start=1)],
            RETENTION_DAYS,
        ),
        Plot(
            ("Bytes held", "보관 중인 바이트"),
            (
                f"Visits at the registry and batches at the issuer; {largest:,} bytes in the end.",
                f"등록소의 방문 기록과 발급 기관의 발급 기록, 마지막 날 {largest:,}바이트.",
            ),
            [_DAY, ("visits", "방문"), ("batches", "발급")],
            [(str(number), [day.visit_bytes, day.ledger_bytes]) for number, day in enumerate(days, start=1)],
        ),
        Plot(
            ("Codes scanned by the hour", "시간대별 스캔"),
            (
                f"Over all days; most of them from {busiest}:00 to {busiest + 1}:00.",
                f"모든 날을 합한 수, {busiest}시에서 {busiest + 1}시 사이가 가장 많습니다.",
            ),
            [("Hour", "시"), ("codes", "코드")],
            [(f"{hour}:00", [ended.tally.hours[hour]]) for hour in hours],
        ),
        Plot(
            ("Seconds that a trace took", "추적에 걸린 초"),
            (
                f"From two officers' signatures to names and phones; at most {slowest:.1f} seconds.",
                f"담당자 두 명의 서명부터 이름과 전화번호까지, 가장 길 때 {slowest:.1f}초.",
            ),
            [("Made on day", "추적한 날"), ("seconds", "초")],
            [(str(trace.made + 1), [round(trace.seconds, 2)]) for trace in traces],
        ),
        Plot(
            ("Recall and precision of traces", "추적의 재현율과 정밀도"),
            (
                f"Against what the town knows of itself: recall {recall:.3f}, precision {precision:.3f} at the least.",
                f"마을이 스스로 아는 사실과 견준 값: 재현율 {recall:.3f}, 정밀도 {precision:.3f} 이상.",
            ),
            [("Made on day", "추적한 날"), ("recall", "재현율"), ("precision", "정밀도")],
            [(str(trace.made + 1), [round(trace.recall, 4), round(trace.precision, 4)]) for trace in traces],
            1,
        ),
    ]
