"""A whole deployment in one folder, for `checkin up` and `checkin demo`: keys, settings and tokens of all parties.

    issuer/ venue/ retention/   settings.toml, master.key, statement.key, keys/ (never backed up), data/
    authority/                  officers, ring
    tokens/                     what one party shows another; the enrolment secret
    vkeys.txt                   all parties' verifier keys, for `checkin audit verify --vkeys`
    logs/
    postgresql/                 with `--engine postgresql` a server of its own, for what issuer and registry keep

One process at a time runs the folder, and the folder says which. In production every party makes its own folder on its
own machine (docs/operating.md); here they are neighbours.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from checkin.clock import Clock, clock_of
from checkin.deployment.postgres_server import PostgresServer, let_through
from checkin.errors import ClockUntrusted, FolderInUse, FormatUnsupported, SettingsInvalid, StorageUnfit
from checkin.files.durable import close_folder, opened, replace_file
from checkin.files.format import FORMAT, require_file_format
from checkin.keys.file_system import check_storage
from checkin.keys.officer_folder import load_share, load_signer
from checkin.keys.secret_file import make_secret, read_secret, read_token
from checkin.parties.authority_folder import AuthorityFolder
from checkin.protocol.note import NoteSigner, NoteVerifier, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.purge.clock_guard import ClockGuard
from checkin.service.addresses import await_free
from checkin.service.auth import new_token, token_hash
from checkin.service.identity import KeyVolume
from checkin.service.time_peers import clock_guard
from checkin.service.vault_folder import CommonSettings
from checkin.tracing.execute import Parties
from checkin.tracing.publish import publish_keys

SERVICES: Final = ("issuer", "venue", "retention")
NAMES: Final = {"issuer": "issuer.localhost", "venue": "registry.localhost", "retention": "retention.localhost"}
AUTHORITY_NAME: Final = "health.localhost"
ISSUER_NUMBER: Final = 1
TOKENS: Final = (
    "retention-issuer",
    "retention-venue",
    "authority-issuer",
    "authority-venue",
    "authority-retention",
    "enrolment",
    "auditor",
)
PAGES: Final = (
    ("wallet", "issuer", "/wallet"),
    ("scanner", "venue", "/scanner"),
    ("operator", "venue", "/operator"),
    ("public page", "retention", "/"),
)
PORTS: Final = (8001, 8002, 8003)
MARKER: Final = "deployment.json"
_DSN: Final = {"issuer": "postgresql-issuer.dsn", "venue": "postgresql.dsn"}
CHECK_EVERY_DAYS: Final = 7
LOCK: Final = "running.json"
_LONGEST: Final = 4096


@dataclass(frozen=True)
class Deployment:
    """An opened folder."""

    folder: Path
    ports: dict[str, int]
    simulated_clock: Path | None
    warnings: tuple[str, ...]
    engine: str = "sqlite"
    _guards: dict[str, ClockGuard] = field(default_factory=dict, init=False)

    @classmethod
    def open_or_make(  # noqa: PLR0913 - an option each
        cls,
        folder: Path,
        ports: Sequence[int] | None = None,
        simulated_clock: Path | None = None,
        zone: str = "Asia/Seoul",
        *,
        patience: float = 0.0,
        engine: str | None = None,
    ) -> Self:
        """The deployment in this folder, as it was made, but moved to `ports` if they are others; made now if there is
        none, with its days in `engine`, "sqlite" or "postgresql". A process that listens on these ports has `patience`
        seconds to stop.

        Raises `SettingsInvalid` for a half-made one or a folder of something else, for ports that are in use, and for
        another engine than the folder was begun with or one that is not installed.
        """
        make_folder(folder)
        marker = folder / MARKER
        known = json.loads(marker.read_text(encoding="ascii")) if marker.exists() else {}
        require_file_format(marker, known)
        made = known.get("ports")
        wanted = dict(zip(SERVICES, ports, strict=True)) if ports else made or dict(zip(SERVICES, PORTS, strict=True))
        begun = known.get("engine", "sqlite") if known else engine or "sqlite"
        if engine not in (None, begun):
            raise SettingsInvalid(f"{folder} began with --engine {begun}, and days do not move: choose another --dir.")
        self = cls(folder.resolve(), wanted, simulated_clock, _unfit(folder), begun)
        for port in self.ports.values():
            await_free("127.0.0.1", port, patience)
        if made is not None:
            self._bring_up_to_date(known)
            if made != wanted:
                self._move(made)
        else:
            if not _is_new(folder, simulated_clock):
                raise SettingsInvalid(f"The folder {folder} is neither empty nor a deployment: choose another one.")
            close_folder(folder)
            self.postgres()  # which may be missing: before anything is made
            self._make(zone)
        mark = {"format": FORMAT, "ports": self.ports, "engine": self.engine}
        replace_file(marker, (json.dumps(mark) + "\n").encode())
        return self

    def _bring_up_to_date(self, known: dict[str, Any]) -> None:
        """What an older version left out. Raises `FormatUnsupported` for a folder in which nothing could be logged."""
        if "format" not in known:
            texts = [self.config(service).read_text(encoding="utf-8") for service in ("issuer", "venue")]
            if any("url" not in tomllib.loads(text).get("log", {}) for text in texts):
                raise FormatUnsupported(
                    f"{self.folder} was made by a version whose lists of keys were in no log, and this one takes no "
                    "others: choose a new folder with --dir. See docs/upgrading.md."
                )
        close_folder(self.folder)
        if not (self.folder / "vkeys.txt").exists():
            replace_file(self.folder / "vkeys.txt", self.vkeys_text().encode())

    @property
    def clock(self) -> Clock:
        return clock_of(self.simulated_clock)

    def require_clock(self, *, confirmed: bool = False) -> None:
        """Raises `ClockUntrusted` where a service doubts this machine's clock, unless a person has `confirmed` it:
        before `checkin up` and the authority's daily work destroy by it.

        The services of a deployment have one clock, so none of them vouches for another's. What they think of it is in
        the files that they share with their own processes.
        """
        for service in SERVICES if self.simulated_clock is None else ():
            settings = CommonSettings.load(self.config(service))
            if not settings.keys.is_dir():  # it was never started
                continue
            volume = KeyVolume(settings)
            guard = self._guards.setdefault(service, clock_guard(volume))
            guard.tick()
            if confirmed:
                guard.confirm()
            elif guard.doubt:
                shown = volume.calendar.rfc3339(volume.now(), "minutes")
                raise ClockUntrusted(
                    "The services were down for more than a day, or this machine's clock jumped; nothing is destroyed "
                    f"by it. It shows {shown}: if that is right, start with `checkin up --confirm-clock`."
                )

    def config(self, service: str) -> Path:
        return self.folder / service / "settings.toml"

    def log(self, service: str) -> Path:
        return self.folder / "logs" / f"{service}.log"

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def token(self, name: str) -> str:
        """One of `TOKENS`."""
        return read_token(self.folder / "tokens" / f"{name}.token")

    def postgres(self) -> PostgresServer | None:
        """The server that the days lie in, not started, if they lie in one. Raises `SettingsInvalid`."""
        if self.engine != "postgresql":
            return None
        let_through(self.folder)
        return PostgresServer(self.folder / "postgresql")

    def tell_dsn(self, server: PostgresServer) -> None:
        """How issuer and registry reach a database of their own each; it changes when the folder is moved."""
        for service, dsn in (("venue", server.dsn), ("issuer", server.dsn_of("issuer"))):
            replace_file(self.folder / "tokens" / _DSN[service], f"{dsn}\n".encode())

    def vkeys_text(self) -> str:
        """What everyone pins, as `vkeys.txt` holds it: verifier keys of services, log and officers, one a line."""
        verifiers = [*map(self.verifier, SERVICES), self.log_verifier(), *self.authority().officers.verifiers]
        return "".join(f"{verifier.vkey}\n" for verifier in verifiers)

    def verifier(self, service: str) -> NoteVerifier:
        """The key a service's notes verify under."""
        key = SigningKey(read_secret(self.folder / service / "statement.key"))
        return NoteSigner(NAMES[service], key).verifier

    def log_verifier(self) -> NoteVerifier:
        """The key that the log's checkpoints verify under."""
        key = SigningKey(read_secret(self.folder / "retention" / "log.key"))
        return NoteSigner(f"{NAMES['retention']}/log", key).verifier

    def parties(self) -> Parties:
        return Parties.load(self.folder / "authority" / "parties.toml")

    def authority(self, *, taking_over: bool = False) -> AuthorityFolder:
        """The health authority of this deployment; as `AuthorityFolder.open`."""
        simulated, unfit = self.simulated_clock is not None, bool(self.warnings)
        folder = self.folder / "authority"
        return AuthorityFolder.open(folder, simulated=simulated, allow_unfit=unfit, taking_over=taking_over)

    def officers(self) -> list[Path]:
        """The officers' folders; in production each is carried away."""
        verifiers = self.authority().officers.verifiers
        return [self.folder / "authority" / "officers" / verifier.name.rpartition("-")[2] for verifier in verifiers]

    def tend(self) -> None:
        """The authority's daily work: destroy what is due, make keys 14 days ahead, put the list of these and the
        statement about those into the log, and bring the list to the issuers. Once a week the listed keys are held
        against the ring's own, and that is stated, too.

        In production two officers sign by hand; here their folders are at hand. Raises `ClockUntrusted` before all.
        """
        self.require_clock()
        now, parties = self.clock.now(), self.parties()
        self.authority(taking_over=True).destroy_due(now, confirm_clock=True)
        authority = self.authority()
        authority.make_keys(now)
        officers = self.officers()[: authority.officers.threshold]
        signers, listed = [load_signer(folder) for folder in officers], authority.list_keys(now)
        issuers = {issuer.url: issuer.token for issuer in parties.issuers}
        publish_keys(sign_note(listed.text(), *signers), parties.log, issuers, authority)
        if authority.calendar.day(now) - authority.logged().last_checked() >= CHECK_EVERY_DAYS:
            authority.check_ring(listed.keys, [load_share(folder) for folder in officers])
            checked = authority.checked_list(listed.keys, now)
            publish_keys(sign_note(checked.text(), *signers), parties.log, issuers, authority)
        if stated := authority.state_destroyed():
            publish_keys(sign_note(stated.text(), *signers), parties.log, issuers, authority)

    def addresses(self) -> str:
        """What to open in a browser, and where the tokens and the one-time codes are."""
        lines = [f"  {what:13} {self.url(service)}{path}" for what, service, path in PAGES]
        lines += [f"  {service + ' API':13} {self.url(service)}/docs" for service in SERVICES]
        lines.append(f"  {'tokens':13} {self.folder / 'tokens'}")
        lines.append(f"  {'verifier keys':13} {self.folder / 'vkeys.txt'}")
        lines.append(f"  {'messages':13} {self.folder / 'issuer' / 'data' / 'outbox'}")
        first = f"Running in {self.folder.resolve()}. Open the wallet and register; the code lies under `messages`."
        shell = f"checkin qr --issuer {self.url('issuer')} -o qr.png"
        return "\n".join([first, *lines, f"Or in another terminal: {shell}", "Stop with Ctrl-C."])

    def _move(self, made: dict[str, int]) -> None:
        """Moves all settings from these ports to ours, whatever else an operator wrote there. Can be repeated: no old
        port is a new one."""
        if set(made.values()) & set(self.ports.values()):
            first = made[SERVICES[0]]
            raise SettingsInvalid(f"The deployment has ports from {first} on: choose three that it has not, or those.")
        moved = {str(made[name]): str(self.ports[name]) for name in SERVICES}
        old = re.compile(rf"(?<=127\.0\.0\.1:)({'|'.join(moved)})(?!\d)")
        for path in (*map(self.config, SERVICES), self.folder / "authority" / "parties.toml"):
            text = path.read_text(encoding="utf-8")
            replace_file(path, old.sub(lambda found: moved[found[0]], text).encode())

    def _make(self, zone: str) -> None:
        for name in ("logs", "tokens", *SERVICES):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        for service in SERVICES:
            make_secret(self.folder / service / "master.key")
            make_secret(self.folder / service / "statement.key")
        make_secret(self.folder / "retention" / "log.key")
        for name in TOKENS:
            replace_file(self.folder / "tokens" / f"{name}.token", (new_token() + "\n").encode())
        AuthorityFolder.init(
            self.folder / "authority",
            AUTHORITY_NAME,
            officers=3,
            threshold=2,
            now=self.clock.now(),
            zone=zone,
            simulated=self.simulated_clock is not None,
            allow_unfit=bool(self.warnings),
        )
        for service, own in self._own_settings().items():
            replace_file(self.config(service), to_toml(self._common(service) | {"zone": zone} | own).encode())
        replace_file(self.folder / "authority" / "parties.toml", to_toml(self._parties()).encode())
        replace_file(self.folder / "vkeys.txt", self.vkeys_text().encode())

    def _common(self, service: str) -> dict[str, Any]:
        officers = self.authority().officers
        vkeys = [verifier.vkey for verifier in officers.verifiers]
        common: dict[str, Any] = {
            "name": NAMES[service],
            "listen": f"127.0.0.1:{self.ports[service]}",
            "data": "data",
            "keys": "keys",
            "master_key": "master.key",
            "statement_key": "statement.key",
            "allow_unfit_storage": bool(self.warnings),
            "time_peers": [self._peer(peer) for peer in SERVICES if peer != service],
            "authority_token_sha256": self._hash(f"authority-{service}"),
            "authority": {"name": AUTHORITY_NAME, "officers": vkeys, "threshold": officers.threshold},
        }
        if service != "retention":
            common["retention_token_sha256"] = self._hash(f"retention-{service}")
            log = {"vkey": self.log_verifier().vkey, "url": self.url("retention")}
            common["log"] = log | {"token_file": _token_file(f"retention-{service}")}
            if self.engine == "postgresql":
                common |= {"store": self.engine, "dsn_file": f"../tokens/{_DSN[service]}"}
        return common

    def _own_settings(self) -> dict[str, dict[str, Any]]:
        return {
            "issuer": {"issuer": ISSUER_NUMBER},
            "venue": {
                "enrolment_secret_sha256": self._hash("enrolment"),
                "issuers": [{"number": ISSUER_NUMBER} | self._peer("issuer")],
            },
            "retention": {
                "auditor_token_sha256": self._hash("auditor"),
                "services": [
                    {"name": NAMES[service], "token_file": _token_file(f"retention-{service}")}
                    | self._peer(service)
                    | ({"issuer": ISSUER_NUMBER} if service == "issuer" else {})
                    for service in ("issuer", "venue")
                ],
            },
        }

    def _parties(self) -> dict[str, Any]:
        tokens = {service: _token_file(f"authority-{service}") for service in SERVICES}
        return {
            "registry": self._peer("venue") | {"token_file": tokens["venue"]},
            "issuers": [{"number": ISSUER_NUMBER, "token_file": tokens["issuer"]} | self._peer("issuer")],
            "log": {
                "url": self.url("retention"),
                "vkey": self.log_verifier().vkey,
                "token_file": tokens["retention"],
            },
        }

    def _peer(self, service: str) -> dict[str, Any]:
        return {"url": self.url(service), "vkey": self.verifier(service).vkey}

    def _hash(self, token: str) -> str:
        return token_hash(self.token(token)).hex()


def _token_file(name: str) -> str:
    """As a settings file beside `tokens` names it."""
    return f"../tokens/{name}.token"


def make_folder(folder: Path) -> None:
    """Make it, for its owner alone, unless it is there; raises `SettingsInvalid` for a file or a forbidden place."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(f"{folder} cannot be used as a folder: {error.strerror}.") from None


def to_toml(values: dict[str, Any]) -> str:
    """A flat TOML file; lists of tables as inline tables. Only for what this file writes."""
    return "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)


def _is_new(folder: Path, simulated_clock: Path | None) -> bool:
    """Whether the folder holds nothing but what its runner puts there first."""
    first = {(folder / LOCK).resolve()} | ({simulated_clock.resolve()} if simulated_clock else set())
    return {path.resolve() for path in folder.iterdir()} <= first


def _unfit(folder: Path) -> tuple[str, ...]:
    try:
        check_storage(folder)
    except StorageUnfit as error:
        return (error.detail,)
    return ()


@dataclass(frozen=True)
class Hold:
    """A folder that is ours until the block is left. `unclean`: the process that had it before was killed, and its
    services may take some seconds more to stop."""

    unclean: bool
    _descriptor: int

    def tell(self, addresses: Sequence[str]) -> None:
        """Writes what a process gets to know that tries to hold the folder, too."""
        content = json.dumps({"pid": os.getpid(), "addresses": list(addresses)}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


@contextmanager
def held(folder: Path) -> Iterator[Hold]:
    """Holds the folder; raises `FolderInUse`, with the process that runs it, unless it is free. The kernel lets go when
    the holder dies."""
    path = folder / LOCK
    while True:
        with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = _who(os.pread(descriptor, _LONGEST, 0))
                raise FolderInUse(f"The folder {folder} is run by {who}: end that, or choose another.") from None
            if not (path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino):
                continue  # its holder removed the file between opening and locking
            hold = Hold(os.fstat(descriptor).st_size > 0, descriptor)
            try:
                hold.tell(())
                yield hold
            finally:
                path.unlink(missing_ok=True)
            return


def _who(content: bytes) -> str:
    try:
        told = json.loads(content)
        pid, addresses = int(told["pid"]), [str(address) for address in told["addresses"]]
    except (ValueError, KeyError, TypeError):
        return "another process"
    return f"process {pid}" + (f" at {', '.join(addresses)}" if addresses else "")
