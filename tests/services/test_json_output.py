"""With --json a command tells one JSON value on standard output, whatever it is: every command that has the option."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from checkin import cli
from checkin.demo.stage import Stage, registered
from checkin.files.json_file import save_party
from checkin.keys.secret_file import make_secret
from tests.checkin.certificate.conftest import Signer, claims_of

ELSEWHERE = {"bench", "conformance", "demo", "simulate"}  # they take long; their own tests read what they print


def with_json(name: str, command: Any) -> Iterator[str]:
    """The names of a command and those below it that have the option."""
    for below, each in getattr(command, "commands", {}).items():
        yield from with_json(f"{name} {below}", each)
    if any("--json" in option.opts for option in command.params):
        yield name


class Desk:
    """Somebody who types commands with --json; remembers which."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.typed: set[str] = set()

    def type(self, name: str, *options: object) -> Any:
        """What standard output holds."""
        self.typed.add(name)
        line = [*name.split(), *(str(option) for option in options), "--json"]
        done = CliRunner().invoke(cli.app, line)
        assert done.exception is None or isinstance(done.exception, SystemExit), (name, done.exception)
        return json.loads(done.stdout)

    def secret(self, name: str, content: str) -> Path:
        """A file for its owner alone."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(content, encoding="utf-8")
        return path


def stopped(folder: Path) -> Path:
    """The settings of a service that ran once, and has no key."""
    make_secret(folder / "master.key")
    (folder / "keys").mkdir()
    (folder / "keys/in-use.lock").touch()
    (folder / "stopped.toml").write_text(
        'name = "x"\ndata = "data"\nkeys = "keys"\nmaster_key = "master.key"\nstatement_key = "s"\n'
        "allow_unfit_storage = true\n"
    )
    return folder / "stopped.toml"


def test_every_command_that_has_json_prints_json(town: Stage, tmp_path: Path) -> None:
    """Beside a running deployment, one after the other."""
    desk, deployment = Desk(tmp_path), town.deployment
    issuer, registry, retention = (deployment.url(name) for name in ("issuer", "venue", "retention"))
    enrolment, auditor = (deployment.folder / "tokens" / f"{name}.token" for name in ("enrolment", "auditor"))
    clock = ("--simulated-clock", town.folder / "clock")

    registered(deployment, "Jung Ho", "+821055556666", partial(save_party, tmp_path / "wallet.json"))
    code = desk.type("qr", "--issuer", issuer, "--wallet", tmp_path / "wallet.json", *clock)["token"]
    scanner = tmp_path / "scanner.json"
    made = desk.type("enrol", "--venue", registry, "--secret-file", enrolment, "-o", scanner)
    assert desk.type("scan", code, "--venue", registry, "--scanner", scanner, *clock)["result"] == "accepted"
    whose = ("--registry", registry, "--secret-file", enrolment)
    token = desk.type("venue renew-token", made["venue_id"], *whose)["operator_token"]
    operator = ("--registry", registry, "--venue", made["venue_id"], "--token-file", desk.secret("operator", token))
    desk.type("revoke", made["scanner_id"], *operator)

    signer = Signer()
    (tmp_path / "trust.pem").write_bytes(signer.pem)
    desk.type("certificate verify", signer.text(claims_of("v")), "--trust", tmp_path / "trust.pem")
    witness = ("--dir", tmp_path / "witness")
    desk.type("witness init", *witness, "--name", "w.example/1")
    desk.type("witness add-log", *witness, "--log", deployment.log_verifier().vkey)
    desk.type("witness status", *witness)
    for name in ("purge status", "purge run"):
        desk.type(name, "--config", deployment.config("issuer"), *clock)

    assert desk.type("change-master", "--config", stopped(tmp_path))["slots"] == 0

    other, former = ("--dir", tmp_path / "other", "--allow-unfit-storage"), tmp_path / "other/officers"
    desk.type("authority init", *other, "--name", "h.example")
    desk.type("authority renew", *other, "--officer", former / "1", "--officer", former / "2", "--yes")
    here = ("--dir", deployment.folder / "authority", *clock, "--allow-unfit-storage")
    two = [word for folder in deployment.officers()[:2] for word in ("--officer", folder)]
    keys, order = tmp_path / "keys.txt", tmp_path / "order"
    desk.type("authority keys make", *here)
    desk.type("authority keys list", *here, "-o", keys)
    desk.type("authority keys sign", keys, *two, "--yes")
    desk.type("authority keys publish", keys, *here)
    desk.type("authority keys destroy", *here)
    desk.type("authority keys status", *here)
    lost = ("--service", "registry.localhost", "--node", deployment.verifier("venue").vkey, "-o", tmp_path / "lost.txt")
    desk.type("authority node-lost", *here, *lost, *two, "--yes")
    about = ("--case", "1", "--purpose", "p", "--basis", "b", "--person", "+821055556666")
    days = ("--since", "2026-11-20", "--until", "2026-11-20")
    desk.type("authority order", order, *here, *about, *days)
    desk.type("authority sign", order, *two, "--yes")
    assert len(desk.type("authority trace", order, *here, *two, "-o", tmp_path / "result")["places"]) == 1

    early = ("--service", "registry.localhost", "--first", "2026-11-20", "--last", "2026-11-20", "--reason", "a drill")
    desk.type("authority destroy-early", *here, *early, *two, "--yes", "-o", tmp_path / "early.txt")
    desk.type("purge early", "--config", deployment.config("venue"), "--statement", tmp_path / "early.txt", *clock)

    desk.type("audit run", "--url", retention, "--token", auditor)
    desk.type("audit show", "--url", retention)
    desk.type("audit verify", "--url", retention, "--vkeys", deployment.folder / "vkeys.txt")
    known = {name for first in cli.COMMANDS for name in with_json(first, cli.loaded(first))}
    assert desk.typed == known - ELSEWHERE
