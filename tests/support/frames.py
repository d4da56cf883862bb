"""Pictures of a code as bad cameras take them: turned, in perspective, blurred, dim, noisy. Seeded, so repeatable."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator

import segno
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter


def drawn(text: str, scale: int = 8) -> Image.Image:
    """The code by another library than the one the project draws with; level L."""
    buffer = io.BytesIO()
    segno.make(text, error="l", boost_error=False, micro=False).save(buffer, kind="png", scale=scale, border=4)
    return Image.open(buffer).convert("L")


def photographed(text: str, rnd: random.Random, size: tuple[int, int] = (1280, 720)) -> Image.Image:
    """One frame: the code somewhere in the middle of a grey picture."""
    side = int(size[1] * rnd.uniform(0.42, 0.68))
    code = drawn(text).resize((side, side), Image.Resampling.LANCZOS)
    code = _tilted(code, rnd.uniform(0, 0.09))
    angle = rnd.uniform(0, 360)
    mask = Image.new("L", code.size, 255).rotate(angle, expand=True)
    code = code.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
    frame = Image.new("L", size, rnd.randint(90, 200))
    frame.paste(code, ((size[0] - code.width) // 2, (size[1] - code.height) // 2), mask)
    frame = frame.filter(ImageFilter.GaussianBlur(rnd.uniform(0.3, 1.5)))
    frame = _shaded(ImageEnhance.Contrast(frame).enhance(rnd.uniform(0.45, 1.0)), rnd)
    noise = Image.effect_noise(size, rnd.uniform(4, 20))
    return Image.blend(frame, noise, 0.12)


def frames(texts: list[str], count: int, size: tuple[int, int], seed: int = 20) -> Iterator[tuple[str, Image.Image]]:
    """`count` frames with the text that each shows."""
    rnd = random.Random(seed)
    for number in range(count):
        text = texts[number % len(texts)]
        yield text, photographed(text, rnd, size)


def _tilted(code: Image.Image, amount: float) -> Image.Image:
    side = code.width
    far = amount * side
    quad = (-far, 0, 0, side, side, side, side + far, 0)  # the upper edge is further away
    return code.transform(code.size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=255)


def _shaded(frame: Image.Image, rnd: random.Random) -> Image.Image:
    """A lamp to one side."""
    shade = Image.new("L", frame.size, 0)
    direction = rnd.uniform(0, math.tau)
    reach = frame.width
    for step in range(24):
        offset = reach * (step / 12 - 1)
        centre = (frame.width / 2 + math.cos(direction) * offset, frame.height / 2 + math.sin(direction) * offset)
        box = (centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
        ImageDraw.Draw(shade).ellipse(box, fill=step * 3)
    return Image.composite(Image.new("L", frame.size, 0), frame, shade.filter(ImageFilter.GaussianBlur(40)))
