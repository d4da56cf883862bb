"""What came back to a request, and what it is: an answer of the service, a refusal that it coded, or none at all."""

from __future__ import annotations

import json
from typing import Any, Final

PROBLEM: Final = "application/problem+json"


def problem(code: str = "already_used", status: int = 409, **members: Any) -> str:
    """A problem document of a service."""
    return json.dumps(
        {"type": f"urn:checkin:problem:{code}", "status": status, "detail": "No.", "code": code} | members
    )


def case(  # noqa: PLR0917 - the columns of a table
    name: str, expected: str, status: int, kind: str, content: str, model: str = "check-in"
) -> dict[str, Any]:
    """`model`: what was asked for."""
    return {"name": name, "expected": expected, "status": status, "kind": kind, "content": content, "model": model}


JSON: Final = "application/json"
OTHERS: Final = '{"type":"about:blank","title":"x","status":401,"code":"unauthorized"}'
UNTOLD: Final = '{"type":"urn:checkin:problem:already_used","status":409,"code":"already_used"}'
LATER: Final = '{"result":"repeated","place":1}'
TAKEN: Final = '{"result":"accepted"}'
BATCH: Final = '{"results":[{"result":"accepted"},{"result":"refused","code":"day_closed"},{"result":"undecided"}]}'
ANSWERS: Final = [
    case("taken", "ok", 201, JSON, TAKEN),
    case("taken, with what a later version adds", "ok", 200, "Application/JSON; charset=utf-8", LATER),
    case("a batch", "ok", 200, JSON, BATCH, "batch"),
    case("any object", "ok", 200, JSON, "{}", "any"),
    case("refused", "already_used", 409, PROBLEM, problem()),
    case("refused without a word for people", "already_used", 409, PROBLEM, UNTOLD),
    case("refused with a number for people", "already_used", 409, PROBLEM, problem(detail=1)),
    case("not ready", "not_ready", 503, PROBLEM + "; charset=utf-8", problem("not_ready", 503)),
    case("a login page", "unreachable", 200, "text/html", "<html>Please log in</html>"),
    case("a login page that calls itself JSON", "unreachable", 200, JSON, "<html>"),
    case("our answer in a page", "unreachable", 200, "text/html", TAKEN),
    case("another's JSON", "unreachable", 200, JSON, '{"status":"ok"}'),
    case("another's word", "unreachable", 200, JSON, '{"result":"ok"}'),
    case("a list", "unreachable", 200, JSON, "[]"),
    case("a number that JSON does not have", "unreachable", 200, JSON, '{"result":"accepted","place":NaN}'),
    case("nothing", "unreachable", 200, JSON, ""),
    case("null", "unreachable", 200, JSON, "null", "any"),
    case("a word", "unreachable", 200, JSON, '"accepted"', "any"),
    case("no content", "unreachable", 204, "", ""),
    case("a redirect", "unreachable", 302, JSON, TAKEN),
    case("partial content", "unreachable", 206, JSON, TAKEN),
    case("a batch of something else", "unreachable", 200, JSON, '{"results":[{"result":"fine"}]}', "batch"),
    case("a batch without entries", "unreachable", 200, JSON, '{"results":{}}', "batch"),
    case("a proxy's 502", "unreachable", 502, "text/html", "<html>Bad Gateway</html>"),
    case("a proxy's 504 as JSON", "unreachable", 504, JSON, '{"code":"not_ready"}'),
    case("a proxy's 429", "unreachable", 429, "text/plain", "slow down"),
    case("a portal's 403", "unreachable", 403, "text/html", "<html>Forbidden</html>"),
    case("another's problem", "unreachable", 401, PROBLEM, OTHERS),
    case("a problem of another status", "unreachable", 200, PROBLEM, problem()),
    case("a problem that says another status", "unreachable", 409, PROBLEM, problem(status=422)),
    case("a problem of two codes", "unreachable", 409, PROBLEM, problem(code="b", type="urn:checkin:problem:a")),
    case("a problem without a code", "unreachable", 409, PROBLEM, "{}"),
    case("a code that is none", "unreachable", 409, PROBLEM, problem("<b>", 409)),
    case("a refusal in plain JSON", "unreachable", 409, JSON, problem()),
    case("a file", "ok", 200, "application/octet-stream", "bytes", "file"),
    case("a file of text", "ok", 200, "text/plain; charset=utf-8", "retention.example/log", "file"),
    case("a file without a type", "ok", 200, "", "bytes", "file"),
    case("no such file", "not_found", 404, PROBLEM, problem("not_found", 404), "file"),
    case("a login page in a file's place", "unreachable", 200, "Text/HTML; charset=utf-8", "<html>", "file"),
    case("a part of a file", "unreachable", 206, "application/octet-stream", "by", "file"),
    case("no content in a file's place", "unreachable", 204, "", "", "file"),
    case("a proxy's 404", "unreachable", 404, "text/html", "<html>", "file"),
    case("a file elsewhere", "unreachable", 302, "application/octet-stream", "", "file"),
]  # fmt: skip
