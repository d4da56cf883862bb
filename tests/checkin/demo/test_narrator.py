"""How a story looks: read in a terminal of any width, or in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from checkin.demo.narrator import Narrator
from checkin.protocol import qr

PATH = "/home/somebody/with-a-long-name/checkin-demo/artifacts"
WORDS = "A word and another one, until the line is longer than the terminal."


def told(width: int, *, terminal: bool = True) -> list[str]:
    """The lines of a little story."""
    file = io.StringIO()
    tell = Narrator(Console(file=file, width=width, force_terminal=terminal, color_system=None, highlight=False))
    tell.chapter("Title", f"{WORDS} {WORDS}")
    with tell.step("one", WORDS, WORDS):
        pass
    tell.say(f"Everything is in {PATH}")
    tell.table("Title", ["party", "asked"], [["registry.localhost", "whose visits they are, " * 3]])
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 62, 80])
def test_in_a_terminal_lines_end_between_words_and_keep_their_indent(width: int) -> None:
    """But for the path, which can be copied whole; the time of a step does not lose its unit."""
    lines = told(width)
    assert all(len(line) <= width for line in lines if PATH not in line)
    assert sum(PATH in line for line in lines) == 1
    story = [line for line in lines[lines.index("Title") + 1 :] if line]
    step = next(number for number, line in enumerate(story) if line.startswith("  ✓ "))
    assert all(line.startswith("    ") for line in story[step + 1 :])
    assert any(line.rstrip().endswith(" s") and "0.00 s" in line for line in lines)


@pytest.mark.parametrize("width", [40, 62])
def test_a_narrow_table_folds_what_it_holds_and_drops_nothing(width: int) -> None:
    """A name that was cut could be another one's."""
    assert not any("…" in line for line in told(width))


def test_in_a_file_a_table_is_as_wide_as_a_page_and_a_sentence_is_one_line() -> None:
    """Whatever the terminal was from which it was started: `grep` finds the sentence."""
    lines = told(40, terminal=False)
    assert f"    Everything is in {PATH}" in lines and f"{WORDS} {WORDS}" in lines
    assert 80 < max(len(line) for line in lines if "│" in line) <= 100


def test_a_code_in_a_terminal_is_dark_on_light_whatever_its_colours_are() -> None:
    """A full block is a light module, so its ink is white: inverted, many cameras do not read it."""
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system="standard", highlight=False)
    drawing = qr.to_terminal("CK1:" + "A" * 464)
    Narrator(console).block(drawing)
    assert file.getvalue().splitlines() == [f"\x1b[97;40m{line}\x1b[0m" for line in drawing.splitlines()]
