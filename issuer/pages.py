"""The issuer's page for people: the wallet (docs/pages.md)."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.service.identity import ServiceIdentity
from checkin.service.pwa import WebPage, front_door
from issuer.contact import calling_codes
from issuer.settings import IssuerSettings


def routes(party: ServiceIdentity, settings: IssuerSettings) -> APIRouter:
    """GET /wallet and what belongs to it. The page pins the key that the issuer's lists verify under."""
    values = {
        "zone": party.calendar.zone,
        "vkey": party.signer.verifier.vkey,
        "countries": ", ".join(calling_codes(settings.phone_region, settings.phone_regions)),
        "proofs": "yes" if settings.certificate_trust else "",
    }
    router = front_door("/wallet")
    router.include_router(WebPage("wallet", values, background="js/wallet/background.js").router())
    return router
