"""Sends a registry check-ins that nobody meant to send, and looks at every answer.

    python tests/fuzz_door.py 10000000              # about an hour on one core
    python tests/fuzz_door.py 100000 --seed 7

Codes with bits, bytes and whole fields changed, codes cut and joined, their text and the JSON around it changed
likewise, and bytes of no sense at all; one in a thousand is a good one. The whole app answers, in this process, and
without a socket. Ends with status 1 at an answer of 5xx, at a code that the API's description does not announce, at a
changed code that was taken, and at a good one that was not. Prints how many answers of each kind there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import structlog

from checkin.protocol.encoding import b64url_encode, base45_encode
from tests.support.registry_service import Enrolled, Issuer, Phone, Registry, enrol
from tests.support.service_folder import DAY, NOON
from venue.app import create_app

ROUTE: Final = "/v1/check-ins"
EDGES: Final = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
PREFIX: Final = "CK1:"
TAKEN: Final = ("accepted", "repeated", "already_used")
Answer = tuple[int, str]


class Fuzz:
    """Good codes to begin with, and the ways to spoil one."""

    def __init__(self, chance: random.Random, codes: list[bytes]) -> None:
        self._chance = chance
        self._codes = codes
        self._ways: list[Callable[[], bytes]] = [self._code, self._code, self._text, self._body, self._noise]

    def body(self) -> tuple[bytes, bool]:
        """A request's body, and whether it is a good one."""
        if self._chance.random() < 0.001:
            return self._request(self._pick()), True
        return self._chance.choice(self._ways)(), False

    def has_code(self, body: bytes) -> bool:
        """Whether the body has one of the good codes: its changes undid each other, or lie beside it."""
        return any((PREFIX + base45_encode(code)) == json.loads(body)["token"] for code in self._codes)

    def _pick(self) -> bytes:
        return self._chance.choice(self._codes)

    def _request(self, code: bytes) -> bytes:
        return self._json(PREFIX + base45_encode(code))

    def _json(self, text: str) -> bytes:
        scan = b64url_encode(self._chance.randbytes(16))
        return json.dumps({"token": text, "scan_id": scan}, ensure_ascii=self._chance.random() < 0.5).encode(
            errors="surrogatepass"
        )

    def _code(self) -> bytes:
        return self._request(self._spoilt(self._pick()))

    def _text(self) -> bytes:
        return self._json(self._spoilt((PREFIX + base45_encode(self._pick())).encode()).decode("latin-1"))

    def _body(self) -> bytes:
        return self._spoilt(self._request(self._pick()))

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.randrange(600))

    def _spoilt(self, good: bytes) -> bytes:
        """One to three changes."""
        spoilt, chance = bytearray(good), self._chance
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(spoilt)) if spoilt else 0
            until = min(len(spoilt), at + chance.choice((1, 2, 4, 8, 16, 32, 64)))
            match chance.randrange(7):
                case 0 if spoilt:
                    spoilt[at] ^= 1 << chance.randrange(8)
                case 1 if spoilt:
                    spoilt[at] = chance.choice(EDGES)
                case 2:
                    spoilt[at:until] = bytes([chance.choice(EDGES)]) * (until - at)
                case 3:
                    spoilt[at:until] = chance.randbytes(until - at)
                case 4:
                    del spoilt[at:until]
                case 5:
                    spoilt[at:at] = chance.randbytes(chance.randint(1, 8))
                case _:
                    spoilt[at:until] = self._pick()[at:until]
        return bytes(spoilt)


async def ask(app: Any, at: Enrolled, body: bytes) -> Answer:
    """Status, and the code of a refusal or the word of a result."""
    sent: list[Any] = []
    headers = [(b"authorization", b"Bearer " + at.scanner.encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": ROUTE, "headers": headers, "query_string": b"", "app": app}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    said = json.loads(b"".join(message.get("body", b"") for message in sent))
    return sent[0]["status"], said.get("code") or said["result"]


def announced(description: dict[str, Any]) -> set[Answer]:
    """Every status with every code that it may have."""
    found: set[Answer] = {(201, "accepted"), (200, "repeated")}
    for status, response in description["paths"][ROUTE]["post"]["responses"].items():
        problem = response.get("content", {}).get("application/problem+json")
        codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else ()
        found |= {(int(status), code) for code in codes}
    return found


async def run(app: Any, at: Enrolled, fuzz: Fuzz, number: int) -> Counter[Answer]:
    """All of them, one after another; raises `SystemExit` with the first wrong answer and what was sent."""
    transport, counted, began = httpx.ASGITransport(app), Counter[Answer](), time.monotonic()
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
        allowed = announced((await client.get("/openapi.json")).json())
    for done in range(1, number + 1):
        body, good = fuzz.body()
        answer = await ask(app, at, body)
        taken = answer[1] in TAKEN
        if answer[0] >= 500 or answer not in allowed or (good and not taken) or (taken and not fuzz.has_code(body)):
            raise SystemExit(f"{answer} to {body!r}")
        counted[answer] += 1
        if done % 100_000 == 0:
            print(f"{done} of {number}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return counted


def main() -> None:
    """Run and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    issuer = Issuer(1)
    issuer.list_days(DAY, DAY + 1)
    fuzz = Fuzz(random.Random(wanted.seed), [Phone(issuer, DAY).bytes_at(NOON) for _ in range(20)])
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "registry", [issuer])
        with registry.client() as client:  # begins the day
            at = enrol(client)
        counted = asyncio.run(fuzzed(registry, at, fuzz, wanted.number))
    issuer.stop()
    for (status, code), count in sorted(counted.items()):
        print(f"{status} {code}: {count}")
    print(f"{wanted.number} check-ins, seed {wanted.seed}: 0 answers of 5xx, all announced, 0 changed codes taken")


async def fuzzed(registry: Registry, at: Enrolled, fuzz: Fuzz, number: int) -> Counter[Answer]:
    """At a registry that runs."""
    app = create_app(registry.config, registry.clock)
    async with app.router.lifespan_context(app):
        return await run(app, at, fuzz, number)


if __name__ == "__main__":
    main()
