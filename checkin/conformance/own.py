"""Our own command-line wallet and scanner as judged programs: `python -m checkin.conformance.own wallet|scanner`.

They are what `checkin qr` and `checkin scan` are, with two things changed: their network is the harness, to which each
request is handed, and their clock is the harness's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from checkin.clock import Calendar
from checkin.errors import CheckinError, RequestInvalid, Unreachable
from checkin.files.json_file import load_party, read_private, save_party, write_private
from checkin.http.asking import Ask, Steps, drive
from checkin.http.client import json_content, problem_error
from checkin.parties import wallet as wallets
from checkin.parties.scanner import OF_TIME, Scanner, read_enrolment
from checkin.parties.wallet import Held, Wallet
from checkin.protocol.note import NoteVerifier
from checkin.tlog.proof import PinnedLog

ZONE: Final = Calendar("Asia/Seoul")
T = TypeVar("T")


class Harness:
    """Standard input and output, lines of commands and of answers, and the device's clocks as the last line said."""

    simulated = True

    def __init__(self) -> None:
        self._now, self._steady = 0.0, 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def boot(self) -> float:
        """The clock that cannot be set."""
        return self._steady

    def boot_id(self) -> str:
        """The same over a restart of the program."""
        return "told"

    def read(self) -> dict[str, Any] | None:
        """The next line but for the time; None at the end."""
        line = sys.stdin.readline()
        if not line:
            return None
        content: dict[str, Any] = json.loads(line)
        self._now, self._steady = float(content.pop("now")), float(content.pop("steady"))
        return content

    def write(self, **content: Any) -> None:
        sys.stdout.write(json.dumps(content) + "\n")
        sys.stdout.flush()

    def answer(self, ask: Ask) -> Any:
        """As `Client.answer`."""
        method = "GET" if ask.body is None else "POST"
        request = {"method": method, "path": ask.path, "token": ask.token, "body": ask.body}
        self.write(ask={name: value for name, value in request.items() if value is not None})
        answer = (self.read() or {}).get("answer")
        if answer is None:
            raise Unreachable
        kind = {"content-type": answer["type"]}
        response = httpx.Response(answer["status"], headers=kind, content=answer["body"])
        if not response.is_success:
            raise problem_error(response)
        return response.content if ask.raw else json_content(response)


class OwnParty:
    """A party of the command line with its file, which is read anew at each command."""

    def __init__(self, harness: Harness, file: str) -> None:
        self._harness, self._path = harness, Path(file)

    def beside(self, _: CheckinError) -> dict[str, Any]:
        """What it says with a refusal."""
        return {}

    def _does(self, steps: Steps[T]) -> T:
        return drive(steps, self._harness.answer, partial(save_party, self._path))


class OwnScanner(OwnParty):
    """`checkin scan`."""

    def enrol(self, code: str) -> dict[str, Any]:
        read = read_enrolment(code)
        save_party(self._path, Scanner(read.venue_id, read.scanner_id, read.scanner_token).plain())
        return {}

    def tend(self) -> dict[str, Any]:
        """The lists, then the queue."""
        self._does(load_party(Scanner, self._path).tend(self._harness))
        return {}

    def scan(self, text: str) -> dict[str, Any]:
        return {"result": str(self._does(load_party(Scanner, self._path).judge(text, self._harness)))}

    def beside(self, error: CheckinError) -> dict[str, Any]:
        """Whether a refusal names the clock."""
        if not isinstance(error, OF_TIME):
            return {}
        return {"clock": bool(load_party(Scanner, self._path).clock_doubt(self._harness))}

    def state(self) -> dict[str, Any]:
        """How many entries wait, and how many are kept for a person."""
        device = load_party(Scanner, self._path)
        return {"waiting": len(device.queue), "refused": len(device.refused)}


class OwnWallet(OwnParty):
    """`checkin qr`; beside its file what it was given by hand, and a registration that waits for its code."""

    def __init__(self, harness: Harness, file: str) -> None:
        super().__init__(harness, file)
        self._pins, self._pending = Path("pins.json"), Path("registration")
        self._open: Held | None = None
        self._shows = False

    def pin(self, issuer: str, log: dict[str, Any]) -> dict[str, Any]:
        """The issuer's verifier key and the log, by hand."""
        write_private(self._pins, {"issuer": issuer, "log": log})
        return {}

    def register(self, name: str, phone: str) -> dict[str, Any]:
        self._pending.write_text(self._does(wallets.register(name, phone)), encoding="ascii")
        return {}

    def confirm(self, code: str) -> dict[str, Any]:
        registration = self._pending.read_text(encoding="ascii")
        held = self._does(wallets.confirm("https://issuer.example", registration, code))
        held.log = PinnedLog.read(read_private(self._pins)["log"]).plain()
        save_party(self._path, held.plain())
        return {}

    def fetch(self) -> dict[str, Any]:
        pinned = NoteVerifier.parse(read_private(self._pins)["issuer"])
        self._does(self._held().fetch_today(ZONE, self._harness, pinned))
        return {}

    def open(self, *, show_status: bool = False) -> dict[str, Any]:
        """A code for one opening."""
        held = self._held()
        self._open = self._does(held.open_code(ZONE.day(held.now(self._harness))))
        self._shows = show_status
        return self.renew()

    def renew(self) -> dict[str, Any]:
        if self._open is None:
            raise RequestInvalid("There is no open code.")
        return {"token": wallets.present(self._open, self._held().now(self._harness), ZONE, show_status=self._shows)}

    def state(self) -> dict[str, Any]:
        """How many codes of today were never shown, and how many notices there are."""
        held = self._held()
        return {"left": held.left(ZONE.day(held.now(self._harness))), "notices": len(held.disclosures)}

    def _held(self) -> Wallet:
        return load_party(Wallet, self._path)


def main() -> None:
    """`wallet` or `scanner`: carries out commands until there are no more."""
    harness, scans = Harness(), sys.argv[1:] == ["scanner"]
    party = OwnScanner(harness, "scanner.json") if scans else OwnWallet(harness, "wallet.json")
    while (line := harness.read()) is not None:
        command: Callable[..., dict[str, Any]] = getattr(party, line.pop("do"))
        try:
            harness.write(done=command(**line))
        except CheckinError as error:
            harness.write(refused=error.code, **party.beside(error))


if __name__ == "__main__":
    main()
