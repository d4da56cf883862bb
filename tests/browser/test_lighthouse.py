"""What Lighthouse 12 says about every page: accessibility and best practices; how fast a page is, is not asked."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM
from tests.checkin.audit.evidence import Site as Evidence
from tests.conftest import Needs
from tests.support.deployment_in_processes import Site

FOLDER = Path(__file__).parent / "lighthouse"
ENOUGH = 0.95
POOR = """<!doctype html><html><meta charset="utf-8"><p style="color:#ccc">pale</p><button></button><img src="gone.png">
<script>throw new Error("at work")</script></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """A file of the folder; nobody misses an icon."""
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def loose_files(tmp_path: Path) -> Iterator[str]:
    """The address of an audit's page, as somebody may put it on a server of his own, and of a page that is no good."""
    folder = Evidence.make(tmp_path / "folder").write()
    (folder / "poor.html").write_text(POOR)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def desk(site: Site) -> dict[str, Any]:
    """The operator's page with a venue, as the tab that signed in has it."""
    venue = site.venue()
    venue.device("front")
    keys = {"venue": json.dumps({"venue_id": venue.id, "operator_token": venue.token})}
    return {"name": "operator's desk", "url": site.url("venue", "/operator"), "session": keys, "seen": "#desk"}


def judged(node: str, pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Name → scores and faults."""
    command = [node, "judge.mjs", str(CHROMIUM)]
    done = subprocess.run(command, cwd=FOLDER, input=json.dumps(pages), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(done.stdout))


def test_no_page_has_less_than_95_points_and_a_poor_one_would(
    site: Site, node: str, needs: Needs, loose_files: str
) -> None:
    """Wallet, scanner, operator, public page and audit page, each once, as a phone shows them."""
    there = (FOLDER / "node_modules" / "lighthouse").exists()
    needs("Lighthouse 12 for the pages", there, "npm ci --ignore-scripts --prefix tests/browser/lighthouse")
    pages = [
        {"name": "wallet", "url": site.url("issuer", "/wallet"), "seen": "#step-who"},
        {"name": "scanner", "url": site.url("venue", "/scanner"), "seen": "#enrol"},
        {"name": "operator", "url": site.url("venue", "/operator"), "seen": "#enter"},
        desk(site),
        {"name": "public page", "url": site.url("retention", "/"), "seen": "main"},
        {"name": "audit page", "url": f"{loose_files}/audit.html", "seen": "main"},
        {"name": "a poor page", "url": f"{loose_files}/poor.html"},
    ]
    results = judged(node, pages)
    assert {result["version"].partition(".")[0] for result in results.values()} == {"12"}
    poor = results.pop("a poor page")
    assert all(points < ENOUGH for points in poor["score"].values()), poor["score"]
    faults = {
        name: (result["score"], [(fault["title"], fault["items"][:3]) for fault in result["failed"]])
        for name, result in results.items()
        if min(result["score"].values()) < ENOUGH
    }
    assert faults == {}
    assert len(results) == len(pages) - 1
