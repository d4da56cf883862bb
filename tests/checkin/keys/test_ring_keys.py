"""An officer holds an order against keys that came with the share, whoever's machine the order was drafted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner, Result

from checkin.cli import app
from checkin.errors import OrderScope, RequestInvalid, SettingsInvalid
from checkin.keys.officer_folder import RING_FILE, keep_ring_keys, load_ring_keys, load_signer
from checkin.keys.officers import RingKeys, list_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, draft
from checkin.parties.authority_folder import AuthorityFolder, read_authority
from checkin.protocol.note import is_signed
from checkin.protocol.primitives import OpeningKey, random_bytes

NOW = 1_795_000_000.0
WISH = OrderRequest("2026-17", "contacts", "Act, Article 76-2", phone="+821012345678", days=(20_000, 20_001))


@dataclass
class Office:
    """An authority's folder, and orders in folders of their own."""

    authority: AuthorityFolder
    folder: Path

    def order(self, name: str, keys: RingKeys) -> Path:
        """An order to these keys, that nobody signed."""
        drafter = replace(self.authority, ring_keys=keys)
        made = draft(WISH, drafter, registry="registry.example", issuers=["issuer.example"], now=NOW)
        OrderFolder.make(self.folder / name, made)
        return self.folder / name

    def own(self, name: str) -> Path:
        """An order to the authority's own keys."""
        return self.order(name, self.authority.ring_keys)

    def officer(self, number: int) -> Path:
        """An officer's folder."""
        return self.authority.folder / "officers" / str(number)

    def sign(self, order: Path, *numbers: int) -> Result:
        """`checkin authority sign`, without --dir."""
        named = [text for number in numbers for text in ("--officer", str(self.officer(number)))]
        done = CliRunner().invoke(app, ["authority", "sign", str(order), *named, "--yes"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done


@pytest.fixture
def office(tmp_path: Path) -> Office:
    authority = AuthorityFolder.init(
        tmp_path / "authority", "health.example", officers=3, threshold=2, now=NOW, allow_unfit=True
    )
    return Office(authority, tmp_path)


def test_an_order_to_the_drafters_own_keys_is_not_signed_where_the_authoritys_folder_is_not(office: Office) -> None:
    """The officer's own ring.txt says so; to the authority's keys, the letter says who can open the answers."""
    assert "enough officers join their shares" in office.sign(office.own("own"), 1).stdout
    thief = OpeningKey(random_bytes(32))
    strange = list_signer("health.example", thief).verifier.vkey
    for name, changed in (("a", {"public": thief.public}), ("b", {"list_key": strange})):
        order = office.order(name, replace(office.authority.ring_keys, **changed))
        with pytest.raises(OrderScope):
            office.sign(order, 1)
        assert not any(map(is_signed, OrderFolder(order).read()[1].values()))


def test_a_folder_of_an_earlier_version_gets_its_ring_keys_when_enough_officers_list(office: Office) -> None:
    """Until then the letter says that nothing was compared, unless another officer is there who can compare."""
    for number in (1, 2, 3):
        (office.officer(number) / RING_FILE).unlink()
    assert "was not compared" in office.sign(office.own("before"), 1).stdout
    office.authority.make_keys(NOW, 1)
    here = [text for number in (1, 2) for text in ("--officer", str(office.officer(number)))]
    place = ["--dir", str(office.authority.folder), "--allow-unfit-storage"]
    listed = CliRunner().invoke(
        app, ["authority", "keys", "list", *place, "-o", str(office.folder / "keys.txt"), *here, "--yes"]
    )
    assert listed.exit_code == 0, listed.output
    assert load_ring_keys(office.officer(1)) == read_authority(office.authority.folder).ring_keys
    assert load_ring_keys(office.officer(3)) is None
    assert "enough officers join their shares" in office.sign(office.own("after"), 3, 1).stdout


def test_ring_keys_that_are_damaged_or_of_another_ring_are_named(office: Office) -> None:
    """Neither taken for nothing to compare with nor overwritten."""
    keys = read_authority(office.authority.folder).ring_keys
    assert load_ring_keys(office.officer(1)) == keys
    with pytest.raises(SettingsInvalid, match="another ring"):
        strange = RingKeys("health.example", OpeningKey(random_bytes(32)).public, keys.list_key)
        keep_ring_keys(office.officer(1), strange)
    assert load_ring_keys(office.officer(1)) == keys
    for text in (b"", b"\xff", b"checkin/ring/v1\nauthority health.example\nring AAAA\nlist-key x\n"):
        (office.officer(2) / RING_FILE).write_bytes(text)
        with pytest.raises(SettingsInvalid, match=r"folder 2 has no readable ring\.txt"):
            office.sign(office.own(f"damaged-{len(text)}"), 2)


def test_who_signs_while_another_officer_reads_has_signed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The letter may lie on a screen for an hour. An order that was exchanged meanwhile is not signed."""
    order, other = office.own("order"), office.own("other")
    second = load_signer(office.officer(2))
    monkeypatch.setattr("checkin.cli.order.confirm", lambda *_, **__: OrderFolder(order).sign([second]))
    assert "has 2 signatures" in office.sign(order, 1).stdout
    monkeypatch.setattr("checkin.cli.order.confirm", lambda *_, **__: copytree(other, order, dirs_exist_ok=True))
    with pytest.raises(RequestInvalid, match="exchanged"):
        office.sign(order, 1)
    assert not any(map(is_signed, OrderFolder(order).read()[1].values()))
