"""`checkin.client`, its asyncio half and the examples of docs/examples/ against services that run."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkin import client
from checkin.client import aio
from checkin.demo.stage import Stage, messages, one_time_code, wait_until
from checkin.deployment.deployment import SERVICES
from checkin.errors import (
    AlreadyUsed,
    FileTrouble,
    PictureUnreadable,
    RequestInvalid,
    SettingsInvalid,
    TokenMalformed,
    Unauthorized,
    Unreachable,
)
from checkin.files.durable import replace_file
from checkin.http.client import Client
from checkin.parties.scanner import ScanResult
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.qr import read_image
from tests.checkin.audit.evidence import Site
from tests.support.frames import drawn

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NOWHERE = "http://127.0.0.1:9"
PHONES = iter(f"+8210{number:08}" for number in range(40_000_000, 40_000_100))


def a_wallet(town: Stage, folder: Path) -> Path:
    """Of somebody new."""
    pending = client.register(town.deployment.url("issuer"), "Han So-ra", phone := next(PHONES))
    recovery = client.confirm(pending, one_time_code(town.deployment, phone), folder / "wallet.json")
    assert recovery and recovery not in repr(pending)
    return folder / "wallet.json"


def a_door(town: Stage, folder: Path) -> Path:
    """Of a venue of its own, with its lists."""
    registry = town.deployment.url("venue")
    door = client.enrol(registry, town.deployment.token("enrolment"), folder / "scanner.json", name="Café")
    assert door.operator_token not in repr(door)
    assert client.upload(folder / "scanner.json", registry) == 0
    return folder / "scanner.json"


def test_what_the_authority_asked_is_in_no_log_that_holds_the_object() -> None:
    assert "measles" not in repr(client.FreshCode("CK1:", 9, ({"purpose": "measles"},)))


def test_a_wallet_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid):
        client.present(tmp_path / "wallet.json")
    assert list(tmp_path.iterdir()) == []


def test_a_code_is_presented_scanned_queued_and_uploaded(town: Stage, tmp_path: Path) -> None:
    """Text and picture alike; a second use is refused, and what was queued offline is sent with the next scan."""
    registry = town.deployment.url("venue")
    wallet, door = a_wallet(town, tmp_path), a_door(town, tmp_path)
    code = client.present(wallet)
    assert code.left_today == 9 and code.notices == () and code.text not in repr(code)
    assert client.scan(door, registry, code.text).result is ScanResult.ACCEPTED
    with pytest.raises(AlreadyUsed):
        client.scan(door, registry, code.png())
    queued = client.scan(door, registry, client.present(wallet).png(), offline=True)
    assert (queued.result, queued.waiting) == (ScanResult.QUEUED, 1)
    away = client.scan(door, NOWHERE, client.present(wallet).text)
    assert (away.result, away.waiting) == (ScanResult.QUEUED, 2)
    last = client.scan(door, registry, client.present(wallet).text)
    assert (last.result, last.waiting, last.refused) == (ScanResult.ACCEPTED, 0, 0)


def test_the_calls_of_asyncio_are_the_same_and_run_beside_one_another(town: Stage, tmp_path: Path) -> None:
    """Six of one wallet at once take six different codes: the file is for one at a time."""
    wallet, door = a_wallet(town, tmp_path), a_door(town, tmp_path)

    async def evening() -> list[str]:
        codes = await asyncio.gather(*(aio.present(wallet) for _ in range(6)))
        doors = [aio.scan(door, town.deployment.url("venue"), code.text) for code in codes]
        return [taken.result for taken in await asyncio.gather(*doors)]

    assert asyncio.run(evening()) == [ScanResult.ACCEPTED] * 6
    typed = {name: call for name, call in vars(client).items() if hasattr(call, "__wrapped__")}
    ours = [name for name, call in typed.items() if call.__module__ == client.__name__]
    named = [name for name in ours if name not in ("_typed", "read_code")]
    assert sorted(named) == sorted(name for name, call in vars(aio).items() if inspect.iscoroutinefunction(call))


def test_what_goes_wrong_is_an_error_of_the_project(town: Stage, tmp_path: Path) -> None:
    """Nothing else has to be caught, and nothing that is there is overwritten."""
    registry = town.deployment.url("venue")
    with pytest.raises(Unreachable):
        client.register(NOWHERE, "Han So-ra", "01012345678")
    with pytest.raises(SettingsInvalid):
        client.present(tmp_path / "no-wallet.json")
    with pytest.raises(Unauthorized):
        client.enrol(registry, "not the secret", tmp_path / "s.json", name="Café")
    wallet = a_wallet(town, tmp_path)
    before = wallet.read_bytes()
    with pytest.raises(RequestInvalid):
        client.confirm(client.PendingWallet(town.deployment.url("issuer"), "none"), "12345678", wallet)
    with pytest.raises(RequestInvalid):
        client.enrol(registry, town.deployment.token("enrolment"), wallet, name="Café")
    assert wallet.read_bytes() == before
    with pytest.raises(FileTrouble):
        client.present(tmp_path / "no-folder" / "wallet.json")
    with pytest.raises(TokenMalformed):
        client.read_code("https://example.org")
    with pytest.raises(PictureUnreadable):
        client.read_code(b"no picture")


def test_of_two_codes_in_a_picture_neither_is_passed_over() -> None:
    """Whose turn it is only a person can tell; a poster beside a code is nobody's."""
    for texts, told in ((("CK1:A", "CK1:B"), "There are 2 check-in codes"), (("CK1:A", "A POSTER"), "")):
        pictures = [drawn(text, scale=4) for text in texts]
        both = Image.new("L", (sum(one.width for one in pictures), max(one.height for one in pictures)), 255)
        for place, one in enumerate(pictures):
            both.paste(one, (place * pictures[0].width, 0))
        buffer = io.BytesIO()
        both.save(buffer, "PNG")
        if told:
            with pytest.raises(PictureUnreadable, match=told):
                client.read_code(buffer.getvalue())
        else:
            assert client.read_code(buffer.getvalue()) == "CK1:A"


def test_an_audit_is_verified_or_says_what_is_wrong(tmp_path: Path) -> None:
    """From a folder; one report changed by one figure is named."""
    folder = Site.make(tmp_path / "folder").write()
    verdict = client.verify_audit(folder, folder / "vkeys.txt")
    assert verdict.ok and verdict.reports == 86
    report = sorted((folder / "purge-reports").iterdir())[5]
    report.write_text(report.read_text().replace("rows 1482", "rows 1483"))
    with pytest.raises(client.EvidenceFaulty, match=report.name) as raised:
        client.verify_audit(folder, folder / "vkeys.txt")
    assert raised.value.faults[0].kind == "altered"
    with pytest.raises(FileTrouble):
        client.verify_audit(folder, folder / "vkeys.txt", since=folder / "none.txt")


def example(name: str, folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """A script of docs/examples, started in a folder of somebody's."""
    line = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str], answer: str = "") -> str:
    """What it said; it must have ended well."""
    said, errors = process.communicate(answer, timeout=300)
    assert process.returncode == 0, said + errors
    return said


def test_the_examples_work_one_after_the_other(town: Stage, tmp_path: Path) -> None:
    """A developer shows a code, a venue takes it once, and an auditor finds nothing wrong with the keys of all."""
    deployment, phone = town.deployment, next(PHONES)
    issuer, registry, retention = map(deployment.url, ("issuer", "venue", "retention"))
    developer = example("developer", tmp_path, issuer, "--name", "Kim Ji-woo", "--phone", phone)
    wait_until(lambda: phone in dict(messages(deployment)) or developer.poll() is not None)
    assert "9 more codes today" in ended(developer, one_time_code(deployment, phone) + "\n")
    assert len(read_image((tmp_path / "qr.png").read_bytes())) == 1
    secret = ("--secret-file", deployment.folder / "tokens" / "enrolment.token")
    said = ended(example("venue", tmp_path, registry, *secret, "qr.png", "qr.png"))
    assert "qr.png: come in (accepted)" in said and "qr.png: already_used:" in said
    assert "0 visits wait" in said
    replace_file(tmp_path / "vkeys.txt", deployment.vkeys_text().encode())
    told = ended(example("auditor", tmp_path, retention, "--vkeys", "vkeys.txt"))
    assert "Nothing is wrong" in told and "no day yet" in told
    forged = Site.make(tmp_path / "forged").write()
    assert "registry.example: 32 destroyed, 28 held" in ended(
        example("auditor", tmp_path, forged, "--vkeys", forged / "vkeys.txt")
    )
    refused = example("auditor", tmp_path, forged, "--vkeys", "vkeys.txt")
    assert "is forged" in refused.communicate(timeout=300)[1] and refused.returncode == 1


@pytest.fixture
def generated(town: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls an operation of a service through a client made of its description by another's generator: `call(service,
    operation, token, body=(model, values), path and query by name)` gives the parsed answer."""
    (tmp_path / "settings.yaml").write_text("post_hooks: []\n")  # it would format what nobody reads
    for name in SERVICES:
        with Client(town.deployment.url(name)) as asking:
            (tmp_path / f"{name}.json").write_text(json.dumps(asking.get("/openapi.json")))
        where = [f"--path={tmp_path / name}.json", f"--output-path={tmp_path / name}_made", "--meta=none"]
        command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", *where]
        command.append(f"--config={tmp_path / 'settings.yaml'}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))

    def call(service: str, operation: str, token: str = "", body: tuple[str, Any] | None = None, **named: Any) -> Any:
        package = f"{service}_made"
        if body:
            model = getattr(importlib.import_module(f"{package}.models"), body[0])
            named["body"] = model.from_dict(body[1])
        home = importlib.import_module(f"{package}.api.{operation}")
        clients = importlib.import_module(f"{package}.client")
        options = {"base_url": town.deployment.url(service), "httpx_args": {"trust_env": False}, "timeout": 60.0}
        made = clients.AuthenticatedClient(token=token, **options) if token else clients.Client(**options)
        with made as client:
            return home.sync(client=client, **named)

    return call


@pytest.mark.slow
def test_a_client_generated_from_the_descriptions_does_what_a_person_does(town: Stage, generated: Any) -> None:
    """With nothing of ours but what /openapi.json says: register, show a code, be let in once, be shown why not."""
    phone = next(PHONES)
    pending = generated("issuer", "registration.register", body=("Registration", {"name": "Jung Ho", "phone": phone}))
    code, id_ = one_time_code(town.deployment, phone), pending.registration_id
    confirmed = generated(
        "issuer", "registration.confirm_registration", body=("Confirmation", {"code": code}), registration_id=id_
    )
    shown = generated("issuer", "hosted_wallet.present_code", confirmed.wallet_token, body=("CodeRequest", {}))
    secret = town.deployment.token("enrolment")
    venue = generated("venue", "enrolment.enrol_venue", secret, body=("NewVenue", {"name": "Café", "category": "cafe"}))
    at = {"venue_id": venue.venue_id}
    door = generated("venue", "operator.enrol_scanner", venue.operator_token, body=("NewScanner", {"label": "1"}), **at)
    visit = {"token": shown.token, "scan_id": b64url_encode(bytes(16))}
    let_in = generated("venue", "scanner.check_in", door.scanner_token, body=("CheckInBody", visit))
    assert let_in.result == "accepted"
    again = {**visit, "scan_id": b64url_encode(bytes(15) + b"1")}
    refused = generated("venue", "scanner.check_in", door.scanner_token, body=("CheckInBody", again))
    assert (refused.status, refused.code) == (409, "already_used")
    today = generated("venue", "operator.venue_stats", venue.operator_token, **at).days[-1]
    assert today.total == 1
    stranger = generated("venue", "operator.venue_stats", "nobody", **at)
    assert stranger.code == "unauthorized"
    assert generated("retention", "reports.purge_reports").reports == []
    keys = generated("retention", "log.keys")
    assert keys.retention == town.deployment.verifier("retention").vkey
    account = generated("issuer", "wallet.show_account", confirmed.wallet_token)
    assert account.name == "Jung Ho" or "Jung Ho" in str(account)
    assert "destroyed" in generated("issuer", "wallet.forget_account", confirmed.wallet_token).text


def test_an_example_is_shorter_than_a_page() -> None:
    """Whoever reads one sees all of it, and its first lines say how it is called."""
    for script in EXAMPLES.glob("*.py"):
        lines = script.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 50 and any(line.startswith(f"python docs/examples/{script.name} ") for line in lines[:4])
