"""`checkin certificate verify`: a health certificate, step by step, offline."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from checkin.certificate import registry
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import CertificateReport, rfc3339
from checkin.cli.terminal import WithExample, file_of, report
from checkin.clock import SystemClock
from checkin.errors import PictureUnreadable, TrustListInvalid
from checkin.protocol.qr import read_image

app = typer.Typer(name="certificate", no_args_is_help=True)

MAX_INPUT: Final = 32 * 1024 * 1024  # more than a camera's largest picture
_SIGNS: Final = {True: "✓", False: "✗", None: "·"}
_STEPS: Final = {
    "prefix": "the text says which kind of certificate it is",
    "base45": "its characters stand for bytes",
    "compression": "the bytes unpack",
    "cose": "inside is a signed message",
    "schema": "its content has the prescribed form",
    "signature": "a signer on the trust list signed it",
    "key_usage": "the signer may sign certificates of this kind",
    "expiry": "it is valid at this time, and so is its signer",
}


@app.command(
    cls=WithExample,
    epilog="checkin certificate verify certificate.png --trust signers.pem --at 2021-06-01T12:00:00Z",
)
def verify(
    certificate: Annotated[
        str, typer.Argument(metavar="TEXT|IMAGE|-", help="The code's text, a picture or text file, or - for stdin.")
    ],
    trust: Annotated[
        Path,
        typer.Option("--trust", exists=True, dir_okay=False, readable=True, help="Signer certificates, PEM or base64."),
    ],
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="ISO 8601, UTC if no zone; else now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check an EU Digital COVID Certificate (HC1:) step by step. Exit code: 0 valid, 1 not valid, 2 usage."""
    now = _instant(at) if at is not None else SystemClock().now()
    try:
        signers = TrustList.parse(trust.read_bytes())
    except TrustListInvalid as error:
        raise typer.BadParameter(error.detail, param_hint="--trust") from None
    data = _input(certificate)
    try:
        examined = registry.examine(_text(data), signers, now)
        outcome, reason = examined.to_json(), examined.error.detail if examined.error else ""
    except PictureUnreadable as error:
        examined = CertificateReport()
        outcome, reason = {**examined.to_json(), "code": error.code}, error.detail
    report(as_json, outcome, _page(examined, str(outcome["code"]), reason, now))
    raise typer.Exit(0 if examined.ok else 1)


def _instant(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter("not a time such as 2021-06-01T12:00:00Z", param_hint="--at") from None


def _input(source: str) -> bytes:
    """What was given: standard input, a file if there is one of this name, or the argument itself."""
    if source == "-":
        return sys.stdin.buffer.read(MAX_INPUT)
    try:
        if path := file_of(source):
            with path.open("rb") as file:
                return file.read(MAX_INPUT)
    except FileNotFoundError:
        raise typer.BadParameter("there is no such file", param_hint="TEXT|IMAGE|-") from None
    except OSError:
        raise typer.BadParameter("the file cannot be read", param_hint="TEXT|IMAGE|-") from None
    return source.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    """Text as it is; anything else is a picture, and of its codes a certificate comes first."""
    try:
        return data.decode("utf-8")  # no certificate, but a text: the first step says so
    except UnicodeDecodeError:
        found = read_image(data)
    return next((text for text in found if registry.knows(text)), found[0])


def _page(examined: CertificateReport, code: str, reason: str, now: float) -> str:
    lines = [f"{_SIGNS[outcome]} {name:<12} {_STEPS[name]}" for name, outcome in examined.checks.items()]
    if not examined.ok:
        lines += ["", f"Not valid: {reason} ({code})"]
    elif (proof := examined.proof) is None:
        lines += ["", "Genuine, but it proves no status: a dose is missing, or the test was not negative."]
    else:
        over = "" if now <= proof.valid_until else ": over by now"
        status = proof.status.name.lower()
        lines += ["", f"Valid: {status}, {rfc3339(proof.valid_from)} to {rfc3339(proof.valid_until)}{over}"]
    return "\n".join(lines)
