"""Our own wallet and scanner, and a second one written from the pages alone, keep every rule of the conformance pages;
whatever breaks one is told which."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.cli import app
from checkin.conformance.judging import BROKEN, RuleVerdict
from checkin.conformance.scanner_rules import RULES as SCANNER_RULES
from checkin.conformance.wallet_rules import RULES as WALLET_RULES
from tests.conftest import Needs

SECOND = Path(__file__).parent / "second"
PAGES = Path(__file__).parents[2] / "docs" / "spec"
OWN = f"{sys.executable} -m checkin.conformance.own"
# What is taken out of the second implementation, and the section that then must be broken.
SCANNER_FAULTS = {
    'need(now <= last, "token_expired")': ("true", "5.3"),
    'need(!state.seen[mark], "already_used");': ("", "5.4"),
    'need(state.heard && at - state.heard <= 86400, "scanner_stale")': ("true", "5.1"),
    "if (log) requireLogged(log, note, proof);": ("", "4.2"),
    "(before[day] ?? key) === key": ("true", "4.2"),
    "day <= today + 15": ("true", "4.3"),
    "token: `CK1:${base45(plain)}`": ("token: text", "5.5"),
    "state.aside.push(...refused);": ("", "7.2"),
    "sent.length >> 1": ("sent.length", "7.1"),
    "before === head": ("true", "4.1"),
}
WALLET_FAULTS = {
    "unused()[0].used = true;": ("", "5.1"),
    'need(opens(one.commitment, [status], unurl(salt, 16)), "bad_status");': ("", "4.3"),
    "Math.floor(now())": ("Math.floor(clock.now)", "5.3"),
    "header = shows ? ": ("header = true ? ", "5.5"),
    "if (log) requireLogged(log, note, proof);": ("", "6"),
    "before === head": ("true", "2"),
    "new Set([": ("Array.of(...[", "4.5"),
}


def judged(party: str, command: str, *sections: str) -> list[RuleVerdict]:
    """What is said of a program."""
    only = [f"{party}.md §{section}" for section in sections]
    return list((SCANNER_RULES if party == "scanner" else WALLET_RULES).judged(command, only))


@pytest.fixture
def node(needs: Needs) -> str:
    """The program that runs the second implementation."""
    found = shutil.which("node")
    needs("the second wallet and scanner", found, "apt install nodejs")
    return str(found)


def second(node: str, folder: Path, party: str) -> str:
    """The command of the second implementation in a folder."""
    return f"{node} --no-warnings {folder / 'party.mjs'} {party}"


@pytest.mark.parametrize("party", ["wallet", "scanner"])
def test_our_own_keeps_every_rule(party: str) -> None:
    """As at the command line; their network and clock are the harness."""
    verdicts = judged(party, f"{OWN} {party}")
    assert [verdict for verdict in verdicts if verdict.why] == []
    assert len(verdicts) >= 13


@pytest.mark.parametrize("party", ["wallet", "scanner"])
def test_the_second_implementation_keeps_every_rule(party: str, node: str) -> None:
    """The pages suffice to write another one; it has at most 300 lines, none longer than ours in Python."""
    lines = [line for path in SECOND.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) <= 300
    assert max(map(len, lines)) <= 120
    assert [verdict for verdict in judged(party, second(node, SECOND, party)) if verdict.why] == []


def test_the_second_implementation_answers_to_the_vectors_as_expected(node: str) -> None:
    """Its notes, proofs, codes, base45 and days, which the judge tries in a few places each."""
    script = Path(__file__).parent / "secondvectors.mjs"
    made = subprocess.run([node, script], check=True, capture_output=True, text=True, encoding="utf-8", timeout=60)
    results = json.loads(made.stdout)
    assert [result for result in results if result[1] != result[2]] == []
    assert len(results) > 300


@pytest.mark.parametrize(
    ("party", "taken", "put", "section"),
    [("scanner", taken, *rest) for taken, rest in SCANNER_FAULTS.items()]
    + [("wallet", taken, *rest) for taken, rest in WALLET_FAULTS.items()],
)
def test_a_fault_breaks_the_rule_of_its_section(  # noqa: PLR0917 - a row of the table
    party: str, taken: str, put: str, section: str, node: str, tmp_path: Path
) -> None:
    """A harness that passes everything would be found out here."""
    shutil.copytree(SECOND, tmp_path / "second")
    source = tmp_path / "second" / "party.mjs"
    text = source.read_text(encoding="utf-8")
    assert taken in text
    source.write_text(text.replace(taken, put, 1), encoding="utf-8")
    assert BROKEN in [verdict.result for verdict in judged(party, second(node, tmp_path / "second", party), section)]


@pytest.mark.parametrize("command", ["true", "cat", "yes", "echo {}"])
def test_a_program_that_does_not_speak_the_protocol_breaks_the_rules(command: str) -> None:
    """No hang and no traceback."""
    verdicts = judged("scanner", command, "3.1")
    assert [verdict.result for verdict in verdicts] == [BROKEN]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_line_of_more_than_2_mib_breaks_the_rule(tmp_path: Path, end: str) -> None:
    """Also one that is a JSON object, whether it ends or not."""
    script = tmp_path / "long.py"
    script.write_text(f"""print('{{"done": {{}}}}' + ' ' * 2**21, end={end!r})""", encoding="ascii")
    [verdict] = judged("scanner", f"{sys.executable} {script}", "3.1")
    assert verdict.why == "it wrote a line that is no JSON object"


def test_a_program_that_says_nothing_breaks_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and the verdict names the command."""
    monkeypatch.setattr("checkin.conformance.peer.PATIENCE_SECONDS", 0.1)
    [verdict] = judged("scanner", "sleep 600", "3.1")
    assert verdict.result == BROKEN
    assert verdict.why == "it said nothing for 0 seconds within 'enrol'"


def test_the_command_needs_a_program_that_can_be_started() -> None:
    """One line, and another exit code than that of a broken rule is not promised."""
    run = CliRunner().invoke(app, ["conformance"])
    assert run.exit_code != 0
    assert CliRunner().invoke(app, ["conformance", "--wallet", "/nowhere/at/all"]).exit_code != 0
    report = CliRunner().invoke(app, ["conformance", "--wallet", "true", "--json"])
    assert report.exit_code == 1
    assert json.loads(report.stdout)["broken"] == len(WALLET_RULES.rules)


def test_every_rule_names_a_section_of_its_page() -> None:
    """A section that is gone takes its rules along."""
    for rules in (WALLET_RULES, SCANNER_RULES):
        text = (PAGES / rules.page).read_text(encoding="utf-8")
        for section, _, _ in rules.rules:
            chapter, _, item = section.rpartition("§")[2].partition(".")
            body = text.partition(f"\n## {chapter}. ")[2].partition("\n## ")[0]
            assert body, section
            assert not item or f"\n{item}. " in body, section
