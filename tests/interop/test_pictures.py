"""Codes as pictures: ours read by `zxing-cpp`, another library's read by ours, and what bad cameras bring."""

from __future__ import annotations

import io
import json
import random
import runpy
from contextlib import suppress
from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from checkin import client
from checkin.errors import PictureUnreadable
from checkin.protocol import qr

HERE = Path(__file__).parent
VECTORS = json.loads((HERE.parent / "vectors" / "presentation.json").read_text(encoding="ascii"))
TEXTS = [case["text"] for case in VECTORS["cases"] if case["expected"] == "ok"]
FRAMES = runpy.run_path(str(HERE.parent / "support" / "frames.py"))


def as_file(image: Image.Image, kind: str = "PNG") -> bytes:
    """What a camera would have written."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("text", [TEXTS[0], max(TEXTS, key=len)], ids=["without status", "with status"])
def test_another_library_reads_our_picture(text: str) -> None:
    """PNG and SVG hold the code, in alphanumeric mode at level L, version 11 or 12."""
    png = Image.open(io.BytesIO(qr.to_png(text)))
    (found,) = zxingcpp.read_barcodes(png.convert("L"))
    assert found.text == text
    version = (png.width // 8 - 8 - 17) // 4
    assert version == (11 if len(text) == 468 else 12)
    assert b"<path" in qr.to_svg(text)


def test_the_terminal_s_drawing_is_the_same_code() -> None:
    """A phone can scan it from the screen: black on white, two modules a character."""
    lines = qr.to_terminal(TEXTS[0]).split("\n")
    dark = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}
    rows = [[dark[char][half] for char in line] for line in lines for half in (0, 1)]
    image = Image.new("L", (len(rows[0]), len(rows)), 255)
    image.putdata([0 if module else 255 for row in rows for module in row])
    (found,) = zxingcpp.read_barcodes(image.resize((image.width * 6, image.height * 6), Image.Resampling.NEAREST))
    assert found.text == TEXTS[0]


def on_nothing(mode: str, colour: int) -> Image.Image:
    """Only the modules are drawn, in one colour; the ground is left out."""
    drawn = Image.open(io.BytesIO(qr.to_png(TEXTS[0]))).convert("L")
    layers = Image.merge("LA", [Image.new("L", drawn.size, colour), drawn.point(lambda value: 255 - value)])
    return layers.convert("RGBA").quantize(4) if mode == "P" else layers.convert(mode)


def sixteen_bits() -> Image.Image:
    """Greys of 16 bits, all of them dark in their lower halves."""
    drawn = Image.open(io.BytesIO(qr.to_png(TEXTS[0]))).convert("I")
    return drawn.point(lambda value: value * 120 + 20000).convert("I;16")


PICTURES = {
    "dark on nothing": (lambda: on_nothing("RGBA", 0)),
    "light on nothing": (lambda: on_nothing("RGBA", 255)),
    "greys with alpha": (lambda: on_nothing("LA", 0)),
    "a palette with a transparent colour": (lambda: on_nothing("P", 0)),
    "16 bits": sixteen_bits,
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_read_as_a_viewer_shows_it(name: str) -> None:
    """Whatever its format says about its pixels."""
    assert qr.read_image(as_file(PICTURES[name]())) == [TEXTS[0]]


def test_all_codes_of_a_picture_are_told_each_once() -> None:
    """Whoever asked for one has to decide."""
    one, other = (Image.open(io.BytesIO(qr.to_png(text))).convert("L") for text in TEXTS[:2])
    both = Image.new("L", (one.width * 2 + other.width, max(one.height, other.height)), 255)
    for place, code in enumerate((one, other, one)):
        both.paste(code, (place * one.width if place < 2 else both.width - one.width, 0))
    assert set(qr.read_image(as_file(both))) == set(TEXTS[:2])


def test_a_phone_s_photographs_are_read() -> None:
    """Turned, tilted, blurred, noisy, as JPEG: at least 95 of 100 are read, and none is read wrongly."""
    read = 0
    for text, frame in FRAMES["frames"](TEXTS, 100, (1280, 720)):
        try:
            texts = qr.read_image(as_file(frame, "JPEG"))
        except PictureUnreadable:
            continue
        assert texts == [text]
        read += 1
    assert read >= 95


def test_a_picture_on_its_side_is_read_whatever_its_tags_say() -> None:
    """Phones turn pictures by a tag; a code has its own corners."""
    image = FRAMES["drawn"](TEXTS[0]).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert qr.read_image(buffer.getvalue()) == [TEXTS[0]]


@given(st.binary(max_size=300))
def test_a_file_that_is_no_picture_is_told_so(data: bytes) -> None:
    """No traceback for a wrong file."""
    with pytest.raises(PictureUnreadable):
        qr.read_image(data)


def test_a_drawing_of_ours_is_read_and_anothers_is_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    """An SVG as `checkin qr -o` draws it, out of its file, too; no other's is rendered."""
    drawing = tmp_path / "qr.svg"
    for text in TEXTS:
        drawing.write_bytes(qr.to_svg(text))
        assert qr.read_image(drawing.read_bytes()) == [text] == [client.read_code(drawing)]
    ours = qr.to_svg(TEXTS[0])
    for other in (ours.replace(b"<rect", b"<script/><rect"), ours.replace(b'd="M', b'd="M9999,9999H0V0H0zM')):
        with pytest.raises(PictureUnreadable, match="PNG or a JPEG"):
            qr.read_image(other)


@given(st.integers(0, 2**32))
def test_a_damaged_picture_is_read_or_refused(seed: int) -> None:
    """A download that broke off, or a changed byte: the right text, or a clear error."""
    rnd = random.Random(seed)
    data = bytearray(qr.to_png(TEXTS[0]))
    del data[rnd.randrange(1, len(data)) :]
    if rnd.random() < 0.5:
        data = bytearray(qr.to_png(TEXTS[0]))
        data[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)
    with suppress(PictureUnreadable):
        assert qr.read_image(bytes(data)) == [TEXTS[0]]


def test_a_picture_without_a_code_and_a_picture_too_large_are_refused() -> None:
    """With a sentence that tells what to do, before any memory is filled."""
    with pytest.raises(PictureUnreadable, match="hold the camera closer"):
        qr.read_image(as_file(Image.new("L", (300, 300), 128)))
    with pytest.raises(PictureUnreadable, match="million"):
        qr.read_image(as_file(Image.new("1", (10_000, 6_000), 1)))
