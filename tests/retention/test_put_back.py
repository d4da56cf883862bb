"""A log whose data were put back from a backup signs nothing: no second checkpoint of a size that it has signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.errors import LogBehind, SettingsInvalid
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.note import NoteSigner, sign_note, signed_by, unverified_text
from checkin.protocol.primitives import SigningKey, sha256
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.witness import SIZE_TYPE
from checkin.tlog.witness_folder import add_log
from retention.continuity import SIGNED_FILE
from retention.log import Log
from retention.parts import Parts
from tests.retention.logs import WITNESS
from tests.retention.witnesses import Witness, pin
from tests.support.hostile import Answer, Network, hostile
from tests.support.retention_service import Retention, Service


@pytest.fixture
def put_back(retention: Retention) -> Iterator[tuple[Retention, str]]:
    """A stopped service of two entries whose data are of the first alone, and the checkpoint it signed last."""
    parts = retention.parts()
    parts.log.append([b"one\n"])
    shutil.copytree(retention.folder / "data", retention.folder / "copy")
    parts.log.append([b"two\n"])
    signed = parts.log.checkpoint()
    parts.close()
    restore(retention.folder)
    yield retention, signed


def restore(folder: Path) -> None:
    shutil.rmtree(folder / "data")
    shutil.copytree(folder / "copy", folder / "data")


def size(parts: Parts) -> int:
    return Checkpoint.read(parts.log.checkpoint().partition("\n\n")[0] + "\n").size


def refuses(parts: Parts) -> str:
    """What it says; nothing was signed and no entry has got a place."""
    with pytest.raises(LogBehind) as refused:
        parts.log.append([b"another\n"])
    with pytest.raises(LogBehind):
        parts.log.resume()
    assert size(parts) == parts.log.size() == 1
    assert parts.log._state.count() == 1
    return refused.value.detail


def test_a_log_that_was_put_back_signs_nothing_and_says_so(put_back: tuple[Retention, str]) -> None:
    retention, _ = put_back
    parts = retention.parts()
    assert SIGNED_FILE in refuses(parts)
    parts.close()
    with retention.client() as client:
        ready = client.get("/readyz")
        found = {finding["name"]: finding for finding in ready.json()["findings"]}
        assert (ready.status_code, found["log"]["level"]) == (503, "failure")
        assert found["log"]["text"].startswith("log_behind: ")


def test_without_the_record_it_would_sign_a_second_checkpoint_of_that_size(put_back: tuple[Retention, str]) -> None:
    """The control arm."""
    retention, signed = put_back
    parts = retention.parts()
    signer, folder = parts.log._signer, parts.party.data / "log"
    parts.close()
    log = Log(folder, signer)
    log.append([b"another\n"])
    before, after = (Checkpoint.read(note.partition("\n\n")[0] + "\n") for note in (signed, log.checkpoint()))
    assert before.size == after.size and before.root != after.root
    log.close()


def test_a_service_that_saw_more_stops_a_log_whose_keys_were_put_back_too(
    put_back: tuple[Retention, str], service: Service
) -> None:
    retention, signed = put_back
    (retention.folder / "keys" / SIGNED_FILE).unlink()
    service.server.routes["/v1/checkpoint"] = lambda: {"checkpoint": signed}
    parts = retention.parts()
    assert service.server.url in refuses(parts)
    parts.close()


def test_a_witness_that_saw_more_stops_it(put_back: tuple[Retention, str], tmp_path: Path) -> None:
    retention, _ = put_back
    parts = retention.parts()
    witness = Witness(tmp_path / "witness", retention.clock, parts.log_verifier.vkey)
    parts.close()
    with witness.running():
        with retention.config.open("a") as settings:
            settings.write(f'witnesses = [{{ url = "{witness.url}", vkey = "{witness.verifier.vkey}" }}]\nquorum = 0\n')
        shutil.move(retention.folder / "data", retention.folder / "older")
        (retention.folder / "keys" / SIGNED_FILE).unlink()
        newer = Parts.open(retention.config, retention.clock)
        newer.log.append([b"one\n", b"two\n"])
        newer.cosigning.run()
        assert newer.cosigning.failures() == []
        newer.close()
        shutil.rmtree(retention.folder / "data")
        shutil.move(retention.folder / "older", retention.folder / "data")
        (retention.folder / "keys" / SIGNED_FILE).unlink()
        parts = retention.parts()
        assert "witness.example" in refuses(parts)
        parts.close()


CLAIMS: dict[str, Answer] = {
    "a larger size": (409, SIZE_TYPE, "999\n"),
    "a conflict without a size": (409, "text/plain", "no\n"),
    "another history": (422, "text/plain", "no\n"),
}


@pytest.fixture
def liar(retention: Retention, tmp_path: Path) -> Iterator[Network]:
    """Who is on the path to the one witness, which watches a log of one entry and has seen it all."""
    parts = retention.parts()
    witness = Witness(tmp_path / "witness", retention.clock, parts.log_verifier.vkey)
    parts.close()
    with witness.running(), hostile(witness.url) as network:
        pin(retention, network.url, witness.verifier, quorum=0)
        parts = retention.parts()
        parts.log.append([b"one\n"])
        parts.cosigning.run()
        assert parts.cosigning.failures() == []
        parts.close()
        yield network


def monitor_path(parts: Parts) -> str:
    return f"/{sha256(parts.log_verifier.name.encode()).hex()}/checkpoint"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_that_nothing_proves_stops_no_log_that_has_its_own_record(
    retention: Retention, liar: Network, claim: Answer
) -> None:
    """Whatever is shown for it: the checkpoint that agrees, one that another key signed, nothing, or no note."""
    liar.rules["POST", "/add-checkpoint"] = claim
    forger = NoteSigner("retention.example/log", SigningKey(b"\x01" * 32))
    forged = sign_note(Checkpoint(forger.name, 999, b"\x01" * 32).write(), forger)
    shown = (None, (200, "text/plain", forged), (404, "text/plain", "none\n"), (200, "text/plain", "[" * 16_000))
    for number, answer in enumerate(shown, start=1):
        parts = retention.parts()
        if answer is not None:
            liar.rules["GET", monitor_path(parts)] = answer
        assert parts.log.append([f"entry {number}\n".encode()]) == [number]
        parts.close()


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_without_its_own_record_a_log_waits_until_the_claim_is_cleared_up(
    retention: Retention, liar: Network, claim: Answer
) -> None:
    (retention.folder / "keys" / SIGNED_FILE).unlink()
    liar.rules["POST", "/add-checkpoint"] = claim
    parts = retention.parts()
    liar.rules["GET", monitor_path(parts)] = (404, "text/plain", "none\n")
    assert "witness.example" in refuses(parts)
    liar.rules.clear()
    parts.log.resume()
    assert parts.log.append([b"two\n"]) == [1]
    parts.close()


@pytest.mark.usefixtures("liar")
def test_a_witness_that_proves_it_stops_a_log_whose_record_was_put_back_too(retention: Retention) -> None:
    """The control arm: data and record are both of the first entry, and the witness shows what the log signed since."""
    shutil.copytree(retention.folder / "data", retention.folder / "copy")
    record = (retention.folder / "keys" / SIGNED_FILE).read_bytes()
    parts = retention.parts()
    parts.log.append([b"two\n"])
    parts.cosigning.run()
    assert parts.cosigning.failures() == []
    parts.close()
    restore(retention.folder)
    (retention.folder / "keys" / SIGNED_FILE).write_bytes(record)
    parts = retention.parts()
    assert "witness.example" in refuses(parts)
    parts.close()


def test_without_record_or_answer_nothing_signed_by_until_somebody_answers(
    put_back: tuple[Retention, str], service: Service
) -> None:
    """And a peer that has seen no more than the log itself lets it go on."""
    retention, _ = put_back
    (retention.folder / "keys" / SIGNED_FILE).unlink()
    parts = retention.parts()
    assert "Nobody could say" in refuses(parts)
    service.server.routes["/v1/checkpoint"] = lambda: {"checkpoint": parts.log.checkpoint()}
    parts.log.resume()
    assert parts.log.behind is None
    assert parts.log.append([b"another\n"]) == [1]
    parts.close()


def change_key(retention: Retention) -> NoteSigner:
    """From now on another key signs the log's heads; the former one."""
    path = retention.folder / "log.key"
    former = NoteSigner("retention.example/log", SigningKey(read_secret(path)))
    path.unlink()
    with retention.config.open("a") as settings:
        settings.write(f'log_former = ["{former.verifier.vkey}"]\n')
    return former


def test_directly_after_a_change_of_key_what_the_former_one_signed_stops_it(
    put_back: tuple[Retention, str], service: Service
) -> None:
    """Nor does a late cosignature make it sign its head anew."""
    retention, signed = put_back
    change_key(retention)
    (retention.folder / "keys" / SIGNED_FILE).unlink()
    service.server.routes["/v1/checkpoint"] = lambda: {"checkpoint": signed}
    parts = retention.parts()
    assert service.server.url in refuses(parts)
    parts.log.add_cosignatures(1, [WITNESS.cosign(unverified_text(parts.log.checkpoint()), 1_795_300_000.0)])
    assert not signed_by(parts.log.checkpoint(), parts.log_verifier)
    parts.close()


def test_once_the_log_has_signed_with_its_new_key_a_thief_of_the_former_one_does_not_stop_it(
    retention: Retention, service: Service
) -> None:
    parts = retention.parts()
    parts.log.append([b"one\n"])
    parts.close()
    former = change_key(retention)
    retention.parts().close()
    forged = sign_note(Checkpoint(former.name, 999, b"\x01" * 32).write(), former)
    service.server.routes["/v1/checkpoint"] = lambda: {"checkpoint": forged}
    parts = retention.parts()
    assert parts.log.append([b"two\n"]) == [1]
    parts.close()


def test_a_witness_goes_on_across_a_change_and_stops_what_was_put_back_to_before_it(
    retention: Retention, tmp_path: Path
) -> None:
    """Also when it does not take the former key any more, under which the older database shows itself."""
    parts = retention.parts()
    witness = Witness(tmp_path / "witness", retention.clock, parts.log_verifier.vkey)
    parts.close()
    new = SigningKey(make_secret(retention.folder / "new.key"))
    add_log(tmp_path / "witness", NoteSigner("retention.example/log", new).verifier.vkey)
    with witness.running(), hostile(witness.url) as network:
        pin(retention, network.url, witness.verifier)
        parts = retention.parts()
        parts.log.append([b"one\n"])
        parts.cosigning.run()
        parts.close()
        shutil.copytree(retention.folder / "data", retention.folder / "copy")
        change_key(retention)
        (retention.folder / "new.key").rename(retention.folder / "log.key")
        parts = retention.parts()
        assert open_checkpoint(parts.log.published(), parts.log_verifier, [witness.verifier]).size == 1
        network.rules["POST", "/add-checkpoint"] = (403, "text/plain", "no\n")
        parts.cosigning.run()
        assert parts.cosigning.failures() == [(witness.verifier.name, "note_untrusted")]
        network.rules.clear()
        parts.close()
        parts = retention.parts()
        parts.log.append([b"two\n"])
        parts.cosigning.run()
        assert open_checkpoint(parts.log.published(), parts.log_verifier, [witness.verifier]).size == 2
        parts.close()
        restore(retention.folder)
        (retention.folder / "keys" / SIGNED_FILE).unlink()
        network.rules["POST", "/add-checkpoint"] = (403, "text/plain", "no\n")
        parts = retention.parts()
        assert "witness.example" in refuses(parts)
        parts.close()


def test_a_former_key_is_the_log_s_own_and_not_the_present_one(retention: Retention) -> None:
    retention.parts().close()
    before = retention.config.read_text()
    present = NoteSigner("retention.example/log", SigningKey(read_secret(retention.folder / "log.key"))).verifier.vkey
    other = NoteSigner("retention.example", SigningKey(b"\x01" * 32)).verifier.vkey
    for vkey in (present, other):
        retention.config.write_text(f'{before}log_former = ["{vkey}"]\n')
        with pytest.raises(SettingsInvalid, match="log_former"):
            retention.parts()


@pytest.mark.parametrize("answer", [[], {}, {"checkpoint": 7}, {"checkpoint": "x"}, {"checkpoint": None}])
def test_an_answer_of_another_form_is_no_answer(retention: Retention, service: Service, answer: object) -> None:
    """It neither stops a log that has its own record, nor ends in a traceback."""
    service.server.routes["/v1/checkpoint"] = lambda: answer
    parts = retention.parts()
    assert parts.log.append([b"one\n"]) == [0]
    parts.close()
    again = retention.parts()
    assert again.log.append([b"two\n"]) == [1]
    again.close()
