"""Our own command-line wallet and scanner as judged programs: `python -m checkin.conformance.own wallet|scanner`.

They are what `checkin qr` and `checkin scan` are, with two things changed: their network is a relay on this machine
that hands each request to the harness, and their clock is the one that the harness tells.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from checkin.clock import Calendar
from checkin.errors import CheckinError, RequestInvalid
from checkin.files.json_file import read_private, write_private
from checkin.http.client import Client, Service
from checkin.parties import wallet as wallets
from checkin.parties.scanner import OF_TIME, Scanner, read_enrolment
from checkin.parties.wallet import Held, Wallet
from checkin.protocol.note import NoteVerifier
from checkin.tlog.policy import PinnedLog

ZONE: Final = Calendar("Asia/Seoul")


class ToldClock:
    """The device's clocks, as the last line said."""

    simulated = True

    def __init__(self) -> None:
        self._now, self._steady = 0.0, 0.0

    def take(self, line: dict[str, Any]) -> None:
        """What a line says of the time."""
        self._now, self._steady = float(line["now"]), float(line["steady"])

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def boot(self) -> float:
        """The clock that nobody sets."""
        return self._steady

    def boot_id(self) -> str:
        """The same over a restart of the program."""
        return "told"


class Harness:
    """Standard input and output: lines of commands and of answers."""

    def __init__(self) -> None:
        self.clock = ToldClock()
        self._turn = threading.Lock()

    def read(self) -> dict[str, Any] | None:
        """The next line; None at the end."""
        line = sys.stdin.readline()
        if not line:
            return None
        content: dict[str, Any] = json.loads(line)
        self.clock.take(content)
        return content

    def write(self, **content: Any) -> None:
        """A line."""
        sys.stdout.write(json.dumps(content) + "\n")
        sys.stdout.flush()

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request; None when none comes."""
        with self._turn:
            self.write(ask=request)
            line = self.read() or {}
        answer: dict[str, Any] | None = line.get("answer")
        return answer


class _Relay(BaseHTTPRequestHandler):
    """Hands each request to the harness, and closes the connection where it has no answer."""

    protocol_version = "HTTP/1.0"
    harness: Harness

    def _hand_on(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        request: dict[str, Any] = {"method": self.command, "path": self.path}
        if bearer := self.headers.get("Authorization"):
            request["token"] = bearer.removeprefix("Bearer ")
        if body:
            request["body"] = json.loads(body)
        answer = self.harness.ask(request)
        if answer is None:
            self.close_connection = True
            return
        content = answer["body"].encode()
        self.send_response(answer["status"])
        if answer["type"]:
            self.send_header("Content-Type", answer["type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _hand_on  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error is for errors."""


class OwnScanner:
    """`checkin scan`, its file `scanner.json`."""

    def __init__(self, harness: Harness, url: str) -> None:
        self._clock = harness.clock
        self._url = url
        self._path = Path("scanner.json")

    def enrol(self, code: str) -> dict[str, Any]:
        """The operator's code."""
        read = read_enrolment(code)
        Scanner(self._path, read.venue_id, read.scanner_id, read.scanner_token).save()
        return {}

    def tend(self) -> dict[str, Any]:
        """The lists, then the queue."""
        with Scanner.opened(self._path) as device, Client(self._url, device.token, wanted=Service.REGISTRY) as client:
            passed, uploaded = device.tend(client, self._clock)
        return {"passed": sorted(passed), "uploaded": uploaded}

    def scan(self, text: str) -> dict[str, Any]:
        """A code at the door."""
        with Scanner.opened(self._path) as device, Client(self._url, device.token, wanted=Service.REGISTRY) as client:
            return {"result": str(device.judge(text, client, self._clock))}

    def beside(self, error: CheckinError) -> dict[str, Any]:
        """What it says with a refusal: whether that names the clock."""
        if not isinstance(error, OF_TIME):
            return {}
        return {"clock": bool(Scanner.load(self._path).clock_doubt(self._clock))}

    def state(self) -> dict[str, Any]:
        """How many entries wait, and how many are kept for a person."""
        with Scanner.opened(self._path) as device:
            return {"waiting": len(device.queue), "refused": len(device.refused)}


class OwnWallet:
    """`checkin qr`, its file `wallet.json`."""

    def __init__(self, harness: Harness, url: str) -> None:
        self._clock = harness.clock
        self._url = url
        self._path, self._pins = Path("wallet.json"), Path("pins.json")
        self._open: Held | None = None
        self._shows = False

    def pin(self, issuer: str, log: dict[str, Any]) -> dict[str, Any]:
        """The issuer's verifier key and the log, by hand."""
        write_private(self._pins, {"issuer": issuer, "log": log})
        return {}

    def register(self, name: str, phone: str) -> dict[str, Any]:
        """Asks for a message with a code."""
        self._pending().write_text(wallets.register(self._url, name, phone), encoding="ascii")
        return {}

    def confirm(self, code: str) -> dict[str, Any]:
        """The code from the message."""
        registration = self._pending().read_text(encoding="ascii")
        held = wallets.confirm(self._url, registration, code, self._path)
        held.log = PinnedLog.read(read_private(self._pins)["log"]).plain()
        held.save()
        return {}

    def fetch(self) -> dict[str, Any]:
        """A batch of today."""
        self._held().fetch_today(ZONE, self._clock, NoteVerifier.parse(read_private(self._pins)["issuer"]))
        return {}

    def open(self, *, show_status: bool = False) -> dict[str, Any]:
        """A code for one opening."""
        held = self._held()
        self._open, self._shows = held.open_code(ZONE.day(held.now(self._clock))), show_status
        return self.renew()

    def renew(self) -> dict[str, Any]:
        """The same, signed anew."""
        if self._open is None:
            raise RequestInvalid("There is no open code.")
        return {"token": wallets.present(self._open, self._held().now(self._clock), ZONE, show_status=self._shows)}

    def state(self) -> dict[str, Any]:
        """How many codes of today were never shown, and how many notices there are."""
        held = self._held()
        return {"left": held.left(ZONE.day(held.now(self._clock))), "notices": len(held.disclosures)}

    def beside(self, _: CheckinError) -> dict[str, Any]:
        """Nothing with a refusal."""
        return {}

    def _held(self) -> Wallet:
        held = Wallet.load(self._path)
        held.issuer_url = self._url
        return held

    def _pending(self) -> Path:
        return self._path.with_suffix(".registration")


def serve(harness: Harness, party: OwnScanner | OwnWallet) -> None:
    """Does what it is told until there is nothing more."""
    while (line := harness.read()) is not None:
        name = line.pop("do")
        members = {key: value for key, value in line.items() if key not in ("now", "steady")}
        command: Callable[..., dict[str, Any]] = getattr(party, name)
        try:
            told: dict[str, Any] = {"done": command(**members)}
        except CheckinError as error:
            told = {"refused": error.code, **party.beside(error)}
        harness.write(**told)


def main() -> None:
    """`wallet` or `scanner`."""
    harness = Harness()
    relay = ThreadingHTTPServer(("127.0.0.1", 0), type("Relay", (_Relay,), {"harness": harness}))
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{relay.server_port}"
    serve(harness, OwnScanner(harness, url) if sys.argv[1:] == ["scanner"] else OwnWallet(harness, url))


if __name__ == "__main__":
    main()
