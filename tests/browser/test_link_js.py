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
