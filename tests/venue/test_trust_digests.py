"""A poll that brings nothing new costs few bytes, and lists are served by their digests, for any cache to keep."""

from __future__ import annotations

from typing import Any

import pytest

from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import sha256
from tests.support.registry_service import add_scanner
from tests.support.service_folder import NOON, bearer
from tests.venue.conftest import Scene
from venue import lists
from venue.lists import IssuerEntry, Lists

NONCE = "0123456789abcdef"


class Boot:
    """A boot clock that stands still, long after the one that the service started by."""

    moment = 1e12

    def boot(self) -> float:
        return self.moment


def trust(scene: Scene, token: str = "", tag: str = "", **query: str) -> Any:
    """The answer to a scanner's poll."""
    headers = bearer(token or scene.at.scanner) | ({"If-None-Match": tag} if tag else {})
    return scene.client.get("/v1/trust", params=query, headers=headers)


def test_a_poll_that_brings_nothing_new_has_no_content(scene: Scene) -> None:
    """Until the rule changes; the time alone is nothing new, and who wants it signed gets everything."""
    for form in ({}, {"digests": "true"}):
        tag = trust(scene, **form).headers["etag"]
        scene.registry.set(NOON + 60)
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            same = trust(scene, tag=known, **form)
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert trust(scene, tag='"other"', **form).status_code == 200
        assert "time_note" in trust(scene, tag=tag, nonce=NONCE, **form).json()
        rule = [1] if not form else [2]
        path = f"/v1/venues/{scene.at.venue_id}/status-rule"
        scene.client.put(path, json={"accepted": rule}, headers=bearer(scene.at.operator)).raise_for_status()
        assert trust(scene, tag=tag, **form).json()["status_rule"] == rule


def test_lists_by_their_digests_are_the_whole_answer(scene: Scene) -> None:
    """Without a token, for any cache to keep, and under 400 bytes a poll."""
    whole, short = trust(scene), trust(scene, digests="true")
    assert len(short.content) <= 400
    answer = short.json()
    contents = {}
    for digest in (answer["own"], *answer["issuers"]):
        got = scene.client.get(f"/v1/lists/{digest}")
        assert got.headers["cache-control"] == "public, max-age=1209600, immutable"
        assert b64url_encode(sha256(got.content)) == digest
        contents[digest] = got.json()
    joined = answer | contents[answer.pop("own")] | {"issuers": [contents[digest] for digest in answer["issuers"]]}
    assert joined == whole.json()


def test_a_digest_of_nothing_is_not_found_and_kept_nowhere(scene: Scene) -> None:
    """Also that of a list which is given no more."""
    old = trust(scene, digests="true").json()["own"]
    scene.registry.set(NOON + 2 * 86_400)  # its first day is left out
    for digest in (old, "A" * 43):
        missing = scene.client.get(f"/v1/lists/{digest}")
        assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")
    assert scene.client.get("/v1/lists/short").status_code == 422


def test_no_tag_or_digest_tells_two_scanners_of_a_venue_apart(scene: Scene) -> None:
    """Nor what is in the answers."""
    other = add_scanner(scene.client, scene.at.venue_id, scene.at.operator)
    for form in ({}, {"digests": "true"}):
        one, another = (trust(scene, token, **form) for token in (scene.at.scanner, other.scanner))
        assert (one.headers["etag"], one.content) == (another.headers["etag"], another.content)


def test_polls_are_answered_out_of_memory_for_a_second(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks a disk or a ring meanwhile, neither for a poll that brings nothing new nor for a signed time."""
    clock = Boot()
    monkeypatch.setattr(lists, "STOPWATCH", clock)
    tag = trust(scene, digests="true").headers["etag"]
    read: list[Lists] = []

    def nothing(self: Lists) -> list[IssuerEntry]:
        read.append(self)
        return []

    monkeypatch.setattr(Lists, "_entries", nothing)
    assert trust(scene, tag=tag, digests="true", waiting="3").status_code == 304
    assert trust(scene, digests="true", nonce=NONCE).json()["issuers"]
    assert trust(scene).json()["issuers"]
    assert not read
    clock.moment += 1
    for day in (0, 1):
        scene.registry.set(NOON + day * 86_400)
        assert trust(scene, tag=tag, digests="true").json()["issuers"] == []
        assert len(read) == day + 1


def test_an_answer_out_of_memory_is_that_of_the_route(scene: Scene) -> None:
    """Head and content; `digests=1` and `digests=0` are what memory leaves to the route, as all that is refused."""
    tag = trust(scene, digests="true").headers["etag"]
    for forms in (("true", "1"), ("false", "0")):
        for more in ({}, {"nonce": NONCE}, {"waiting": "7"}):
            for known in ("", tag, "*"):
                fast, slow = (trust(scene, tag=known, digests=form, **more) for form in forms)
                assert (fast.status_code, fast.content) == (slow.status_code, slow.content)
                assert [pair for pair in fast.headers.raw if pair[0] != b"date"] == [
                    pair for pair in slow.headers.raw if pair[0] != b"date"
                ]
    for wrong in ({"nonce": "short"}, {"waiting": "-2"}, {"waiting": "1000001"}, {"digests": "maybe"}):
        assert trust(scene, **wrong).status_code == 422
    assert scene.client.get("/v1/trust?digests=true&digests=false", headers=bearer(scene.at.scanner)).json()["intake"]
    assert trust(scene, "nobody's").status_code == 401
    assert trust(scene, scene.at.operator).status_code == 403
