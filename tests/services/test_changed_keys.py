"""Long-lived keys are changed as docs/operating.md says, in a deployment that was in use before."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkin import client
from checkin.demo.stage import one_time_code
from checkin.deployment.deployment import NAMES, SERVICES, Deployment
from checkin.deployment.processes import Processes
from checkin.errors import NoteUntrusted
from checkin.http.client import Client
from checkin.keys.officer_folder import load_share, load_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, draft
from checkin.service.addresses import free_ports
from checkin.service.auth import token_hash
from checkin.tracing.execute import execute_order
from tests.support.waiting import PATIENCE

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
PHONE, OTHER_PHONE = "+821055557777", "+821055558888"


def typed(part: str, folder: Path, *changes: tuple[str, str]) -> None:
    """The section's block in which that stands, with other names, in a shell in that folder."""
    section = PAGE.read_text(encoding="utf-8").partition("### Changing long-lived keys\n")[2].partition("\n### ")[0]
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", section, re.S) if part in block]
    for old, new in changes:
        block = block.replace(old, new)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    line = ["/bin/bash", "-ec", block]
    subprocess.run(line, cwd=folder, env={**os.environ, "PATH": path}, check=True, stdout=subprocess.DEVNULL)


def put(path: Path, old: str, new: str) -> None:
    """In a file that has the old text."""
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new), encoding="utf-8")


def change_statement_key(deployment: Deployment, service: str) -> None:
    """By the page's lines, and everybody who pinned the old one pins the new one; retention and auditors keep both."""
    files = [*map(deployment.config, SERVICES), deployment.folder / "authority/parties.toml"]
    before = deployment.verifier(service).vkey
    typed("mv statement.key", deployment.folder / service, ("issuer.example", NAMES[service]))
    after = deployment.verifier(service).vkey
    for path in [path for path in files if before in path.read_text(encoding="utf-8")]:
        put(path, before, after)
    name = f'name = "{NAMES[service]}"'
    former = f'former = ["{before}"]'
    put(deployment.config("retention"), name, f"{former}\n{name}" if service == "retention" else f"{former}, {name}")
    with (deployment.folder / "vkeys.txt").open("a", encoding="utf-8") as file:
        file.write(f"{after}\n")


def change_log_key(deployment: Deployment) -> None:
    """As that, of the log, which goes on: the retention service is told the former one, auditors write the new one
    below."""
    files = [*map(deployment.config, SERVICES), deployment.folder / "authority/parties.toml"]
    before = deployment.log_verifier().vkey
    typed("mv log.key", deployment.folder / "retention", ("retention.example", NAMES["retention"]))
    after, name = deployment.log_verifier().vkey, f'name = "{NAMES["retention"]}"'
    for path in [path for path in files if before in path.read_text(encoding="utf-8")]:
        put(path, before, after)
    put(deployment.config("retention"), name, f'log_former = ["{before}"]\n{name}')
    with (deployment.folder / "vkeys.txt").open("a", encoding="utf-8") as file:
        file.write(f"{after}\n")


def change_token(deployment: Deployment) -> None:
    """What the registry and the retention service show each other."""
    before = deployment.token("retention-venue")
    typed("> retention.token", deployment.folder / "tokens", ("retention.token", "retention-venue.token"))
    after = deployment.token("retention-venue")
    put(deployment.config("venue"), token_hash(before).hex(), token_hash(after).hex())


def change_master(deployment: Deployment, service: str) -> None:
    """By the page's line; every slot has other bytes then."""
    slots = {path: path.read_bytes() for path in (deployment.folder / service / "keys").glob("*.slot")}
    typed("change-master", deployment.folder / service, ("issuer.toml", "settings.toml"))
    assert slots and all(path.read_bytes() != before for path, before in slots.items())


def change_officers(deployment: Deployment) -> None:
    """By the page's line, and everybody who pinned the former ones pins the new ones, and keeps those."""
    before = [key.vkey for key in deployment.authority().officers.verifiers]
    options = " --yes --allow-unfit-storage" if deployment.warnings else " --yes"
    typed("authority renew", deployment.folder, ("authority renew", "authority renew" + options))
    after = [key.vkey for key in deployment.authority().officers.verifiers]
    for service in SERVICES:
        for former, new in zip(before, after, strict=True):
            put(deployment.config(service), former, new)
        kept = f"former = [{{ officers = {json.dumps(before)}, threshold = 2 }}]"
        put(deployment.config(service), "threshold = 2 }", f"threshold = 2, {kept} }}")
    with (deployment.folder / "vkeys.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{vkey}\n" for vkey in after)


def people_at(deployment: Deployment, folder: Path, venue: str, visited: float) -> list[str]:
    """The names that an order of the present officers finds."""
    authority, parties, officers = deployment.authority(), deployment.parties(), deployment.officers()[:2]
    window = (visited - 600, visited + 600)
    order = draft(
        OrderRequest("2026-17", "measles", "Act, Article 76-2", venue=venue, window=window),
        authority,
        registry=parties.registry.verifier.name,
        issuers=[issuer.verifier.name for issuer in parties.issuers],
        now=deployment.clock.now(),
    )
    drafted = OrderFolder.make(folder, order)
    drafted.sign(map(load_signer, officers))
    result = execute_order(drafted.open(authority.officers), authority, parties, map(load_share, officers))
    return [person.name for person in result.people]


def code_of(wallet: Path) -> str:
    return client.present(wallet).text


def test_long_lived_keys_are_changed_and_everything_goes_on(tmp_path: Path) -> None:
    """All of them at once: codes, a trace, the audit, what the authority keeps, and what was signed before. A scanner
    keeps the keys that it pinned, so it says so and enrols anew, as a wallet registers anew."""
    deployment = Deployment.open_or_make(tmp_path / "up", free_ports(3))
    issuer, registry, retention = map(deployment.url, SERVICES)
    wallet, again, old, new = (tmp_path / f"{name}.json" for name in ("wallet", "again", "old", "new"))
    earlier = tmp_path / "checkpoint.txt"
    secret = deployment.token("enrolment")
    with Processes(deployment):
        pending = client.register(issuer, "Han So-ra", PHONE)
        client.confirm(pending, one_time_code(deployment, PHONE), wallet)
        visited, venue = deployment.clock.now(), client.enrol(registry, secret, old, name="Café").venue_id
        assert client.scan(old, registry, code_of(wallet)).result == "accepted"
        with Client(retention, deployment.token("auditor")) as auditor:
            assert auditor.post("/v1/audits", {})["result"] == "pass"
            earlier.write_bytes(auditor.get_bytes("/checkpoint"))
    for service in SERVICES:
        change_statement_key(deployment, service)
    for service in ("issuer", "venue"):  # the retention service has no keys of days
        change_master(deployment, service)
    change_log_key(deployment)
    change_token(deployment)
    change_officers(deployment)
    (tmp_path / "fresh.txt").write_text(deployment.vkeys_text())
    with Processes(deployment, PATIENCE) as processes:
        assert processes.unready == []
        processes.stop("venue")  # the issuer's list was not signed anew yet when it asked, and it asks once a minute
        processes.start("venue")
        processes.wait_for("venue")
        assert processes.settle(PATIENCE) == []
        with pytest.raises(NoteUntrusted, match="enrol"):
            client.scan(old, registry, code_of(wallet))
        client.enrol(registry, secret, new, name="Café")
        pending = client.register(issuer, "Han So-ra", OTHER_PHONE)
        client.confirm(pending, one_time_code(deployment, OTHER_PHONE), again)
        assert client.scan(new, registry, code_of(again)).result == "accepted"
        for kept in deployment.authority().logged().values():
            assert deployment.parties().log.pinned.require(*kept).size > 0
        assert people_at(deployment, tmp_path / "order", venue, visited) == ["Han So-ra"]
        with Client(retention, deployment.token("auditor")) as auditor:
            assert auditor.post("/v1/audits", {})["result"] == "pass"
        assert client.verify_audit(retention, deployment.folder / "vkeys.txt", since=earlier).audits >= 2
        with pytest.raises(client.EvidenceFaulty, match="forged"):
            client.verify_audit(retention, tmp_path / "fresh.txt")
