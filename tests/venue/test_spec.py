"""docs/spec/registry.md is true: its example is sent to a registry, its tables are held against the code."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.secret_file import read_secret
from checkin.protocol.primitives import SigningKey, aead_seal, random_bytes
from checkin.service.auth import token_hash
from tests.support.registry_service import Registry, enrol
from tests.vectors import material
from tests.venue.conftest import NewIssuer
from tests.venue.test_fuzz import DOCUMENTED

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "registry.md").read_text(encoding="utf-8")
EXCHANGE = re.compile(
    r"^```exchange\n(POST) (\S+) HTTP/1.1\n(Authorization: (.*))\n.*\n\n(.*)\n\n"
    r"HTTP/1.1 (\d+) .*\nContent-Type: (.*)\n\n(.*)\n```$",
    re.MULTILINE,
)


def known_key(registry: Registry, name: KeyName, key: bytes) -> None:
    """Puts a known key into the place of the random one that a registry makes at its first start."""
    with registry.client():
        pass
    (registry.folder / "keys" / f"{name}.slot").unlink()
    ring = KeyRing(registry.folder / "keys", read_secret(registry.folder / "master.key"), allow_unfit=True)
    nonce = random_bytes(12)
    ring._slots.write(str(name), nonce + aead_seal(ring._wrap, nonce, random_bytes(16) + key, str(name).encode()))


def known_scanner(registry: Registry, token: str) -> None:
    """Gives the first venue and scanner the ids of the example, and the scanner its token."""
    with closing(sqlite3.connect(registry.folder / "data" / "venue.db")) as database, database:
        database.execute("UPDATE venues SET id = ?", [material.PLACE.venue.hex()])
        values = [material.PLACE.scanner.hex(), material.PLACE.venue.hex(), token_hash(token)]
        database.execute("UPDATE scanners SET id = ?, venue = ?, token_sha256 = ?", values)
        database.execute("UPDATE changes SET number = number + 1")


def test_the_complete_example_gets_the_answers_it_shows(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuer = new_issuer(material.ISSUER)
    issuer.keys[material.DAY] = SigningKey(material.seed("issuer key"))
    registry = Registry(tmp_path / "registry", [issuer], now=material.NOON + 3)
    known_key(registry, KeyName(Purpose.INTAKE, material.DAY), material.seed("intake key"))
    exchanges = EXCHANGE.findall(PAGE)
    assert len(exchanges) == PAGE.count("```exchange") == 4
    with registry.client() as client:
        enrol(client)
        known_scanner(registry, exchanges[0][3].removeprefix("Bearer "))
        for method, path, _, authorization, body, status, kind, shown in exchanges:
            headers = {"Authorization": authorization, "Content-Type": "application/json"}
            answer = client.request(method, path, content=body, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (int(status), kind)
            assert answer.json() == json.loads(shown)


def test_the_results_table_has_every_code_that_can_come(tmp_path: Path, new_issuer: NewIssuer) -> None:
    section = PAGE.partition("## 6. Results")[2].partition("## 7.")[0]
    listed = set(re.findall(r"`([a-z_]+)`", section)) - {"same_venue"}
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with registry.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    answers = [paths[path]["post"]["responses"] for path in ("/v1/check-ins", "/v1/check-ins/batch")]
    problems = (answer["content"].get("application/problem+json", {}) for found in answers for answer in found.values())
    single = {code for problem in problems for code in problem.get("examples", ())}
    assert listed == single | DOCUMENTED | {"not_ready", "internal_error"}


def test_the_tables_of_columns_are_those_of_the_databases(tmp_path: Path, new_issuer: NewIssuer) -> None:
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with registry.client() as client:
        assert client.get("/healthz").status_code == 200
    section = PAGE.partition("## 7. What is stored")[2].partition("## 8.")[0]
    listed = {
        cells[0]: cells[1:] for line in section.splitlines() if len(cells := re.findall(r"`([a-z0-9_]+)`", line)) > 1
    }
    found: dict[str, list[str]] = {}
    for file in ("venue.db", "gates.db"):
        with closing(sqlite3.connect(registry.folder / "data" / file)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found |= {name: [row[1] for row in database.execute(f'PRAGMA table_info("{name}")')] for name in tables}
    assert listed == found
