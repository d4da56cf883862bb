"""Which of a few media types a caller prefers (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from checkin.errors import NotAcceptable


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """The offer with the highest quality, the first of equals; raises `NotAcceptable`.

    A part that is not of the grammar is passed over.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = [_read_range(part) for part in accept.split(",")]
    best = max(offers, key=lambda offer: (_quality(offer, ranges), -offers.index(offer)))
    if _quality(best, ranges) == 0:
        raise NotAcceptable
    return best


def _read_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        number = float(quality)
    except ValueError:
        return "", 0.0
    return media, number if 0 <= number <= 1 else 0.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the offer."""
    for wanted in (offer, offer.partition("/")[0] + "/*", "*/*"):
        for media, quality in ranges:
            if media == wanted:
                return quality
    return 0.0
