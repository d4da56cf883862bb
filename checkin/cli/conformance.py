"""`checkin conformance`: judges another wallet or scanner by the specification."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import Annotated

import typer

from checkin.cli.terminal import Json, WithExample, say, say_json
from checkin.conformance.judging import BROKEN
from checkin.conformance.scanner_rules import RULES as SCANNER_RULES
from checkin.conformance.wallet_rules import RULES as WALLET_RULES
from checkin.errors import RequestInvalid
from checkin.shown import shown

app = typer.Typer()


@app.command(cls=WithExample, epilog='checkin conformance --scanner "python -m checkin.conformance.own scanner"')
def conformance(
    *,
    wallet: Annotated[str | None, typer.Option(metavar="CMD", help="What starts a wallet, in an empty folder.")] = None,
    scanner: Annotated[
        str | None, typer.Option(metavar="CMD", help="What starts a scanner, in an empty folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge another wallet or scanner by the rules of docs/spec/wallet.md and scanner.md.

    The program is told what to do in lines of JSON (docs/spec/conformance.md), and the harness is its network and its
    clock. Ends with 1 when a rule is broken.
    """
    if wallet is None and scanner is None:
        raise RequestInvalid("Give the command of a program to be judged: --wallet CMD, --scanner CMD, or both.")
    verdicts = []
    for verdict in chain(
        WALLET_RULES.judged(wallet) if wallet is not None else (),
        SCANNER_RULES.judged(scanner) if scanner is not None else (),
    ):
        verdicts.append(verdict)
        if not as_json:
            say(f"{verdict.result:6}  {verdict.section:15}  {verdict.says}")
            if verdict.why:
                say(f"        {shown(verdict.why)}")
    broken = sum(verdict.result == BROKEN for verdict in verdicts)
    if as_json:
        say_json({"broken": broken, "rules": [asdict(verdict) for verdict in verdicts]})
    else:
        say(f"{len(verdicts)} rules, {broken} of them broken.")
    if broken:
        raise typer.Exit(1)
