"""What a genuine certificate proves, and how long: the table of docs/spec/certificate.md §4, row by row."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.certificate import registry, vaccination_proof
from checkin.certificate.trust_list import TrustList
from checkin.errors import CertificateError, CertificateExpiry, CertificateNoStatus, CertificateOutdated
from checkin.protocol.credential import Status


def answer(forge: SimpleNamespace, group: str, now: float | None = None, **changed: Any) -> tuple[object, ...]:
    text = forge.signer.text(forge.claims_of(group, **changed))
    report = registry.examine(text, TrustList([forge.signer.der]), now or forge.NOW).to_json()
    assert report["ok"] is True
    return report["status"], report["valid_from"], report["valid_until"]


NOTHING = (None, None, None)


def test_a_full_vaccination_holds_from_the_dose_until_the_signature_expires(forge: SimpleNamespace) -> None:
    """dn ≥ sd, a booster too."""
    full = ("vaccinated", "2021-05-20T00:00:00Z", "2022-06-01T00:00:00Z")
    assert answer(forge, "v") == full
    assert answer(forge, "v", dn=3, sd=2) == full
    assert answer(forge, "v", dn=1, sd=1) == full
    assert answer(forge, "v", dt="2021-05-20T13:00:00") == full


def test_a_started_vaccination_proves_nothing(forge: SimpleNamespace) -> None:
    """Genuine all the same."""
    assert answer(forge, "v", dn=1, sd=2) == NOTHING


def test_a_recovery_holds_as_long_as_it_says_its_last_day_included(forge: SimpleNamespace) -> None:
    """df to du, never longer than the signature."""
    assert answer(forge, "r") == ("recovered", "2021-04-12T00:00:00Z", "2021-10-01T23:59:59Z")
    assert answer(forge, "r", du="2030-01-01") == ("recovered", "2021-04-12T00:00:00Z", "2022-06-01T00:00:00Z")


def test_a_negative_test_holds_72_hours_from_the_sample(forge: SimpleNamespace) -> None:
    """The zone counts; without one it is UTC."""
    assert answer(forge, "t") == ("tested", "2021-06-30T06:00:00Z", "2021-07-03T06:00:00Z")
    assert answer(forge, "t", sc="2021-06-30T08:00:00") == ("tested", "2021-06-30T08:00:00Z", "2021-07-03T08:00:00Z")


@pytest.mark.parametrize(
    ("group", "changed"),
    [
        ("t", {"tr": "260373001"}),
        ("t", {"tr": "?"}),
        ("t", {"sc": "yesterday"}),
        ("t", {"sc": "0001-01-01T00:00:00+23:59"}),
        ("t", {"sc": "9999-12-31T23:59:59-23:59"}),
        ("v", {"dt": "2021-02-30"}),
        ("v", {"dt": ""}),
        ("v", {"dt": "1969-12-31"}),
        ("v", {"dt": "2022-06-02"}),
        ("r", {"df": "soon"}),
        ("r", {"du": "2021-13-01"}),
        ("r", {"df": "2021-10-02"}),
        *((group, {"tg": "1"}) for group in "vrt"),
    ],
)
def test_a_positive_test_another_disease_or_an_impossible_date_proves_nothing(
    group: str, changed: dict[str, Any], forge: SimpleNamespace
) -> None:
    """The certificate is genuine, but there is no status to keep."""
    assert answer(forge, group, **changed) == NOTHING


def test_of_several_entries_the_one_that_holds_longest_counts(forge: SimpleNamespace) -> None:
    """Two doses in one certificate, as early schemas allowed: the full one."""
    claims = forge.claims_of("v")
    first, full = dict(claims[-260][1]["v"][0], dn=1), claims[-260][1]["v"][0]
    for entries in ([first, full], [full, first], [full, dict(full, dt="2021-05-30")]):
        claims[-260][1] = {**claims[-260][1], "ver": "1.2.1", "v": entries}
        report = registry.examine(forge.signer.text(claims), TrustList([forge.signer.der]), forge.NOW)
        assert report.proof == vaccination_proof.VaccinationProof(Status.VACCINATED, 1621468800.0, float(forge.EXPIRES))


def test_the_issuer_gets_the_proof_or_the_one_error_that_says_why_not(forge: SimpleNamespace) -> None:
    """`prove`: what PUT /v1/vaccination keeps."""
    trust = TrustList([forge.signer.der])

    def prove(group: str, now: float = forge.NOW, **changed: Any) -> vaccination_proof.VaccinationProof:
        return registry.prove(forge.signer.text(forge.claims_of(group, **changed)), trust, now)

    assert prove("t").status is Status.TESTED
    assert prove("t", now=1625292000.0).valid_until == 1625292000.0  # the last second
    with pytest.raises(CertificateOutdated):
        prove("t", now=1625292001.0)
    with pytest.raises(CertificateNoStatus):
        prove("v", dn=1)
    with pytest.raises(CertificateExpiry):
        prove("v", now=forge.EXPIRES + 1.0)
    assert prove("r", df="2021-08-01").valid_from > forge.NOW  # what begins later may be kept already


def test_every_error_of_a_certificate_has_its_own_code() -> None:
    """No two steps answer alike, and all of them with 422."""
    errors = CertificateError.__subclasses__()
    assert len({error.code for error in errors}) == len(errors) == 10
    assert {error.status for error in errors} == {422}


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@given(
    st.dictionaries(
        st.sampled_from(["v", "r", "t"]),
        st.lists(
            st.dictionaries(
                st.sampled_from(["tg", "dn", "sd", "dt", "df", "du", "sc", "tr"]),
                st.sampled_from(["840539006", "260415000", "2021-01-01", "0001-01-01T00:00:00+23:59"]) | ANYTHING,
            ),
            max_size=2,
        )
        | ANYTHING,
    ),
    st.floats(0, vaccination_proof.LAST_SECOND),
)
def test_no_content_breaks_the_policy(certificate: dict[str, object], expires: float) -> None:
    """Even content that fitted no schema gives a proof within the signature's life, or none."""
    proof = vaccination_proof.proof_in(certificate, expires)
    assert proof is None or 0 <= proof.valid_from <= proof.valid_until <= expires
