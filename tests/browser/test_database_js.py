"""What a page keeps in its browser: the connection may be taken away at any moment, and is opened again."""

from __future__ import annotations

from playwright.sync_api import Page

from checkin.clock import DATES
from tests.vectors.material import DAY

TAKEN_AWAY = """async () => {
    const { Database } = await import("/checkin/web/static/js/database.js");
    const database = await Database.open("kept", 1, { things: {} });
    await database.put("things", 1, "before");
    await new Promise((gone, blocked) => {
        Object.assign(indexedDB.deleteDatabase("kept"), { onsuccess: gone, onblocked: blocked });
    });
    await database.put("things", 2, "after");
    return [await database.get("things", "before") ?? null, await database.get("things", "after")];
}"""


def test_a_database_that_was_evicted_is_made_anew_and_goes_on(page: Page) -> None:
    """Nobody waits for a page that holds it open, either."""
    assert page.evaluate(TAKEN_AWAY) == [None, 2]


# A wallet's account that takes batches in turn, each with access notices about some days and the day by the issuer's
# time, 0 where that was not told; about which days it has notices after each.
NOTICES = """async (batches) => {
    const { Account } = await import("/checkin/web/static/js/wallet/account.js");
    const account = await Account.open();
    const seen = [];
    for (const [days, today] of batches) {
        await account.take([], days.map((day) => ({ day, purpose: "measles" })), today);
        seen.push(((await account.get("disclosures")) ?? []).map(({ day }) => day));
    }
    return seen;
}"""


def test_a_notice_is_kept_once_until_the_day_that_it_is_about_is_destroyed(page: Page) -> None:
    """And as long as nobody told the time, whatever the device says."""
    first, later = DATES.date(DAY), DATES.date(DAY + 1)
    batches = [([first], DAY), ([first, later], DAY + 27), ([], 0), ([], DAY + 28), ([], DAY + 29)]
    both = [first, later]
    assert page.evaluate(NOTICES, batches) == [[first], both, both, [later], []]
