"""The scanner page on 120 bad frames with real codes: how many it reads, and how long a frame takes to its verdict.

    checkin bench scanner_page [--maker SCRIPT] [--count 120] [--json]

Chromium without a network: decoding, all checks of the door, sealing into the queue on disk, and the verdict on the
screen. `--maker`: another script that makes frames, called as `SCRIPT OUT --count N --size WxH` with the codes on its
standard input. Beside it the decoder alone, in turn on the same frames, so that the figures mean the same elsewhere.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import sync_playwright

from checkin.clock import SystemClock
from tests.browser.judging import judge, tokens
from tests.browser.pages import Camera, ScannerPage
from tests.support.deployment_in_processes import running
from tests.support.frames import frames

SIZES = ((1280, 720), (640, 480))


def made(maker: Path | None, folder: Path, texts: list[str], size: tuple[int, int]) -> list[Image.Image]:
    """The frames, by our own maker or another's."""
    if maker is None:
        return [picture for _, picture in frames(texts, len(texts), size)]
    out = folder / f"{size[0]}x{size[1]}"
    command = [sys.executable, str(maker), str(out), "--count", str(len(texts)), "--size", out.name]
    subprocess.run(command, input="\n".join(texts), text=True, check=True)
    return [Image.open(path) for path in sorted(out.glob("*.png"))]


def native(pictures: list[Image.Image]) -> tuple[int, float]:
    """How many the library reads outside a browser, and its median in milliseconds."""
    clock, read, spent = SystemClock(), 0, []
    for picture in pictures:
        grey = picture.convert("L")
        begun = clock.boot()
        read += bool(zxingcpp.read_barcodes(grey))
        spent.append((clock.boot() - begun) * 1000)
    return read, statistics.median(spent)


def main() -> None:
    """Prints one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maker", type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = {}
    folder = Path(tempfile.mkdtemp())
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    camera = Camera(folder / "camera.y4m")
    flags.append(f"--use-file-for-fake-video-capture={camera.path}")
    try:
        with running(folder / "site") as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            for size in SIZES:
                texts, now = tokens(site, args.count)
                pictures = made(args.maker, folder, texts, size)
                scanner = ScannerPage(site, browser, camera)
                scanner.enrol(site.venue().device("front"))
                empty = Image.new("L", size, 140)  # warms everything up
                results = judge(scanner.page, [empty, *pictures], now)[1:]
                read = [result for result in results if result.outcome]
                spent = sorted(result.spent for result in read)
                count, median = native(pictures)
                name = f"{size[0]}x{size[1]}"
                figures[name] = {
                    "frames": len(results),
                    "read": len(read),
                    "median_ms": statistics.median(spent),
                    "p95_ms": spent[int(len(spent) * 0.95)],
                    "native_read": count,
                    "native_median_ms": median,
                }
                if not args.json:
                    print(
                        f"{name}: {len(read)} of {len(results)} read; frame to verdict median "
                        f"{statistics.median(spent):.1f} ms, 95 % {spent[int(len(spent) * 0.95)]:.1f} ms; "
                        f"zxing-cpp outside a browser reads {count}, median {median:.1f} ms"
                    )
                scanner.context.close()
            browser.close()
    finally:
        shutil.rmtree(folder)
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
