"""What a page's service worker keeps is what the service answered: a portal's page would open in its place for good."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).parents[2] / "checkin/web/static/js/worker/offline.js"
# Installs the worker where fetch answers as told, and says which paths it keeps then, or that it was not installed.
INSTALL = """
const [worker, wrong] = [require("fs").readFileSync(process.argv[1], "utf8"), JSON.parse(process.argv[2])];
const script = "/static/js/wallet/main.js";
const good = {
    "/wallet": { kind: "text/html; charset=utf-8", text: `<script type=module src=${script}></script>` },
    [script]: { kind: "text/javascript; charset=utf-8", text: "" },
};
const kept = [];
globalThis.fetch = async (path, { redirect }) => {
    const { kind, text, status = 200, type = "basic", redirected = false } = { ...good[path], ...wrong[path] };
    if (redirected && redirect === "error") throw new TypeError("redirected");
    const answer = new Response(text, { status, headers: { "content-type": kind } });
    return Object.defineProperties(answer, { type: { value: type }, redirected: { value: redirected } });
};
globalThis.caches = { open: async () => ({ put: async (path) => kept.push(path) }) };
const listeners = {};
globalThis.self = {
    CHECKIN: { page: "/wallet", version: "1", files: [script] },
    addEventListener: (name, act) => (listeners[name] = act),
    skipWaiting: () => {},
};
(0, eval)(worker);
const said = (work) => work.then(() => kept.sort().join(" "), () => ["not installed", ...kept].join(" "));
listeners.install({ waitUntil: async (work) => console.log(await said(work)) });
"""
SCRIPT, LOGIN = "/static/js/wallet/main.js", {"kind": "text/html", "text": "<html>Please log in</html>"}


def installed(node: str, wrong: dict[str, Any]) -> str:
    """What the worker says that is installed where these paths are answered otherwise."""
    command = [node, "-e", INSTALL, str(WORKER), json.dumps(wrong)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_a_page_and_its_files_are_kept(node: str) -> None:
    """Control of the cases below."""
    assert installed(node, {}) == f"{SCRIPT} /wallet"


@pytest.mark.parametrize(
    "wrong",
    [
        {"/wallet": LOGIN},
        {SCRIPT: LOGIN},
        {"/wallet": {"redirected": True}},
        {SCRIPT: {"redirected": True}},
        {"/wallet": {"kind": "text/plain"}},
        {"/wallet": {"type": "opaque"}},
        {SCRIPT: {"status": 206}},
        {SCRIPT: {"status": 502, "kind": "text/plain"}},
    ],
    ids=lambda wrong: json.dumps(wrong)[:60],
)
def test_nothing_is_kept_where_something_else_answered(node: str, wrong: dict[str, Any]) -> None:
    """Not the good files either: the worker that was there before goes on, and the browser tries again."""
    assert installed(node, wrong) == "not installed"
