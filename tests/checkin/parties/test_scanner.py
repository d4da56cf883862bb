"""A scanner step by step, with a registry's answers that the test makes: no server, no file. What it judges by is in
the vectors and in `checkin/conformance/scanner_rules.py`; here is what it keeps before it goes on."""

from __future__ import annotations

import errno
import json
from typing import Any, NoReturn

import pytest

from checkin.conformance.counterpart import NOON
from checkin.conformance.scanner_rules import ScannerStage
from checkin.errors import AlreadyUsed, Unreachable
from checkin.http.asking import Ask, drive
from checkin.parties.scanner import Scanner, ScanResult
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import sha256
from tests.support.answered import Answers, answering, standing


class Registry:
    """Answers as a registry does at noon, or not at all while it is `away`."""

    def __init__(self) -> None:
        self.stage, self.away = ScannerStage(standing(NOON)), False

    def __call__(self, ask: Ask) -> Any:
        if self.away:
            raise Unreachable
        return answering(self.stage.answers())(ask)

    def scanner(self) -> Scanner:
        """Enrolled, with its lists."""
        said = self.stage.registry.enrolment
        scanner = Scanner(said["venue_id"], said["scanner_id"], said["scanner_token"])
        drive(scanner.refresh(NOON), self)
        return scanner

    def code(self) -> str:
        """A visitor's, of this moment."""
        return self.stage.visitor().show(NOON)


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_door_goes_on_while_the_registry_is_gone(registry: Registry) -> None:
    """A visit is kept before anybody is let in, and leaves the file when the registry has answered."""
    scanner, answers, text = registry.scanner(), Answers(registry), registry.code()
    registry.away = True
    assert answers.to(scanner.scan(text, NOON)) is ScanResult.QUEUED
    again = Scanner.of(answers.kept[-1])
    with pytest.raises(AlreadyUsed):
        answers.to(again.scan(text, NOON))
    registry.away = False
    assert answers.to(again.upload()) == [{"result": "accepted"}]
    assert (answers.kept[-1]["queue"], registry.stage.entries) == ([], scanner.queue)


def test_a_code_that_the_registry_took_is_kept_before_anybody_is_let_in(registry: Registry) -> None:
    """Or after a crash the same code would be queued."""
    scanner, answers, text = registry.scanner(), Answers(registry), registry.code()
    assert answers.to(scanner.scan(text, NOON)) is ScanResult.ACCEPTED
    with pytest.raises(AlreadyUsed):
        drive(Scanner.of(answers.kept[-1]).scan(text, NOON))


def test_a_visit_that_was_recorded_is_accepted_though_the_disk_refuses(registry: Registry) -> None:
    """One that would have to wait in the queue is not: it would be lost."""

    def refuse(_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "no space left on device")

    scanner = registry.scanner()
    assert drive(scanner.scan(registry.code(), NOON), registry, refuse) is ScanResult.ACCEPTED
    registry.away = True
    with pytest.raises(OSError, match="no space"):
        drive(scanner.scan(registry.code(), NOON), registry, refuse)


def test_lists_behind_digests_are_fetched_once_and_without_a_token(registry: Registry) -> None:
    """So any cache on the way may answer; where it has other content the registry is asked for the lists themselves."""
    told = registry(Ask("/v1/trust?nonce=none"))
    contents = [json.dumps(one).encode() for one in ({"zone": told["zone"]}, *told["issuers"])]
    named = {b64url_encode(sha256(content)): content for content in contents}
    own, *issuers = named

    def answer(ask: Ask) -> Any:
        if ask.raw:
            return named[ask.path.removeprefix("/v1/lists/")]
        return registry(ask) | ({"own": own, "issuers": issuers} if "digests=true" in ask.path else {})

    scanner, answers = registry.scanner(), Answers(answer)
    for _ in range(2):
        answers.to(scanner.refresh(NOON))
    assert [ask.token for ask in answers.asked] == [scanner.token, None, None, None, scanner.token, scanner.token]
    assert set(answers.kept[-1]["lists"]) == set(named)
    scanner.lists, named[own] = {}, b"{}"
    answers.to(scanner.refresh(NOON))
    assert "digests" not in answers.asked[-1].path
