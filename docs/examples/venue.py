"""A venue scans and uploads, with asyncio: one door that goes on when the registry is away, and sends the queue later.

python docs/examples/venue.py http://127.0.0.1:8002 --secret-file checkin-data/tokens/enrolment.token qr.png
"""

import argparse
import asyncio
from pathlib import Path

from checkin.client import CheckinError, aio

arguments = argparse.ArgumentParser(description="Scan pictures of check-in codes at one door.")
arguments.add_argument("registry", help="the registry's address")
arguments.add_argument("pictures", type=Path, nargs="*", help="what the camera saw")
arguments.add_argument("--scanner", type=Path, default=Path("scanner.json"), help="made when it is not there")
arguments.add_argument("--secret-file", type=Path, help="the registry's enrolment secret, to make it")
arguments.add_argument("--offline", action="store_true", help="queue the visits, sealed, and send nothing")
asked = arguments.parse_intermixed_args()


async def main() -> None:
    """Enrol once, judge each picture, and send what waits."""
    if not asked.scanner.exists():
        secret = asked.secret_file.read_text(encoding="ascii").strip()
        door = await aio.enrol(asked.registry, secret, asked.scanner, name="Café Mugunghwa")
        print(f"Venue {door.venue_id}. Keep the operator's token, it is shown this once: {door.operator_token}")
        await aio.upload(asked.scanner, asked.registry)  # fetches the lists of keys, so that it can judge offline
    for picture in asked.pictures:
        try:
            taken = await aio.scan(asked.scanner, asked.registry, picture, offline=asked.offline)
            print(f"{picture}: come in ({taken.result})")
        except CheckinError as refused:  # for the steward: the reason, and never who it was
            print(f"{picture}: {refused.code}: {refused.detail}")
    if not asked.offline:
        print(f"{await aio.upload(asked.scanner, asked.registry)} visits wait in the queue.")


try:
    asyncio.run(main())
except CheckinError as error:
    raise SystemExit(f"{error.code}: {error.detail}") from None
