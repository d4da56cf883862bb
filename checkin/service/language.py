"""Which language a page is shown in: Korean or English."""

from __future__ import annotations

from typing import Final

from babel import negotiate_locale

LANGUAGES: Final = ("en", "ko")


def choose_language(wanted: str | None, accept_language: str) -> str:
    """`?lang=` if it names one of ours, else the best of Accept-Language (RFC 9110 §12.5.4), else English."""
    if wanted in LANGUAGES:
        return str(wanted)
    return negotiate_locale(_preferred(accept_language), LANGUAGES, sep="-") or LANGUAGES[0]


def _preferred(header: str) -> list[str]:
    """The header's languages, best first; what cannot be read counts least."""
    weighted: list[tuple[float, int, str]] = []
    for item in header[:1000].split(","):
        name, _, weight = item.strip().partition(";q=")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            value = 0.0
        if name and value > 0:
            weighted.append((-value, len(weighted), name))
    return [name for _, _, name in sorted(weighted)]
