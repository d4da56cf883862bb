"""A scanner page's queue goes to its registry: over a slow line in smaller batches, and whatever its lists are like."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

# A link over a line that carries `most` entries at once; how many were asked to go in each request, what the link
# says of itself, and how many entries are left. `lists`: the code with which they are refused, if any.
LINK = """async ({ waiting, most, lists, met, tries }) => {
    const [{ Link }, { Refusal }] = await Promise.all(
        ["scanner/link", "errors"].map((name) => import(`/checkin/web/static/js/${name}.js`)));
    const sizes = [];
    globalThis.fetch = async (path, { body }) => {
        if (path.startsWith("/v1/trust")) return Response.json({});
        const { sealed } = JSON.parse(body);
        sizes.push(sealed.length);
        if (sealed.length > most) throw new TypeError("timed out");
        return Response.json({ results: sealed.map(() => ({ result: "accepted" })) });
    };
    let queue = Array.from({ length: waiting }, (_, number) => ({ id: number + 1, sealed: `${number}` }));
    const store = {
        set: async () => {},
        waiting: async () => queue.length,
        former: async () => [],
        oldest: async (count, last) => queue.filter(({ id }) => id > last).slice(0, count),
        settle: async (entries) => { queue = queue.slice(entries.length); },
    };
    const trust = {
        met: true,
        async update() {
            this.met = met;
            if (lists) throw new Refusal(lists);
        },
    };
    const link = new Link(store, trust, { scanner_token: "" }, () => 0);
    for (let number = 0; number < tries; number++) await link.try();
    link.stop();
    return { sizes, online: link.online, problem: link.problem, left: queue.length };
}"""


def test_a_batch_that_does_not_get_through_is_halved_and_grows_again_slowly(page: Page) -> None:
    """A festival's queue leaves a gate with a bad network, and does not wait there until it is too old."""
    seen = page.evaluate(LINK, {"waiting": 1500, "most": 300, "lists": None, "met": True, "tries": 4})
    assert seen["sizes"] == [1000, 500, 250, 300, 350, 175, 225, 275, 275]
    assert (seen["online"], seen["problem"], seen["left"]) == (True, None, 0)


@pytest.mark.parametrize("code", ["note_malformed", "proof_invalid", "list_refused", "clock_wrong"])
def test_a_queue_is_uploaded_also_when_lists_are_refused(page: Page, code: str) -> None:
    """Visits that were sealed before must not be lost for somebody's bad list; the steward is told all the same."""
    seen = page.evaluate(LINK, {"waiting": 3, "most": 1000, "lists": code, "met": True, "tries": 1})
    assert seen == {"sizes": [3], "online": False, "problem": code, "left": 0}


def test_a_queue_does_not_go_to_a_registry_that_another_key_signs_for(page: Page) -> None:
    """It would take the visits, say `accepted`, and throw them away."""
    seen = page.evaluate(LINK, {"waiting": 3, "most": 1000, "lists": "note_untrusted", "met": False, "tries": 1})
    assert seen == {"sizes": [], "online": False, "problem": "note_untrusted", "left": 3}


# Rounds of a link, of which some fail, each in its way: whether it is online after each, and how many ms it then waits.
ROUNDS = """async (faults) => {
    const [{ Link }, { Refusal }] = await Promise.all(
        ["scanner/link", "errors"].map((name) => import(`/checkin/web/static/js/${name}.js`)));
    let [fault, wait, queue] = [null, null, [{ id: 1, sealed: "a" }]];
    globalThis.setTimeout = (_, ms) => { wait = ms; return 1; };
    const batch = {
        "no array": () => Response.json({ results: {} }),
        "another word": () => Response.json({ results: [{ result: "fine" }] }),
        "too few": () => Response.json({ results: [] }),
        "a page": () => new Response("<html>", { headers: { "content-type": "text/html" } }),
        "no line": () => { throw new TypeError("network"); },
    };
    globalThis.fetch = async (path) => {
        if (path.startsWith("/v1/trust")) return Response.json({});
        return batch[fault]?.() ?? Response.json({ results: [{ result: "accepted" }] });
    };
    const broken = (name) => { if (fault === name) throw new DOMException("closed", "InvalidStateError"); };
    const store = {
        set: async () => broken("store"),
        waiting: async () => queue.length,
        former: async () => [],
        oldest: async (count, last) => { broken("queue"); return queue.filter(({ id }) => id > last); },
        settle: async (entries, results) => { queue = results[0].result === "undecided" ? queue : []; },
    };
    const trust = { met: true, async update() { if (fault === "lists") throw new Refusal("list_refused"); } };
    const link = new Link(store, trust, { scanner_token: "" }, () => 0);
    const seen = [];
    for (fault of faults) {
        await link.try();
        seen.push([link.online, wait, queue.length]);
    }
    return seen;
}"""


def test_the_link_goes_on_after_any_error_in_growing_pauses(page: Page) -> None:
    """It is offline while what waits cannot be uploaded, and online again after the next good round."""
    faults = ["no array", "another word", "too few", "a page", "no line", "store", "queue", "queue"]
    *failed, good = page.evaluate(ROUNDS, [*faults, None])
    assert [(online, left) for online, _, left in failed] == [(False, 1)] * len(faults)
    for number, (_, wait, _) in enumerate(failed):
        longest = min(60_000, 4000 * 2**number)
        assert longest / 2 <= wait <= longest
    assert good == [True, 60_000, 0]


def test_a_database_that_the_browser_closed_is_opened_again(page: Page) -> None:
    """By another window with a newer page, or while this one was hidden."""
    script = """async () => {
        const { Database } = await import("/checkin/web/static/js/database.js");
        const database = await Database.open("test", 1, { things: {} });
        await database.put("things", "before", 1);
        await new Promise((done) => { indexedDB.deleteDatabase("test").onsuccess = done; });
        await database.put("things", "after", 2);
        return [await database.get("things", 1) ?? null, await database.get("things", 2)];
    }"""
    assert page.evaluate(script) == [None, "after"]
