"""The documentation cannot rot: what it says about commands, routes, settings and errors is what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import reference

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The reference pages as the code would have them."""
    return reference.pages()


@pytest.mark.parametrize("name", ["errors.md", "commands.md", "routes.md", "settings.md", "data-map.md"])
def test_a_reference_page_says_what_the_code_says(written: dict[str, str], name: str) -> None:
    """Whoever adds a command, route, setting, error or column runs `python tests/support/reference.py`."""
    assert (DOCS / name).read_text(encoding="utf-8") == written[name]


def test_every_command_has_an_example(written: dict[str, str]) -> None:
    """`--help` ends with a line to copy."""
    sections = written["commands.md"].split("\n## ")[1:]
    assert len(sections) >= 15
    assert [section.splitlines()[0] for section in sections if "\n    checkin " not in section] == []


def test_files_that_are_named_are_there() -> None:
    """Pages, code and tests name files of this project in backticks; `*` stands for some of them."""
    code = [path for top in ("checkin", "issuer", "venue", "retention", "tests") for path in (ROOT / top).rglob("*.py")]
    named = re.compile(r"`((?:checkin|issuer|venue|retention|tests)/[\w/*-]+\.(?:py|js|json|css|html))`")
    missing = {
        (path.name, name)
        for path in [*PAGES, *code]
        for name in named.findall(path.read_text(encoding="utf-8"))
        if not any(ROOT.glob(name))
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file here."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_the_complete_examples_of_the_specification_are_the_vectors() -> None:
    """A reader who types an example in gets what the vectors have."""
    credential = json.loads((ROOT / "tests/vectors/credential.json").read_text())
    presentation = json.loads((ROOT / "tests/vectors/presentation.json").read_text())
    intake = json.loads((ROOT / "tests/vectors/intake.json").read_text())
    assert blocks("credential.md", "hex") == [credential["credential"]]
    assert blocks("presentation.md", "token") == [presentation["cases"][0]["text"]]
    assert blocks("presentation.md", "hex") == [credential["token"]]
    assert blocks("intake.md", "hex") == [intake["cases"][0]["entry"]]


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind, line breaks of hex removed."""
    text = (DOCS / "spec" / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\n", "") for block in found]


def test_every_page_of_the_specification_opens_with_an_example() -> None:
    """Grammar and steps come after something to look at."""
    pages = [page for page in (DOCS / "spec").glob("*.md") if page.name != "index.md"]
    assert len(pages) >= 8
    for page in pages:
        first = re.search(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert first, page.name
        assert "xample" in first[1], page.name


def test_the_index_knows_every_page() -> None:
    """Nothing is written that nobody finds."""
    index = "".join((DOCS / folder / "index.md").read_text() for folder in (".", "spec", "adr"))
    pages = {page.name for page in DOCS.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if page not in index} == set()


def test_every_picture_is_shown_somewhere_and_small() -> None:
    """Those that a page shows are there, light and dark."""
    places = [(page, place) for page in PAGES for place in re.findall(r'src(?:set)?="([^"]+)"', page.read_text())]
    shown = {(page.parent / place).resolve() for page, place in places}
    assert shown == set((DOCS / "images").iterdir())
    assert {picture.name: size for picture in shown if (size := picture.stat().st_size) > 80_000} == {}
