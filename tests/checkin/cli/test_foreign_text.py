"""What another party sends reaches a terminal spelled out, whichever command prints it: nothing of it acts there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from checkin import cli
from checkin.files.json_file import save_party
from checkin.parties.scanner import Scanner
from checkin.protocol.key_list import AuthorityKey, AuthorityList
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey
from tests.support.hostile import Answer, Network, hostile

EVIL: Final = "\x1b]0;owned\x07\x9b31m\u202egnp\r\n✓ Nothing is wrong."
ACTS: Final = ("\x1b", "\x07", "\x9b", "\u202e", "\r", "\n✓ Nothing is wrong")
ID: Final = "0123456789abcdef"
SIGNER: Final = NoteSigner("a.example/officer-1", SigningKey(bytes(32)))

# Every member that a command reads, as text that is not meant well; lists of as many objects as any command wants.
NAMES: Final = (
    "registration_id", "wallet_token", "recovery_code", "list", "proof", "log", "note", "time_note", "time", "vkey",
    "venue_id", "operator_token", "scanner_id", "scanner_token", "result", "code", "detail", "name", "label", "day",
    "service", "title", "signed_by", "zone", "registry", "index", "place", "size",
)  # fmt: skip
FLAT: Final[dict[str, Any]] = dict.fromkeys(NAMES, EVIL)
LISTS: Final = ("scanners", "results", "audits", "issuers", "disclosures", "statements", "witnesses", "points")
DEEP: Final = FLAT | {name: [FLAT] for name in LISTS}
# The same, as far as a command believes it: what it then goes on to ask for is as above.
HALF: Final = DEEP | {
    "registration_id": "abc",
    "wallet_token": "abc",
    "recovery_code": "ABC",
    "venue_id": ID,
    "scanner_id": ID,
    "operator_token": "abc",
    "scanner_token": "abc",
    "result": "accepted",
    "scanners": [FLAT | {"scanner_id": ID, "waiting": 2}],
}


def problem(code: str, status: int) -> Answer:
    """A refusal of the service, with the worst of sentences."""
    said = {"type": f"urn:checkin:problem:{code}", "title": EVIL, "status": status, "detail": EVIL, "code": code}
    return status, "application/problem+json", json.dumps(said)


ANSWERS: Final[dict[str, Answer]] = {
    "every member": (200, "application/json", json.dumps(DEEP)),
    "every member behind good ids": (201, "application/json", json.dumps(HALF)),
    "a refusal": problem("unauthorized", 401),
    "a refusal of another code": problem("gibberish_code", 409),
    "not ready": problem("not_ready", 503),
    "a file": (200, "text/plain", EVIL),
    "a note": (200, "text/plain", f"{EVIL}\n\n— {EVIL} AAAA\n"),
}
COMMANDS: Final = {
    "qr": "qr --issuer {url} --wallet {at}/w.json --name A --phone 01012345678",
    "qr, second call": "qr --issuer {url} --wallet {at}/begun.json --code 12345678",
    "enrol": "enrol --venue {url} --secret-file {at}/token -o {at}/new.json",
    "scan": "scan CK1:ABC --venue {url} --scanner {at}/scanner.json",
    "renew": f"venue renew-token {ID} --registry {{url}} --secret-file {{at}}/token",
    "close": f"venue close {ID} --registry {{url}} --secret-file {{at}}/token --yes",
    "revoke": f"revoke {ID} --registry {{url}} --venue {ID} --token-file {{at}}/token --stolen --yes",
    "verify": "audit verify --url {url} --vkeys {at}/vkeys",
    "run": "audit run --url {url} --token {at}/token",
    "show": "audit show --url {url}",
    "show one": "audit show 3 --url {url}",
    "publish": "authority keys publish {at}/keys.txt --issuer {url} --token-file {at}/token",
    "publish, logged": "authority keys publish {at}/keys.txt --log {url} --log-key {vkey} --log-token-file {at}/token",
}


class _Everywhere(dict[tuple[str, str], Answer]):
    """Rules with one answer to whatever is asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, _: object, __: object = None) -> Any:
        """As a dictionary's."""
        return self._answer


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Answers alone; nothing is behind it."""
    with hostile("http://127.0.0.1:9") as made:
        yield made


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A folder with the files that commands want."""
    keys = AuthorityList("a.example", {20777: AuthorityKey(OpeningKey(bytes([7] * 32)).public, "0" * 64)})
    save_party(tmp_path / "scanner.json", Scanner(ID, ID, "abc").plain())
    files = {
        "token": "abc\n",
        "begun.json.registration": json.dumps("abc"),
        "vkeys": SIGNER.verifier.vkey + "\n",
        "keys.txt": sign_note(keys.text(), SIGNER),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_lets_a_service_act_on_the_terminal(
    network: Network, at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """Nor does any end in a traceback; with --json, standard output is JSON whatever comes."""
    monkeypatch.setattr(cli, "harden", list)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    line = words.format(url=network.url, at=at, vkey=SIGNER.verifier.vkey)
    said = ""
    for name, answer in ANSWERS.items():
        network.rules = _Everywhere(answer)
        for option in ([], ["--json"]):
            if option and words.startswith("venue close"):
                continue
            monkeypatch.setattr(sys, "argv", ["checkin", *line.split(), *option])
            with pytest.raises(SystemExit):
                cli.main()
            told = capsys.readouterr()
            for acting in ACTS:
                assert acting not in f"\n{told.out}{told.err}", (name, told)
            if option and told.out:
                json.loads(told.out)
            said += told.out + told.err
        for made in ("new.json", "w.json", "begun.json"):
            (at / made).unlink(missing_ok=True)
    assert "\\x1b]0;owned" in said, "the control: it came so far"
