"""The questions of an audit's lines, for people: in English and in Korean."""

from __future__ import annotations

from typing import Final

POINTS: Final[dict[str, tuple[str, str]]] = {
    "answered": ("The service audited itself and signed", "기관이 스스로 점검하고 서명함"),
    "complete": ("Every point could be looked at", "모든 항목을 점검할 수 있었음"),
    "data-map": ("Every file, table and column is declared", "모든 파일·표·항목이 공개된 목록에 있음"),
    "no-plaintext": ("No phone number or name in plain text", "평문 전화번호나 이름이 없음"),
    "oldest-day": ("Nothing is older than 28 days", "28일이 지난 기록이 없음"),
    "destroyed-keys": ("Destroyed keys were overwritten and are gone", "파기한 키는 덮어쓰여 사라짐"),
    "closings": ("Closed days were not changed", "마감한 날의 기록이 바뀌지 않음"),
    "orders": ("Orders of the authority, in numbers", "보건 당국 명령의 수"),
    "tokens": ("Codes hold nothing but the specified fields", "코드에는 정해진 항목만 있음"),
    "log-files": ("Every file of the log is what was signed", "공개 로그의 모든 파일이 서명된 그대로임"),
    "log-continues": ("The log continues that of the last audit", "공개 로그가 지난 점검 때의 것에서 이어짐"),
    "reports-logged": ("Every due day has its report in the log", "기한이 된 모든 날의 보고서가 로그에 있음"),
    "authority-keys": (
        "The health authority's day keys, as its officers stated",
        "보건 당국의 날짜별 키: 담당관들이 밝힌 파기",
    ),
    "statements-logged": ("All that was stated is in the log", "서명한 모든 진술이 로그에 있음"),
    "lists-logged": ("Lists of keys that are given out are in the log", "나눠 주는 키 목록이 모두 로그에 있음"),
    "key-lists": ("Lists of keys in the log agree with one another", "로그의 키 목록들이 서로 어긋나지 않음"),
    "kids": (
        "No issuer lists a key that looks like another's",
        "다른 발급 기관의 것처럼 보이는 키를 올린 곳이 없음",
    ),
    "closings-match": ("Reports match what was stated before", "보고서가 앞서 밝힌 내용과 일치함"),
    "test-visit": (
        "A test visitor's own seals were opened by a signed order",
        "시험 방문자의 봉인을 서명된 명령으로 열어 봄",
    ),
}
EARLY: Final = (
    "{days} destroyed early on {done}, ordered by {officers} officers",
    "{days}: 담당관 {officers}명의 명령으로 {done} 앞당겨 파기",
)
RESULTS: Final = {"pass": ("passed", "통과"), "fail": ("failed", "실패"), "not-run": ("not run", "하지 않음")}
MARKS: Final = {"pass": "✓", "fail": "✗", "not-run": "–"}
STATES: Final = {
    "held": ("kept", "보관 중"),
    "destroyed": ("destroyed", "파기됨"),
    "early": ("destroyed early, by officers' order", "담당관의 명령으로 앞당겨 파기됨"),
    "late": ("destroyed late", "늦게 파기됨"),
    "awaited": ("due, the officers' statement awaited", "기한이 되어 담당관의 진술을 기다림"),
    "missing": ("report missing", "보고서 없음"),
    "none": ("nothing was kept", "기록 없음"),
}
LABELS: Final = {
    "title": ("Day-28 audit", "28일 점검 보고서"),
    "lead": (
        "What each organisation found on its own disks, and what the public log proves. Every line is signed.",
        "각 기관이 자기 저장 장치에서 확인한 내용과 공개 로그가 증명하는 내용입니다. 모든 줄은 서명되어 있습니다.",
    ),
    "simulated": (
        "Made under a simulated clock: not about real days.",
        "모의 시계로 만든 보고서이며 실제 날짜가 아닙니다.",
    ),
    "day": ("Day of the audit", "점검일"),
    "number": ("Number in the log", "로그 내 번호"),
    "size": ("Entries in the log", "로그의 항목 수"),
    "results": ("Results", "결과"),
    "days": ("The last 60 days", "최근 60일"),
    "point": ("Point", "점검 항목"),
    "result": ("Result", "결과"),
    "evidence": ("Evidence, as signed", "서명된 근거"),
    "service": ("Organisation", "기관"),
    "check": (
        "Check it: checkin audit verify --dir FOLDER --vkeys KEYS, with verifier keys that you got from somebody else.",
        "확인 방법: 다른 곳에서 받은 공개 검증 키로 checkin audit verify --dir FOLDER --vkeys KEYS 를 실행합니다.",
    ),
}


def point_words(name: str) -> tuple[str, str]:
    """English and Korean; a point that is not known is shown by its name."""
    return POINTS.get(name, (name, name))
