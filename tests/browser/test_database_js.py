"""What a page keeps in its browser: the connection may be taken away at any moment, and is opened again."""

from __future__ import annotations

from playwright.sync_api import Page

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
