"""The list of keys on its way into the log: what is published when, by several workers, after stops and other pins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import NotReady, Unreachable
from checkin.files.durable import replace_file
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.service import key_list_publisher as publisher
from checkin.service.checkpoint_seen import newest_checkpoint
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.merkle import inclusion_proof, leaf_hash, root
from checkin.tlog.proof import LogProof
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from tests.support.issuer_service import Site, keep_house
from tests.support.service_folder import DAY


@dataclass
class Log:
    """As far as a service sees it; `seen` is whether witnesses have cosigned."""

    signer: NoteSigner = field(default_factory=lambda: NoteSigner("log.example", SigningKey(random_bytes(32))))
    entries: list[bytes] = field(default_factory=list)
    down: bool = False
    seen: bool = True

    def submit(self, _: Any, note: str) -> int:
        if self.down:
            raise Unreachable
        if note.encode() not in self.entries:
            self.entries.append(note.encode())
        return self.entries.index(note.encode())

    def proof_of(self, _: Any, index: int, __: Any) -> LogProof | None:
        leaves = [leaf_hash(entry) for entry in self.entries]
        head = Checkpoint(self.signer.name, len(leaves), root(leaves))
        hashes = inclusion_proof(index, len(leaves), lambda first, last: root(leaves[first:last]))
        return LogProof(index, tuple(hashes), sign_note(head.write(), self.signer)) if self.seen else None


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Reached by whoever asks any log."""
    made = Log()
    monkeypatch.setattr(publisher, "submit", made.submit)
    monkeypatch.setattr(publisher, "proof_of", made.proof_of)
    return made


def pins(folder: Path, log: Log, url: str = ', url = "http://log.example", token_file = "log.token"') -> str:
    """The setting."""
    folder.mkdir(exist_ok=True)
    return f'{{ vkey = "{log.signer.verifier.vkey}"{url} }}'


@pytest.fixture
def site(tmp_path: Path, log: Log) -> Site:
    """An issuer that pins the log."""
    site = Site.make(tmp_path / "issuer", log=pins(tmp_path, log))
    replace_file(site.folder / "log.token", b"token\n")
    return site


@contextmanager
def opened(site: Site) -> Iterator[Issuer]:
    """A worker; its keys are made."""
    issuer = Issuer(IssuerSettings.load(site.config), site.clock.path)
    try:
        keep_house(issuer)
        yield issuer
    finally:
        issuer.close()


@pytest.fixture
def issuer(site: Site) -> Iterator[Issuer]:
    """Its keys are made; its list has not gone anywhere yet."""
    with opened(site) as issuer:
        yield issuer


def told(issuer: Issuer) -> str:
    """What /readyz says."""
    [finding] = issuer.lists.findings()
    return finding.level


def test_a_list_is_published_with_its_proof_and_logged_once(
    issuer: Issuer, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (issuer.lists.published().proof, told(issuer)) == (None, "failure")
    for _ in range(3):
        issuer.lists.run()
    shown = issuer.lists.published()
    assert log.entries == [shown.note.encode()]
    assert issuer.lists.log
    assert shown.proof
    with monkeypatch.context() as patch:
        patch.setattr(issuer.lists._state, "update", lambda _: pytest.fail("there is nothing to write"))
        issuer.lists.run()
    assert (issuer.lists.log.vkey, told(issuer)) == (log.signer.verifier.vkey, "ok")
    assert shown.list.keys == issuer.signing.listed()


def test_the_old_list_stays_while_the_new_one_waits_for_log_or_witnesses(issuer: Issuer, site: Site, log: Log) -> None:
    issuer.lists.run()
    before = issuer.lists.published()
    site.set_day(DAY + 1)
    keep_house(issuer)
    log.down = True
    issuer.lists.run()
    assert (issuer.lists.published(), told(issuer)) == (before, "warning")
    log.down, log.seen = False, False
    issuer.lists.run()
    assert (issuer.lists.published(), told(issuer)) == (before, "warning")
    log.seen = True
    issuer.lists.run()
    after = issuer.lists.published()
    assert DAY + 15 in after.list.keys
    assert after.proof != before.proof
    assert told(issuer) == "ok"


def test_it_fails_once_no_list_in_the_log_has_todays_key(issuer: Issuer, site: Site, log: Log) -> None:
    issuer.lists.run()
    log.down = True
    site.set_day(DAY + 14)
    keep_house(issuer)
    issuer.lists.run()
    assert told(issuer) == "warning"
    site.set_day(DAY + 15)
    keep_house(issuer)
    issuer.lists.run()
    assert told(issuer) == "failure"


def test_the_list_is_written_down_before_the_log_hears_of_it(
    issuer: Issuer, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    def submit(client: Any, note: str) -> int:
        kept.append(json.loads((issuer.party.data / "key-list.json").read_text())["waiting"])
        assert kept[-1] == note
        return log.submit(client, note)

    monkeypatch.setattr(publisher, "submit", submit)
    issuer.lists.run()
    assert len(kept) == 1


def test_workers_share_what_one_of_them_proved(issuer: Issuer, site: Site, log: Log) -> None:
    """The second one asks the log nothing."""
    with opened(site) as other:
        issuer.lists.run()
        log.down = True
        other.lists.run()
        assert other.lists.published() == issuer.lists.published()
        assert told(other) == "ok"


def test_a_slow_worker_does_not_put_an_older_list_back(
    issuer: Issuer, site: Site, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one worker waits for its proof, midnight passes and another one publishes the next list."""
    with opened(site) as other:

        def slow(client: Any, index: int, pinned: Any) -> LogProof | None:
            proof = log.proof_of(client, index, pinned)
            monkeypatch.setattr(publisher, "proof_of", log.proof_of)
            site.set_day(DAY + 1)
            keep_house(other)
            other.lists.run()
            return proof

        monkeypatch.setattr(publisher, "proof_of", slow)
        issuer.lists.run()
        assert DAY + 15 in issuer.lists.published().list.keys
        assert told(other) == "ok"


def test_a_restart_keeps_the_list_and_its_proof(issuer: Issuer, site: Site, log: Log) -> None:
    issuer.lists.run()
    log.down = True
    with opened(site) as again:
        assert again.lists.published() == issuer.lists.published()
        assert again.lists.published().proof


def test_after_another_log_was_pinned_no_old_proof_is_shown(issuer: Issuer, site: Site, log: Log) -> None:
    issuer.lists.run()
    config = site.config
    other = Log()
    config.write_text(config.read_text().replace(log.signer.verifier.vkey, other.signer.verifier.vkey))
    with opened(site) as again:
        assert (again.lists.published().proof, told(again)) == (None, "failure")


def test_a_log_that_changed_its_key_proves_the_same_list_in_its_place(issuer: Issuer, site: Site, log: Log) -> None:
    """And whoever asks which checkpoint was seen last is told what the present key signed, though it is no longer."""
    issuer.lists.run()
    config, former = site.config, log.signer
    log.signer = NoteSigner(former.name, SigningKey(random_bytes(32)))
    config.write_text(config.read_text().replace(former.verifier.vkey, log.signer.verifier.vkey))
    with opened(site) as again:
        again.lists.run()
        assert again.lists.published().proof and len(log.entries) == 1
        seen = newest_checkpoint(again.party.data)
    assert seen and open_checkpoint(seen, log.signer.verifier).size == 1


def test_a_proof_that_does_not_verify_is_not_published(issuer: Issuer, log: Log) -> None:
    """The log's own answers are not believed either."""
    pinned, log.signer = log.signer, NoteSigner("log.example", SigningKey(random_bytes(32)))
    issuer.lists.run()
    assert (issuer.lists.published().proof, told(issuer)) == (None, "failure")
    log.signer = pinned
    issuer.lists.run()
    assert issuer.lists.published().proof


def test_without_an_address_of_the_log_there_is_a_list_and_a_warning(tmp_path: Path, log: Log) -> None:
    site = Site.make(tmp_path / "issuer", log=pins(tmp_path, log, ""))
    with opened(site) as issuer:
        issuer.lists.run()
        assert (issuer.lists.published().proof, told(issuer), log.entries) == (None, "warning", [])
        assert not issuer.lists.urgent()


def test_without_a_log_nothing_is_asked_of_anybody(tmp_path: Path, log: Log) -> None:
    site = Site.make(tmp_path / "issuer")
    with opened(site) as issuer:
        issuer.lists.run()
        assert (list(issuer.lists.findings()), issuer.lists.log, log.entries) == ([], None, [])
        assert issuer.lists.published().list.keys == issuer.signing.listed()


def test_it_is_tried_often_while_it_is_new_and_not_any_more_when_it_is_there(issuer: Issuer, log: Log) -> None:
    log.seen = False
    issuer.lists.run()
    assert issuer.lists.urgent()
    log.seen = True
    issuer.lists.run()
    assert not issuer.lists.urgent()


def test_a_log_that_refuses_is_named_by_its_code(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any, __: str) -> int:
        raise NotReady

    monkeypatch.setattr(publisher, "submit", refuse)
    issuer.lists.run()
    [finding] = issuer.lists.findings()
    assert NotReady.code in finding.text


@pytest.mark.parametrize(
    "content",
    [b"", b'{"note": "', b'{"note": "", "proof": "", "waiting": "", "x": "1"}', b"[]", b'{"note": 1}', b"\xff"],
    ids=["empty", "cut off", "another member", "a list", "a number", "no text"],
)
def test_a_damaged_file_is_as_good_as_none(issuer: Issuer, site: Site, content: bytes) -> None:
    """A disk that was full for a moment does not keep the issuer from starting: the log proves its list again."""
    issuer.lists.run()
    before = issuer.lists.published()
    path = next(site.folder.rglob("key-list.json"))
    path.write_bytes(content)
    with opened(site) as again:
        assert told(again) == "failure"
        again.lists.run()
        assert (again.lists.published(), told(again)) == (before, "ok")
