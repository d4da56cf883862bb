"""The pages as `checkin up --host` serves them to a phone: over TLS, under a certificate made on the spot."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Playwright

from checkin.clock import SystemClock
from checkin.deployment.phone import DAYS, fingerprint, over_tls, phone_certificate
from tests.browser.conftest import CHROMIUM
from tests.browser.pages import KEPT, WalletPage
from tests.support.deployment_in_processes import Site

ADDRESS = "127.0.0.2"  # an address of its own that is a loopback address all the same


class PhoneSite(Site):
    """The same services as a phone reaches them."""

    def url(self, service: str, path: str = "") -> str:
        """Over TLS."""
        return f"https://{ADDRESS}:{self.deployment.ports[service]}{path}"


def spki(certificate: Path) -> str:
    """SHA-256 of the key that is certified, as Chromium's option has it."""
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def test_a_phone_registers_and_shows_a_code(site: Site, playwright_: Playwright, tmp_path: Path) -> None:
    """Chromium trusts that certificate's key and no other; whoever trusts nothing refuses the page."""
    phone = PhoneSite(site.deployment, site.processes, site.calendar)
    certificate = phone_certificate(tmp_path, ADDRESS, SystemClock())
    with over_tls(ADDRESS, site.deployment.ports.values(), certificate):
        flags = ["--no-sandbox", f"--ignore-certificate-errors-spki-list={spki(certificate)}"]
        browser = playwright_.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=180_000)
        try:
            wallet = WalletPage(phone, browser)
            page = wallet.page
            page.goto(phone.url("issuer", "/wallet"))
            assert page.evaluate("isSecureContext")
            page.fill("#name", "Kim Ji-woo")
            page.fill("#phone", f"010{wallet.phone}")
            page.click("#step-who [type=submit]")
            page.wait_for_selector("#one-time:visible")
            page.fill("#one-time", site.message(wallet.phone))
            page.click("#step-code [type=submit]")
            page.click("#shake-skip")
            wallet.wait()
            assert wallet.text().startswith("CK1:")
            page.evaluate(KEPT)
            wallet.context.set_offline(True)
            page.reload()
            wallet.wait()
            assert wallet.text().startswith("CK1:"), "without a network"
        finally:
            browser.close()
        with pytest.raises(httpx.ConnectError, match="self-signed"):
            httpx.get(phone.url("issuer", "/healthz"), trust_env=False)


def test_the_certificate_is_kept_and_can_speak_for_this_address_alone(tmp_path: Path) -> None:
    """What a phone trusts is of use to a thief for nothing else, and ends."""
    clock = SystemClock()
    certificate = phone_certificate(tmp_path, ADDRESS, clock)
    first = certificate.read_bytes()
    assert phone_certificate(tmp_path, ADDRESS, clock).read_bytes() == first
    assert certificate.with_suffix(".key").stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in first
    made = x509.load_pem_x509_certificate(first)
    named = made.extensions.get_extension_for_class(x509.NameConstraints)
    assert named.value.excluded_subtrees == [x509.DNSName("")], "no name of a host, either"
    assert named.critical and [str(tree.value) for tree in named.value.permitted_subtrees or ()] == [f"{ADDRESS}/32"]
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == DAYS + 1
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first.decode())).hexdigest()
    assert fingerprint(certificate).replace(":", "").lower() == digest
