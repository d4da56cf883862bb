"""The certificate inside the claims, held against the EU's JSON schemas (schemas/README.md: source, licence).

A certificate names its schema's version. It passes if it fits that version (the nearest one carried that is not
newer) or the last one: versions of one major number add to each other, and later ones put earlier mistakes right
(a date of birth may lack day and month), which verifiers in the field applied to older certificates too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, cast

from jsonschema import Draft202012Validator

from checkin.certificate import cbor
from checkin.errors import CertificateCose, CertificateSchema

GROUPS: Final = ("v", "t", "r")  # vaccination, test, recovery
VERSIONS: Final = ("1.0.0", "1.0.1", "1.2.1", "1.3.0", "1.3.3")
_HCERT: Final = -260
_EU_DCC_V1: Final = 1
_VERSION: Final = re.compile(r"1\.(\d{1,4})\.(\d{1,4})", re.ASCII)

Certificate = Mapping[str, object]


def certificate_in(claims: Mapping[object, object]) -> Certificate:
    """Claim -260, entry 1, as JSON values, not yet checked; raises `CertificateCose` where there is no such map."""
    hcert = cbor.plain(claims.get(_HCERT))
    content = hcert.get(_EU_DCC_V1) if isinstance(hcert, dict) else None
    if not isinstance(content, dict):
        raise CertificateCose
    return content


def groups_in(certificate: Certificate) -> list[str]:
    """Which of v, t, r are there."""
    return [group for group in GROUPS if certificate.get(group) is not None]


def check(certificate: Certificate) -> None:
    """Raises `CertificateSchema` unless the certificate fits a schema and is of exactly one group."""
    if len(groups_in(certificate)) != 1 or not any(
        _validator(v).is_valid(certificate) for v in _candidates(certificate)
    ):
        raise CertificateSchema


def check_plausible(certificate: Certificate, issued: str) -> None:
    """Two rules in the specification's words that a JSON schema cannot say; raises `CertificateSchema`.

    No birth date lies after the day of issue (`issued`: YYYY-MM-DD; a birth date may lack day and month), and a
    forename or surname is never without letters a machine can read: its transliteration, where given, is not empty.
    """
    birth, names = str(certificate.get("dob")), certificate.get("nam")
    if birth > issued[: len(birth)]:
        raise CertificateSchema("The date of birth lies after the day of issue.")
    if isinstance(names, dict) and any(names.get(name) and names.get(name + "t") == "" for name in ("fn", "gn")):
        raise CertificateSchema("A name lacks its transliteration.")


def _candidates(certificate: Certificate) -> list[str]:
    named = _VERSION.fullmatch(str(certificate.get("ver")))
    if not named:
        return []
    number = (1, int(named[1]), int(named[2]))
    own = max(version for version in VERSIONS if tuple(map(int, version.split("."))) <= number)
    return [own, VERSIONS[-1]] if own != VERSIONS[-1] else [own]


@cache
def _validator(version: str) -> Draft202012Validator:
    text = resources.files("checkin.certificate").joinpath("schemas", f"{version}.json").read_text("utf-8")
    return Draft202012Validator(cast(dict[str, object], json.loads(text)))
