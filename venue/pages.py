"""The registry's pages for people: the scanner at a door, and the operator's (docs/pages.md)."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.service.identity import ServiceIdentity
from checkin.service.pwa import WebPage, front_door

_DECODER = "js/worker/decode.js"
_READER = (_DECODER, "vendor/zxing/*", "vendor/zxing/*/*", "vendor/hpke/**/*.js")


def routes(party: ServiceIdentity) -> APIRouter:
    """GET /scanner and /operator, and what belongs to them."""
    router = front_door("/operator")
    router.include_router(WebPage("scanner", files=_READER, decoder=_DECODER).router())
    router.include_router(WebPage("operator", {"zone": party.calendar.zone}).router())
    return router
