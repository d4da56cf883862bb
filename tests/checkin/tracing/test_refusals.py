"""What an order cannot do, through the real services. Each attempt has beside it what it differs from, which works."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkin.errors import NoteMalformed, NoteUntrusted, OrderScope, OrderTooLarge, SealBroken, SharesInvalid
from checkin.keys.officer_folder import load_share
from checkin.orders.folder import OrderFolder
from checkin.orders.order import ORDER_FILE, draft
from checkin.orders.part import BATCHES, PEOPLE, VISITS, answer_info, part_digest
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.note import NoteSigner, add_signature, join_note, sign_note, split_note, unverified_text
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes, sha256
from checkin.service.settings import LogSettings
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import leaf_hash
from checkin.tlog.proof import LogProof
from checkin.tracing.execute import open_trace
from tests.checkin.tracing.conftest import Scene
from tests.checkin.tracing.orders import HOUR, NAMES, code, number_of, order
from tests.support.deployment_in_threads import SECOND, person_order, venue_order
from tests.support.service_folder import NOON


def stranger() -> NoteSigner:
    return NoteSigner("stranger.example", SigningKey(random_bytes(32)))


# --- who signed -------------------------------------------------------------------------------------------------


def test_one_officer_alone_is_refused_wherever_it_is_tried(scene: Scene) -> None:
    """At the folder, at the log, and at a service that is shown a logged entry."""
    signed = order(scene)
    body, part = scene.country.body(signed), signed.parts[0]
    officer = scene.country.officers[0]
    assert code(scene.country.send("venue", body | {"part": sign_note(part.part.text, officer)})) == "order_untrusted"
    folder = scene.country.drafted(next(NAMES), venue_order(scene.cafe, NOON - HOUR, NOON))
    folder.sign([officer])
    with pytest.raises(NoteUntrusted):
        folder.open(scene.country.authority.officers)
    entry = sign_note(unverified_text(signed.entry), officer)
    with scene.country.client("retention", scene.country.deployment.token("authority-retention")) as client:
        assert code(client.post("/v1/entries", json={"note": entry})) == "note_untrusted"
    assert code(scene.country.send("venue", body)) == "ok"


def test_signing_twice_does_not_make_two_officers(scene: Scene) -> None:
    """Not under his own name, not under another's."""
    signed = order(scene)
    officer = scene.country.officers[0]
    text = signed.parts[0].part.text
    twice = join_note(text, [officer.sign(text)] * 2)
    other = add_signature(sign_note(text, officer), stranger())
    for note in (twice, other):
        answer = scene.country.send("venue", scene.country.body(signed) | {"part": note})
        assert code(answer) == "order_untrusted"


def test_officers_of_another_authority_are_strangers(scene: Scene) -> None:
    """Two signatures of keys that nobody pinned."""
    signed = order(scene)
    note = sign_note(signed.parts[0].part.text, stranger(), stranger())
    assert code(scene.country.send("venue", scene.country.body(signed) | {"part": note})) == "order_untrusted"


@pytest.mark.parametrize("junk", ["", "x", "checkin/order-part/v1\n", "\ud7ff\n\n— a b\n", "a" * 60_000])
def test_what_is_no_note_is_refused_and_counted(scene: Scene, junk: str) -> None:
    """By the hash of what was sent."""
    body = scene.country.body(order(scene)) | {"part": junk}
    assert code(scene.country.send("issuer", body)) == "order_untrusted"


def test_an_order_of_the_real_world_is_refused_under_a_simulated_clock(scene: Scene) -> None:
    """And the other way round, by the same line: real and simulated time do not mix."""
    signed = scene.country.signed(next(NAMES), venue_order(scene.cafe, NOON, NOON + HOUR), simulated=False)
    good = order(scene)
    body = scene.country.body(good) | {"part": signed.parts[0].note}
    assert code(scene.country.send("venue", body)) == "order_untrusted"


def test_only_the_authority_reaches_the_desk(scene: Scene) -> None:
    """Before anything is looked at, and so not counted as an order."""
    body = scene.country.body(order(scene))
    for service in ("issuer", "venue"):
        before = scene.country.statements(service)
        others = 403 if service == "venue" else 401  # the issuer does not know the token of a registry's operator
        for token, status in ((None, 401), ("x" * 43, 401), (scene.country.deployment.token("enrolment"), others)):
            with scene.country.client(service, token) as client:
                assert client.post("/v1/orders", json=body).status_code == status
        assert scene.country.statements(service) == before


# --- to whom, for how long, how much ----------------------------------------------------------------------------


def test_a_part_for_another_audience_is_refused(scene: Scene) -> None:
    """The registry's at an issuer, an issuer's at the registry, one issuer's at the other."""
    signed = order(scene)
    first = number_of(signed, PEOPLE, "issuer.localhost")
    for service, number in (("issuer", 0), ("venue", first), (SECOND, first)):
        body = scene.country.body(signed, number)
        assert code(scene.country.send(service, body)) == "order_wrong_audience"


def test_an_expired_order_is_refused_also_by_who_answered_it(own_scene: Scene) -> None:
    """To the second, and the answer that was kept is gone."""
    signed = order(own_scene, life=3600.0)
    body = own_scene.country.body(signed)
    assert code(own_scene.country.send("venue", body)) == "ok"
    made = signed.parts[0].part.expires
    own_scene.country.set(made - 1)
    assert code(own_scene.country.send("venue", body)) == "ok"
    own_scene.country.set(made)
    assert code(own_scene.country.send("venue", body)) == "order_expired"
    # A clock set back by less than an hour revives nothing either.
    own_scene.country.set(made - 60)
    assert code(own_scene.country.send("venue", body)) == "order_expired"


def test_no_order_lives_longer_than_a_week(scene: Scene) -> None:
    """Even when enough officers signed it: the limit is the service's."""
    signed = order(scene)
    text = signed.parts[0].part.text.replace("expires 2026-11-23", "expires 2026-12-23")
    assert text != signed.parts[0].part.text
    assert code(scene.country.send("venue", forged(scene, text))) == "order_scope"


def forged(scene: Scene, text: str) -> dict[str, str]:
    """Two corrupt officers sign and log a part that no order of ours would have."""
    entry = f"checkin/order-logged/v1\nauthority health.localhost\nday 2026-11-20\npart {part_digest(text)}\n"
    officers = scene.country.officers[:2]
    signed = replace(order(scene), entry=sign_note(entry + "clock simulated\n", *officers))
    return scene.country.body(signed) | {"part": sign_note(text, *officers)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limit 1000", "limit 1001"),
        ("limit 1000", "limit 5001"),
        ("to 2026-11-20T13:00", "to 2026-11-20T14:00"),
        ("case 2026-17", "case 2026-18"),
    ],
)
def test_a_widened_part_is_not_what_the_officers_signed(scene: Scene, old: str, new: str) -> None:
    """Whatever line is changed."""
    signed = order(scene)
    note = signed.parts[0].note
    assert old in note
    body = scene.country.body(signed) | {"part": note.replace(old, new)}
    assert code(scene.country.send("venue", body)) == "order_untrusted"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to 2026-11-20T13:00", "to 2026-11-20T15:01"),
        ("limit 1000", "limit 5001"),
        ("step visits", "step contacts"),
        ("venue ", "phone +821012345678\nvenue "),
    ],
)
def test_not_even_officers_can_ask_more_than_an_order_may(scene: Scene, old: str, new: str) -> None:
    """Five hours of a venue, too many rows, and at the registry a person: such a part does not even read."""
    text = order(scene).parts[0].part.text
    assert old in text
    assert code(scene.country.send("venue", forged(scene, text.replace(old, new, 1)))) == "order_untrusted"


def test_more_rows_than_the_part_allows_give_nothing_at_all(scene: Scene) -> None:
    """Two visits and a name where one row was allowed; with four it works."""
    assert code(scene.country.send("venue", scene.country.body(order(scene, limit=3)))) == "order_too_large"
    with pytest.raises(OrderTooLarge):
        scene.country.execute(order(scene, limit=3))
    assert code(scene.country.send("venue", scene.country.body(order(scene, limit=4)))) == "ok"


# --- logged -------------------------------------------------------------------------------------------------------


def test_an_order_that_is_not_in_the_log_is_refused(scene: Scene) -> None:
    """A proof of another entry, of another place, from another log, with a changed hash, and none at all."""
    signed, other = order(scene), order(scene)
    good, foreign = scene.country.body(signed), scene.country.body(other)
    proof = LogProof.read(good["proof"])
    fake = NoteSigner("retention.localhost/log", SigningKey(random_bytes(32)))
    head = Checkpoint("retention.localhost/log", 1, leaf_hash(signed.entry.encode())).write()
    wrong = {
        "another entry": foreign["entry"],
        "a forged checkpoint": LogProof(0, (), sign_note(head, fake)).write(),
        "another place": replace(proof, index=proof.index + 1).write(),
        "a changed hash": replace(proof, hashes=(random_bytes(32), *proof.hashes[1:])).write(),
        "another order's": foreign["proof"],
        "none": "",
    }
    for name, text in wrong.items():
        body = good | ({"entry": text} if name == "another entry" else {"proof": text})
        assert code(scene.country.send("venue", body)) == "order_not_logged", name
    # Genuinely logged, but about another part.
    body = good | {"entry": foreign["entry"], "proof": foreign["proof"]}
    assert code(scene.country.send("venue", body)) == "order_not_logged"
    assert code(scene.country.send("venue", good)) == "ok"


def test_a_checkpoint_that_no_witness_saw_does_not_count_where_witnesses_are_pinned(scene: Scene) -> None:
    """The log alone cannot show the authority one history and the public another."""
    signed = scene.country.signed(next(NAMES), person_order(scene.bob))
    number = number_of(signed, BATCHES, f"{SECOND}.localhost")
    body = scene.country.body(signed, number)
    witness = Cosigner("witness.example/w1", SigningKey(random_bytes(32)))
    desk = scene.country.apps[SECOND].state.issuer.orders
    pinned = desk.pinned
    try:
        desk.pinned = LogSettings(vkey=pinned.vkey, witnesses=(witness.verifier.vkey,))
        assert code(scene.country.send(SECOND, body)) == "order_not_logged"
        proof = LogProof.read(body["proof"])
        text, _ = split_note(proof.checkpoint)
        cosigned = proof.checkpoint + witness.cosign(text, NOON)
        seen = body | {"proof": replace(proof, checkpoint=cosigned).write()}
        assert code(scene.country.send(SECOND, seen)) == "ok"
    finally:
        desk.pinned = pinned


# --- before it leaves the authority -------------------------------------------------------------------------------


def test_an_order_changed_after_it_was_read_is_not_signed_and_not_opened(scene: Scene) -> None:
    """The parts follow from the order; whoever changes one of them is noticed by the next officer."""
    folder = scene.country.drafted(next(NAMES), venue_order(scene.cafe, NOON, NOON + HOUR))
    path = scene.country.deployment.folder / "orders" / f"order-{int(next(NAMES)[6:]) - 1}" / "part-1-visits.txt"
    text = path.read_text()
    path.write_text(text.replace("limit 1000", "limit 2000"))
    with pytest.raises(NoteMalformed, match="part-1-visits"):
        folder.sign(scene.country.officers[:2])
    path.write_text(text)
    assert folder.sign(scene.country.officers[:2]) == 2
    signed = path.parent / ORDER_FILE
    signed.write_text(signed.read_text().replace("limit 1000", "limit 2000"))
    with pytest.raises(NoteMalformed):
        folder.open(scene.country.authority.officers)


def test_without_enough_shares_there_is_no_answer_key_and_no_list(scene: Scene) -> None:
    """Answers are sealed to the ring key, lists signed with one that follows from it: a stolen folder, even signed,
    traces nothing."""
    signed = order(scene)
    share = load_share(scene.country.deployment.officers()[0])
    for shares in ([], [share], [share, share]):
        with pytest.raises(SharesInvalid):
            open_trace(signed, scene.country.authority, scene.country.parties, shares)
    assert not list((scene.country.deployment.folder / "orders").rglob("*.key"))


def test_an_order_with_keys_of_its_own_is_not_executed(scene: Scene) -> None:
    """As an earlier version drafted it: whoever drafted it could read its answers. One line says what to do."""
    country, drafter = scene.country, OpeningKey(random_bytes(32))
    own = draft(
        venue_order(scene.cafe, NOON - HOUR, NOON),
        replace(country.authority, ring_keys=replace(country.authority.ring_keys, public=drafter.public)),
        registry=country.parties.registry.verifier.name,
        issuers=[party.verifier.name for party in country.parties.issuers],
        now=country.clock.now(),
    )
    folder = OrderFolder.make(country.deployment.folder / "orders" / next(NAMES), own)
    folder.sign(country.officers[:2])
    with pytest.raises(OrderScope, match="authority order") as refused:
        country.opened(folder.open(country.authority.officers))
    assert "\n" not in str(refused.value)


def test_whoever_drafts_an_order_opens_no_answer_and_moves_none(scene: Scene) -> None:
    """All that the drafter has, against an answer as a service keeps it. Control: the ring key opens it, as the answer
    to this part of this order and to nothing else."""
    signed = order(scene)
    sealed = b64url_decode(scene.country.send("venue", scene.country.body(signed)).json()["sealed"])
    part, trace = signed.parts[0].part, scene.country.opened(signed)
    assert b"checkin/order-answer/v1" in trace.ring.open(sealed, answer_info(part.order, part.digest))
    for info in (answer_info("00" * 8, part.digest), answer_info(part.order, "00" * 32), b""):
        with pytest.raises(SealBroken):
            trace.ring.open(sealed, info)
    files = b"".join(path.read_bytes() for path in (scene.country.deployment.folder / "orders").rglob("*.*"))
    seeds = {files[at : at + 32] for at in range(0, len(files) - 32, 997)} | {sha256(files), bytes(32)}
    for seed in seeds:
        with pytest.raises(SealBroken):
            OpeningKey(seed).open(sealed, answer_info(part.order, part.digest))


def test_an_unknown_step_of_a_known_audience_is_out_of_scope(scene: Scene) -> None:
    """The registry opens no names, an issuer knows no visits, whoever signs."""
    signed = scene.country.signed(next(NAMES), person_order(scene.alice))
    text = signed.parts[number_of(signed, BATCHES)].part.text.replace("audience issuer", "audience registry")
    assert code(scene.country.send("venue", forged(scene, text))) == "order_scope"
    text = order(scene).parts[number_of(order(scene), VISITS)].part.text
    text = text.replace("audience registry", "audience issuer")
    assert code(scene.country.send("issuer", forged(scene, text))) == "order_scope"


def test_a_sealed_answer_is_of_no_use_to_who_carries_it(scene: Scene) -> None:
    """Neither name nor phone nor place is in what goes over the wire or what a service keeps."""
    signed = order(scene)
    scene.country.execute(signed)
    kept = (scene.country.deployment.folder / SECOND / "data" / "orders.db").read_bytes()
    for secret in ("Bob Baek-hyeon", scene.bob.phone, "Café", scene.cafe.venue_id):
        assert secret.encode() not in kept
