"""Frames put before the scanner page's own gate: decoded, verified, queued and shown, as if a camera had taken them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from checkin.clock import Calendar, SystemClock
from checkin.http.asking import drive
from checkin.http.client import drive_at
from checkin.parties import wallet
from checkin.parties.wallet import Wallet
from tests.support.deployment_in_processes import Site

BATCHES = 6  # a person's for a day
SIGNED_BEFORE = 3  # seconds
# A gate of the page's own modules over the page's own storage, whose clock and lists stand still: making frames takes
# longer than a code lives.
PREPARE = """async (now) => {
    const [{ Decoder, pixelsOf }, { Door }, { Gate }, { Store }, { Trust }, { showVerdict }] = await Promise.all(
        ["decoder", "scanner/door", "scanner/gate", "scanner/store", "trust", "scanner/verdict"]
            .map((name) => import(`/static/js/${name}.js`)));
    const store = await Store.open();
    const trust = new Trust({ ...(await store.get("trust")), time: now });
    const door = new Door(store, trust, await store.get("device"), { online: false, lost() {} },
        { now: () => now, proved: () => true });
    const decoder = new Decoder("/scanner-decoder.js");
    let outcome;
    const gate = new Gate(decoder, (text) => door.scan(text), (shown) => {
        outcome = shown.result ?? shown.refusal.code;
        showVerdict(shown);
        return Promise.resolve();
    });
    globalThis.judgeFrame = async (encoded) => {
        const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        outcome = null;
        const taken = performance.now();
        await gate.look(pixelsOf(bitmap, bitmap.width, bitmap.height), taken);
        const spent = performance.now() - taken;
        return [outcome, spent];
    };
}"""


@dataclass(frozen=True)
class Judged:
    """A frame's outcome (None: no code was read) and the milliseconds from frame to verdict."""

    outcome: str | None
    spent: float


def tokens(site: Site, count: int) -> tuple[list[str], int]:
    """Real codes, each of a credential of its own, and the moment at which they may be scanned."""
    calendar, now = site.calendar, int(SystemClock().now())
    day = calendar.day(now)
    texts: list[str] = []
    while len(texts) < count:
        phone = f"{len(texts):04d}"
        issuer = site.url("issuer")
        registration = drive_at(issuer, wallet.register("Frame", f"0103{now % 1000:03d}{phone}"))
        code = site.message(f"3{now % 1000:03d}{phone}")
        held = drive_at(issuer, wallet.confirm(issuer, registration, code))
        texts += _codes(held, day, now, calendar)
    return texts[:count], now + SIGNED_BEFORE


def _codes(held: Wallet, day: int, now: int, calendar: Calendar) -> list[str]:
    texts = []
    for _ in range(BATCHES):
        drive_at(held.issuer_url, held.fetch(day, calendar))
        while item := drive(held.open_code(day)):
            texts.append(wallet.present(item, now, calendar))
    return texts


def judge(page: Page, pictures: list[Image.Image], now: int) -> list[Judged]:
    """What the enrolled scanner page makes of each picture."""
    page.evaluate(PREPARE, now)
    results: list[Judged] = []
    for picture in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", compress_level=1)
        answer: list[Any] = page.evaluate("judgeFrame", base64.b64encode(buffer.getvalue()).decode())
        results.append(Judged(*answer))
    return results
