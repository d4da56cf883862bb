"""The three nodes of a key ring on real files under simulated clocks, for tests; asked in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from checkin.clock import SimulatedClock
from checkin.errors import Unreachable
from checkin.http.client import problem_error
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.ring_messages import KEY_HELD
from checkin.protocol.statement import StatementType, Values
from checkin.ring.app import create_app
from checkin.ring.node import RingNode
from checkin.ring.settings import RingSettings
from checkin.service import ring_calls
from checkin.service.identity import ServiceIdentity
from checkin.service.ring_calls import RingCalls
from checkin.service.settings import Peer, RingUse
from checkin.service.time_peers import clock_guard
from tests.support.service_folder import CALENDAR, DAY, HOUR, at

SERVICE = "registry.example"
NODES = ("a", "b", "c")


def node_name(letter: str) -> str:
    """As it signs."""
    return f"{letter}.ring.{SERVICE}"


def signer(path: Path, name: str) -> NoteSigner:
    """The signer of a secret file, which is made if it is not there."""
    return NoteSigner(name, SigningKey(read_secret(path) if path.exists() else make_secret(path)))


class Ring:
    """Three nodes' folders, and an app node's key. `down`: letters of nodes that do not answer. `sent`: every note that
    went from one to another."""

    def __init__(
        self, folder: Path, ports: Sequence[int] = (8011, 8012, 8013), service: NoteSigner | None = None
    ) -> None:
        self.folder = folder
        self.listen = {letter: f"127.0.0.1:{port}" for letter, port in zip(NODES, ports, strict=True)}
        self.urls = {letter: f"http://{listen}" for letter, listen in self.listen.items()}
        self.maker = "a"
        self.pinned = ""
        """What the settings of nodes have at their end: an authority, if they pin one."""
        self.down: set[str] = set()
        self.sent: list[str] = []
        self._nodes: dict[str, RingNode] = {}
        self._apps: dict[str, FastAPI] = {}
        folder.mkdir(exist_ok=True)
        self.app = signer(folder / "app.key", f"app.{SERVICE}")
        self.apps = [self.app]
        self.service = service or signer(folder / "service.key", SERVICE)
        for letter in NODES:
            self._prepare(letter)

    def _prepare(self, letter: str) -> None:
        home = self.folder / letter
        home.mkdir(exist_ok=True)
        signer(home / "statement.key", node_name(letter))
        if not (home / "master.key").exists():
            make_secret(home / "master.key")
            (home / "data").mkdir()
            (home / "data/deployment").write_text("simulated\n")
        if not (self.folder / "clock").exists():
            (self.folder / "clock").write_text(at(DAY, 12 * HOUR) + "\n")

    @property
    def peers(self) -> list[Peer]:
        """The nodes, as settings name them."""
        return [
            Peer(url=url, vkey=signer(self.folder / letter / "statement.key", node_name(letter)).verifier.vkey)
            for letter, url in self.urls.items()
        ]

    def verifier(self, letter: str) -> NoteVerifier:
        """A node's."""
        return signer(self.folder / letter / "statement.key", node_name(letter)).verifier

    def replace(self, old: str, new: str) -> None:
        """Another node in the place of one, in the settings of all; they are started again."""
        self.listen = {new if letter == old else letter: listen for letter, listen in self.listen.items()}
        self.urls = {letter: f"http://{listen}" for letter, listen in self.listen.items()}
        self._prepare(new)
        self.forget()

    def config(self, letter: str) -> Path:
        """A node's settings, written."""
        home, peers = self.folder / letter, self.peers
        apps = ", ".join(f'"{app.verifier.vkey}"' for app in self.apps)
        members = "".join(f'[[members]]\nurl = "{peer.url}"\nvkey = "{peer.vkey}"\n' for peer in peers)
        (home / "ring.toml").write_text(
            f'name = "{node_name(letter)}"\nlisten = "{self.listen[letter]}"\n'
            'data = "data"\nkeys = "keys"\nmaster_key = "master.key"\nstatement_key = "statement.key"\n'
            f'allow_unfit_storage = true\nmaker = "{node_name(self.maker)}"\n'
            f'service = "{self.service.verifier.vkey}"\napps = [{apps}]\n{members}{self.pinned}'
        )
        return home / "ring.toml"

    def clock(self, letter: str = "") -> Path:
        """A node's clock: its own, or that of all."""
        own = self.folder / letter / "clock"
        return own if letter and own.exists() else self.folder / "clock"

    def go(self, day: int, seconds: float = 0.0) -> None:
        """Set the clock of all."""
        SimulatedClock(self.folder / "clock").set(at(day, seconds))

    def node(self, letter: str) -> RingNode:
        """The node, opened once; `forget` it to open it as after a restart."""
        if letter not in self._nodes:
            settings = RingSettings.load(self.config(letter))
            party = ServiceIdentity(settings, self.clock(letter))
            assert isinstance(party.ring, KeyRing)
            self._nodes[letter] = RingNode(party, party.ring, clock_guard(party), settings)
        return self._nodes[letter]

    def forget(self) -> None:
        """All nodes are restarted."""
        self._nodes.clear()
        self._apps.clear()

    def keys(self, letter: str) -> KeyRing:
        """A node's slots, looked at from beside."""
        home = self.folder / letter
        return KeyRing(home / "keys", read_secret(home / "master.key"), allow_unfit=True)

    def serve(self, patch: pytest.MonkeyPatch, *, direct: bool = False) -> None:
        """From now on the nodes answer: by their apps, or `direct`, by their methods, where a process is to die."""

        def post(url: str, path: str, body: dict[str, str]) -> Any:
            letter = next(letter for letter, own in self.urls.items() if own == url)
            self.sent.append(body["note"])
            if letter in self.down:
                raise Unreachable(f"{url} is down.")
            answer = self._direct(letter, path, body) if direct else self._over_http(letter, path, body)
            self.sent += answer["notes"]
            return answer

        patch.setattr(ring_calls, "post", post)

    def _direct(self, letter: str, path: str, body: dict[str, str]) -> Any:
        return {"notes": getattr(self.node(letter), path.rpartition("/")[2])(body["note"])}

    def _over_http(self, letter: str, path: str, body: dict[str, str]) -> Any:
        if letter not in self._apps:
            self._apps[letter] = create_app(self.config(letter), self.clock(letter))
        answer = asyncio.run(_send(self._apps[letter], path, body))
        if answer.status_code != 200:
            raise problem_error(answer)
        return answer.json()

    def trust(self, letters: Sequence[str] = NODES) -> None:
        """These nodes' clocks are confirmed, as by a person."""
        for letter in letters:
            self.node(letter)._guard.confirm()

    def settings(self, app: str = "app") -> str:
        """The table of an app node's settings; `app` names its key, which the nodes know from their next start on."""
        if app != "app":
            self.apps.append(signer(self.folder / f"{app}.key", f"{app}.{SERVICE}"))
        nodes = "".join(f'[[ring.nodes]]\nurl = "{peer.url}"\nvkey = "{peer.vkey}"\n' for peer in self.peers)
        return f'[ring]\nname = "{app}.{SERVICE}"\nkey = "{self.folder / app}.key"\n{nodes}'

    def use(self, *lost: Path) -> RingUse:
        """As the settings of an app node have it."""
        return RingUse(name=self.app.name, key=self.folder / "app.key", nodes=tuple(self.peers), lost=lost)

    def calls(self, clock: Path | None = None, who: NoteSigner | None = None) -> RingCalls:
        """What an app node, or somebody else, asks."""
        return RingCalls(who or self.app, self.service.name, SimulatedClock(clock or self.folder / "clock"), CALENDAR)

    def ask(self, letter: str, kind: StatementType, **values: str | Sequence[str]) -> list[str]:
        """The notes of a node's answer to the app node."""
        return self.calls().ask(self.peers[NODES.index(letter)], kind, values)[0]

    def now(self) -> float:
        """By the clock of all."""
        return SimulatedClock(self.folder / "clock").now()

    def note(self, to: str, kind: StatementType, who: str = "", **values: str) -> str:
        """A request as it is sent to that node, from the app node or from another node."""
        sender = signer(self.folder / who / "statement.key", node_name(who)) if who else self.app
        stamp = CALENDAR.rfc3339(self.now())
        head = {"service": self.service.name, "from": sender.name, "to": node_name(to), "time": stamp}
        return sign_note(kind.write({**head, "nonce": "A" * 22, "clock": "simulated", **values}), sender)

    def held(self, notes: Sequence[str]) -> dict[str, Values]:
        """`key-held` statements by node, each verified under that node's key."""
        found = {}
        for note in notes:
            opened = open_note(note, [self.verifier(letter) for letter in NODES])
            found[opened.names[0]] = KEY_HELD.read(opened.text)
        return found


async def _send(app: FastAPI, path: str, body: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.post(path, json=body)


def day_key(day: int = DAY) -> KeyName:
    """The name of a day's key."""
    return KeyName(Purpose.DAY, day)
