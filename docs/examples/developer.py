"""A developer issues a QR code and presents it: register once, then a fresh code whenever one is wanted.

python docs/examples/developer.py http://127.0.0.1:8001 --name "Kim Ji-woo" --phone 01012345678 --picture qr.png
"""

import argparse
from pathlib import Path

from checkin import client

arguments = argparse.ArgumentParser(description="Issue a check-in code and draw it.")
arguments.add_argument("issuer", help="the issuer's address")
arguments.add_argument("--name", required=True)
arguments.add_argument("--phone", required=True)
arguments.add_argument("--wallet", type=Path, default=Path("wallet.json"), help="made when it is not there")
arguments.add_argument("--picture", type=Path, default=Path("qr.png"))
asked = arguments.parse_args()

try:
    if not asked.wallet.exists():
        pending = client.register(asked.issuer, asked.name, asked.phone)
        recovery = client.confirm(pending, input("The code from the message, 8 digits: "), asked.wallet)
        print(f"\nA new wallet, {asked.wallet}. Keep its recovery code elsewhere: {recovery}")
    code = client.present(asked.wallet)
except client.CheckinError as error:
    raise SystemExit(f"{error.code}: {error.detail}") from None

asked.picture.write_bytes(code.png())
print(f"{asked.picture}: good for 20 seconds, for one door. {code.left_today} more codes today.")
for notice in code.notices:
    print(f"The health authority asked about your record of {notice['day']}.")
