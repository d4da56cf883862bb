"""A witness's own folder, so that a second organisation can run one with nothing else of this project.

witness.txt      its verifier key, and whether its clock is simulated (a statement, not signed)
cosigning.key    the private key, base64 of 32 bytes, for its owner alone; never leaves the folder
logs.txt         the verifier keys of the logs it watches, one a line; then a space and the origin, if it is another
witness.sqlite   the newest tree head of each log (never put back from a backup)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from checkin.errors import NoteMalformed, SettingsInvalid, SimulationRefused
from checkin.files.durable import close_folder, private_folder, replace_file
from checkin.files.format import require_format
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.note import NoteVerifier, check_own_name
from checkin.protocol.primitives import SigningKey
from checkin.protocol.statement import CLOCK, StatementType, clock_value, one
from checkin.tlog.checkpoint import Checkpoint, CosignatureVerifier, Cosigner
from checkin.tlog.merkle import EMPTY_ROOT
from checkin.tlog.witness import WatchedLog, Witness, WitnessState

IDENTITY: Final = StatementType("checkin/witness/v1", "vkey", CLOCK)
_SIMULATED: Final = "/simulated"


def make_folder(folder: Path, name: str, logs: Sequence[str] = (), *, simulated: bool = False) -> CosignatureVerifier:
    """Makes the folder and its key, to watch the logs of these verifier keys; what others pin is the result's `vkey`.

    A cosignature has no room to say that its time is made up, so on a simulated clock the key's name says it. Raises
    `NoteMalformed` for a name that is no address or a log that is no verifier key, before anything is made, and
    `SettingsInvalid` where there is a witness already.
    """
    name = name if not simulated or name.endswith(_SIMULATED) else name + _SIMULATED
    check_own_name(name)
    for vkey in logs:
        NoteVerifier.parse(vkey)
    private_folder(folder)
    try:
        key = SigningKey(make_secret(folder / "cosigning.key"))
    except FileExistsError:
        raise SettingsInvalid("There is a witness in this folder already.") from None
    require_format(folder, "witness")
    verifier = CosignatureVerifier(name, key.public)
    text = IDENTITY.write({"vkey": verifier.vkey, **clock_value(simulated=simulated)})
    replace_file(folder / "witness.txt", text.encode())
    for vkey in logs:
        add_log(folder, vkey)
    return verifier


def read_identity(folder: Path) -> tuple[CosignatureVerifier, bool]:
    """The witness's verifier and whether its clock is simulated; raises `SettingsInvalid` where there is none."""
    try:
        values = IDENTITY.read((folder / "witness.txt").read_text(encoding="utf-8"))
        return CosignatureVerifier.parse(one(values, "vkey")), "clock" in values
    except (OSError, UnicodeDecodeError, NoteMalformed):
        raise SettingsInvalid("There is no witness in this folder: run `checkin witness init`.") from None


def add_log(folder: Path, vkey: str, origin: str | None = None) -> WatchedLog:
    """Watches one more log; its checkpoints begin with `origin`, or the key's name; the same again changes nothing.
    Raises `NoteMalformed` for what is no verifier key or no line of a checkpoint."""
    read_identity(folder)
    verifier = NoteVerifier.parse(vkey)
    log = WatchedLog(verifier, verifier.name if origin is None else origin)
    Checkpoint(log.origin, 0, EMPTY_ROOT).write()
    known = read_logs(folder)
    if _line(log) not in map(_line, known):
        replace_file(folder / "logs.txt", "".join(f"{_line(item)}\n" for item in [*known, log]).encode())
    return log


def _line(log: WatchedLog) -> str:
    return log.verifier.vkey if log.origin == log.verifier.name else f"{log.verifier.vkey} {log.origin}"


def _read_line(line: str) -> WatchedLog:
    vkey, _, origin = line.partition(" ")
    verifier = NoteVerifier.parse(vkey)
    return WatchedLog(verifier, origin or verifier.name)


def read_logs(folder: Path) -> list[WatchedLog]:
    """The logs it watches; raises `SettingsInvalid` for a line that is no verifier key."""
    path = folder / "logs.txt"
    if not path.exists():
        return []
    try:
        return [_read_line(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (UnicodeDecodeError, NoteMalformed):
        raise SettingsInvalid("A line of logs.txt is not a verifier key of the form name+hash+key.") from None


def open_witness(folder: Path, *, simulated: bool = False) -> Witness:
    """The witness, ready to cosign; raises `SettingsInvalid`, or `SimulationRefused` under the other kind of clock."""
    verifier, made_simulated = read_identity(folder)
    close_folder(folder)
    require_format(folder, "witness")
    if simulated != made_simulated:
        raise SimulationRefused
    cosigner = Cosigner(verifier.name, SigningKey(read_secret(folder / "cosigning.key")))
    if cosigner.verifier.public != verifier.public:
        raise SettingsInvalid("The key in cosigning.key is not the one that witness.txt names.")
    return Witness(WitnessState(folder / "witness.sqlite"), cosigner, read_logs(folder))
