"""The issuer audits itself, with accounts, hosted codes and messages in its folder, as people left them."""

from __future__ import annotations

import sqlite_utils

from checkin.audit.point import PointResult
from checkin.audit.self_audit import PLAINTEXT, TOKENS
from checkin.keys.generation import Generation
from issuer.issuer_audit import self_audit
from issuer.service import Issuer
from tests.support.issuer_service import E164, NAME, Site, enrol, rows_in


def use(site: Site, issuer: Issuer) -> None:
    """Somebody registers, gets a message, and has codes drawn for him."""
    assert issuer.outbox is not None
    issuer.outbox.send(E164, "12345678")
    (site.folder / "data" / "outbox" / ".next.new").write_text(f"To: {E164}\n\n1234")  # being written at this moment
    subject = enrol(issuer)
    for _ in range(2):
        issuer.hosted.present(subject, show_status=False)


def test_an_issuer_in_use_passes_every_point(site: Site) -> None:
    """Name and phone are sealed; the outbox, which is declared to hold a phone, is named as the exception."""
    with site.open() as issuer:
        use(site, issuer)
        party = issuer.party
        Generation(party.data, party.settings.keys).open(party.calendar.date(party.today()))
        points = {point.name: point for point in self_audit(issuer).run([NAME, E164])}
        assert {point.result for point in points.values()} == {PointResult.PASS}, points
        assert "but for outbox/*" in points[PLAINTEXT].evidence
        assert "4 codes made for the audit and 8 unused ones of hosted wallets" in points[TOKENS].evidence


def test_an_audit_uses_no_code_up_and_leaves_no_trace(site: Site) -> None:
    """The same rows as before in every table, and no account for whom the sample was made."""
    with site.open() as issuer:
        use(site, issuer)

        def rows() -> dict[str, int]:
            names = ("subjects", "identities", "attempts", "messages", "hosted", "listed_keys", "authority_keys")
            return {name: rows_in(issuer.database, name) for name in names}

        before, ledger = rows(), issuer.vault.store.measure(issuer.party.today()).rows
        self_audit(issuer).run()
        assert rows() == before
        assert issuer.vault.store.measure(issuer.party.today()).rows == ledger


def test_a_name_in_plaintext_beside_the_sealed_one_is_found(site: Site) -> None:
    """A column that somebody added for convenience: undeclared, and in plain text."""
    with site.open() as issuer:
        use(site, issuer)
        with sqlite_utils.Database(issuer.party.data / "issuer.db") as database:
            database.execute("ALTER TABLE identities ADD COLUMN display_name TEXT")
            database.execute("UPDATE identities SET display_name = ?", [NAME])
        failed = [point for point in self_audit(issuer).run([NAME, E164]) if point.result is PointResult.FAIL]
        assert [point.name for point in failed] == ["data-map", PLAINTEXT]
        assert "identities.display_name: not declared" in failed[0].evidence
        assert "Canary" not in failed[1].evidence


def test_without_the_authoritys_key_the_sample_says_that_it_was_not_run(site: Site) -> None:
    """Neither passed nor left out."""
    with site.open() as issuer:
        issuer.database.write(lambda commit: commit.execute("DELETE FROM authority_keys"))
        points = {point.name: point for point in self_audit(issuer).run()}
        assert TOKENS not in points
        assert points["complete"].result is PointResult.NOT_RUN and "not_ready" in points["complete"].evidence
