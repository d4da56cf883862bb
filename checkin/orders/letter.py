"""An order as a letter: the sentences that an officer reads before signing."""

from __future__ import annotations

from checkin.orders.order import VENUE, Order
from checkin.orders.part import NEAR_MINUTES, STEPS, Part
from checkin.protocol.primitives import sha256
from checkin.protocol.statement import many, one


def letter(order: Order, *, checked: bool) -> str:
    """The order in words: parties, subject, from when to when, until when it is valid, and how many rows at most.

    `checked`: whether the order's keys were compared with the authority's; else it is unknown who opens the answers.
    """
    values = order.values
    made, expires = _said(one(values, "made")), _said(one(values, "expires"))
    lines = [
        f"To the officers of {one(values, 'authority')}: order {order.id} of case {one(values, 'case')}.",
        "",
        _about(order),
        f"The people concerned will read this purpose: {one(values, 'purpose')}.",
        f"The legal basis is: {one(values, 'basis')}.",
        "",
        *map(_asked, order.part_texts()),
        "",
        f"Each of them may answer with at most {one(values, 'limit')} rows. The order was written {made} and is valid "
        f"until {expires}.",
        _opened_by(sha256(order.answer_key).hex()[:16], checked=checked),
    ]
    if "clock" in values:
        lines.append("It was made under a simulated clock, and no real service executes it.")
    return "\n".join(lines)


def _opened_by(fingerprint: str, *, checked: bool) -> str:
    if checked:
        return (
            f"The answers are sealed to the ring key with the fingerprint {fingerprint}: they open where enough "
            "officers join their shares."
        )
    return (
        f"The answers are sealed to the key with the fingerprint {fingerprint}, which was not compared with the "
        "authority's ring key: name its folder with --dir, or whoever wrote the order may be the one who reads them."
    )


def _asked(text: str) -> str:
    part = Part.read(text)
    return f"{part.audience} is asked {STEPS[part.step].told}; it is not told {STEPS[part.step].untold}."


def _about(order: Order) -> str:
    values = order.values
    registry, issuers = one(values, "registry"), ", ".join(many(values, "issuer"))
    if order.kind == VENUE:
        begin, end = _said(one(values, "from")), _said(one(values, "to"))
        return (
            f"It asks {registry} who was at the venue {one(values, 'venue')} from {begin} to {end}, and {issuers} for "
            "the names and phones of these people."
        )
    first, _, last = one(values, "days").partition(" ")
    return (
        f"It asks {issuers} and {registry} where the person with the phone {one(values, 'phone')} was from {first} to "
        f"{last}, both days included, and for the names and phones of everybody who was there within "
        f"{NEAR_MINUTES // 60} hours."
    )


def _said(moment: str) -> str:
    """`2026-11-24 09:00 (+09:00)`."""
    day, _, time = moment.partition("T")
    return f"{day} {time[:5]} ({time[5:]})"
