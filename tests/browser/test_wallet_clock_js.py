"""The wallet page's time: carried on by two clocks of which one can be set and the other may stand still."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Launch

# Steps in turn: what the device's clock and the steady clock did, by how many seconds of real time; at the end the
# error of the wallet's time, and by how much the device is ahead.
RUN = """async ([off, steps]) => {
    const { WalletClock } = await import("/checkin/web/static/js/wallet/clock.js");
    let [real, steady] = [1_800_000_000, 5000];
    const device = () => real + off;
    let clock = new WalletClock(device, () => steady);
    const does = {
        measure: (took) => {
            const asked = clock.ask();
            real += took; steady += took;
            clock.measure(Math.floor(real - took / 2), asked);
        },
        pass: (seconds) => { real += seconds; steady += seconds; clock.look(); },
        set: (seconds) => { off += seconds; clock.look(); },
        leave: () => clock.leave(),
        sleep: (seconds) => { real += seconds; },
        back: () => clock.comeBack(),
        stop: () => { does.kept = structuredClone(clock.plain); },
        reload: () => { clock = new WalletClock(device, () => steady); clock.restore(does.kept); },
        restart: () => { steady = device(); does.reload(); },
    };
    for (const [name, value] of steps) does[name](value);
    return [clock.now() - real, clock.ahead, clock.proved !== null];
}"""
DAY = 86_400
M = ["measure", 0.4]
CASES: dict[str, list[list[Any]]] = {
    "measured": [M],
    "an hour later": [M, ["pass", 3600]],
    "set while the page is open": [M, ["pass", 60], ["set", 3600], ["pass", 60]],
    "set back while the page is open": [M, ["pass", 60], ["set", -3600], ["pass", 60]],
    "a sleep": [M, ["leave"], ["sleep", 7200], ["back"], ["pass", 5]],
    "many short sleeps": [M, ["leave"], *[["sleep", 0.5], ["pass", 10]] * 50, ["back"]],
    "set back while nobody looks": [M, ["leave"], ["set", -500], ["pass", 20], ["back"]],
    "offline for a day, asleep most of it": [M, ["leave"], ["pass", 100], ["sleep", DAY - 5000], ["back"]],
    "offline for a day, and loaded again": [M, ["stop"], ["pass", DAY], ["reload"]],
    "the browser started anew": [M, ["leave"], ["sleep", 900], ["back"], ["stop"], ["pass", DAY], ["restart"]],
    "the device started anew": [M, ["stop"], ["sleep", DAY - 5000], ["restart"]],
    "set back, and loaded again": [M, ["stop"], ["set", -500], ["pass", 20], ["reload"]],
    "measured again after a wrong set": [M, ["leave"], ["set", 900], ["back"], M],
}


@pytest.fixture
def module(launch: Launch, files: str) -> Page:
    """A page that may import the wallet's modules."""
    page = launch().new_page()
    page.goto(f"{files}/tests/js/blank.html")
    return page


def test_the_time_is_right_however_the_device_is_off(module: Page) -> None:
    """From five seconds to a day, in both directions, in every story."""
    for story, steps in CASES.items():
        for off in (0, 5, -5, 8, -21, 600, -600, DAY, -DAY):
            error, ahead, proved = module.evaluate(RUN, [off, steps])
            assert abs(error) < 1.5, (story, off)
            moved = sum(step[1] for step in steps if step[0] == "set")
            if story != "measured again after a wrong set":
                assert abs(ahead - off - moved) < 1.5, (story, off)
            assert proved, (story, off)


def test_a_device_that_was_set_right_is_believed(module: Page) -> None:
    """Somebody mends the clock in the settings while the page is hidden or closed."""
    for off in (-DAY, -3600, -30, 30, 3600):
        mended = [["set", -off], ["pass", 20]]
        for steps in ([M, ["leave"], *mended, ["back"]], [M, ["stop"], *mended, ["reload"]]):
            error, ahead, _ = module.evaluate(RUN, [off, steps])
            assert abs(error) < 2.5, (steps, off)
            assert abs(ahead) < 2.5, (steps, off)
    error, ahead, _ = module.evaluate(RUN, [DAY, [M, ["stop"], ["set", -DAY], ["pass", 20], ["restart"]]])
    assert [error, ahead] == [0, 0]


def test_a_clock_that_leads_nowhere_is_not_called_proved(module: Page) -> None:
    """Set back to a time before the measurement, with the browser started anew: nothing is known."""
    _, ahead, proved = module.evaluate(RUN, [0, [M, ["stop"], ["set", -DAY], ["restart"]]])
    assert [ahead, proved] == [0, False]


def test_a_slow_answer_corrects_only_what_it_excludes(module: Page) -> None:
    """A right clock is not made wrong by a slow network, and a wrong one is still noticed."""
    for off, most in ((0, 0.0), (3, 3.0), (60, 5.0), (-60, 5.0)):
        error, _, proved = module.evaluate(RUN, [off, [["measure", 8]]])
        assert abs(error) <= most, off
        assert proved


def test_nothing_is_learnt_from_an_answer_with_a_sleep_in_it(module: Page) -> None:
    """Nobody knows how long it took."""
    script = """async () => {
        const { WalletClock } = await import("/checkin/web/static/js/wallet/clock.js");
        let [device, steady] = [1000, 0];
        const clock = new WalletClock(() => device, () => steady);
        const asked = clock.ask();
        device += 500; steady += 1;
        clock.measure(1000, asked);
        return clock.proved;
    }"""
    assert module.evaluate(script) is None
