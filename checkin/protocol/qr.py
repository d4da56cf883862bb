"""Token ↔ picture: QR codes in alphanumeric mode at level L, drawn by `qrcode`, read by `zxing-cpp`.

Level L on purpose: on hard camera frames fewer modules beat more correction (docs/spec/presentation.md §5).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Final

import qrcode
import zxingcpp
from PIL import Image, ImageCms, ImageFilter, ImageOps, UnidentifiedImageError
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.svg import SvgPathImage

from checkin.errors import PictureUnreadable

_MODULE: Final = 0.8  # mm, in a drawing
_MOST_MODULES: Final = 177 + 2 * 4  # the largest QR code and its margin
_MAX_DRAWING: Final = 2_000_000  # bytes; the largest QR code has a tenth of them
_SQUARE: Final = re.compile(rb"M([0-9.]{1,9}),([0-9.]{1,9})H")
_DRAWING: Final = re.compile(
    rb"<\?xml[^>]*>\s*<svg [^>]*viewBox=\"0 0 (\d{1,3}(?:\.\d{1,3})?) \1\"[^>]*>"
    rb'<rect width="100%" height="100%" fill="#fff"/><path d="([MHVz0-9.,]+)"[^>]*/></svg>\s*'
)
_FORMATS: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_TOO_LARGE: Final = "The picture has more than 50 million pixels."
MAX_BYTES: Final = 64 * 1024 * 1024  # more than a camera's largest picture
MAX_PIXELS: Final = 50_000_000  # a phone camera's largest pictures; more would be a decompression bomb

# As it is; enlarged, for codes of few pixels a module; softened, against a sensor's noise. Of 240 hard camera frames
# the first reads 199, all three together 225.
_ATTEMPTS: Final[tuple[Callable[[Image.Image], Image.Image], ...]] = (
    lambda picture: picture,
    lambda picture: picture.resize((picture.width * 3 // 2, picture.height * 3 // 2), Image.Resampling.BICUBIC),
    lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
)


def _code(text: str) -> qrcode.QRCode[Image.Image]:
    # A fixed mask halves the time; the choice only matters to readers far worse than those of today.
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=4, box_size=8, mask_pattern=2)
    code.add_data(text)
    code.make(fit=True)
    return code


def to_png(text: str) -> bytes:
    """A black and white PNG, 8 pixels a module, with the quiet zone of 4 modules."""
    buffer = io.BytesIO()
    _code(text).make_image().save(buffer)
    return buffer.getvalue()


def to_svg(text: str) -> bytes:
    """An SVG of one path, in black on white."""
    image = _code(text).make_image(image_factory=SvgPathImage)
    drawing: str = image.to_string(encoding="unicode")
    on_white = drawing.replace("<path", '<rect width="100%" height="100%" fill="#fff"/><path', 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{on_white}\n'.encode()


def to_terminal(text: str) -> str:
    """Half-block characters, two modules a line, dark on light: large enough to scan from a screen."""
    modules = _code(text).get_matrix()
    modules += [[False] * len(modules[0])] * (len(modules) % 2)
    glyph = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return "\n".join(
        "".join(glyph[upper, lower] for upper, lower in zip(modules[i], modules[i + 1], strict=True))
        for i in range(0, len(modules), 2)
    )


def read_image(source: bytes) -> list[str]:
    """The texts of all QR codes in a picture, each once, from a camera or a screen; `PictureUnreadable` for none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # it would print where this file lies
            opened = Image.open(io.BytesIO(_drawn(source)))
        with opened as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureUnreadable(_TOO_LARGE)
            pictures = _as_seen(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureUnreadable(_TOO_LARGE) from None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        raise PictureUnreadable("This is no picture that can be read: give a PNG or a JPEG.") from None
    for picture in pictures:
        for attempt in _ATTEMPTS:
            found = zxingcpp.read_barcodes(attempt(picture), formats=_FORMATS)
            if found:
                return list(dict.fromkeys(code.text for code in found))
    raise PictureUnreadable


def _drawn(data: bytes) -> bytes:
    """A drawing of `to_svg` as a PNG, anything else as it is: what others draw is not ours to render."""
    drawing = _DRAWING.fullmatch(data) if len(data) <= _MAX_DRAWING else None
    if not drawing:
        return data
    size = round(float(drawing[1]) / _MODULE)
    if size > _MOST_MODULES:
        return data
    image = Image.new("L", (size, size), 255)
    for corner in _SQUARE.findall(drawing[2]):
        x, y = (round(float(part) / _MODULE) for part in corner)
        if x >= size or y >= size:
            return data
        image.putpixel((x, y), 0)
    buffer = io.BytesIO()
    image.resize((8 * size, 8 * size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def _as_seen(image: Image.Image) -> list[Image.Image]:
    """The picture in greys as a viewer shows it: upright, its 16 bits cut to 8, and what is transparent on white; on
    black too, for a light code that was made for a dark page."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return [upright.convert("I").point(lambda value: value * (1 / 256)).convert("L")]
    if not upright.has_transparency_data:
        return [_in_srgb(upright).convert("L")]
    layers = upright.convert("RGBA")
    grounds = [Image.new("RGBA", layers.size, ground) for ground in ("white", "black")]
    return [Image.alpha_composite(ground, layers).convert("L") for ground in grounds]


def _in_srgb(image: Image.Image) -> Image.Image:
    """Applies the colour profile, if there is one that can be read: a profile may turn light to dark."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "CMYK", "L"}:
        return image
    try:
        seen = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return seen or image
