"""An auditor verifies a service with keys from elsewhere: what was destroyed in the last 60 days, and who stated it.

python docs/examples/auditor.py http://127.0.0.1:8003 --vkeys vkeys.txt     # or a folder in place of the address
"""

import argparse
from collections import Counter
from pathlib import Path

from checkin import client

arguments = argparse.ArgumentParser(description="Verify what a retention service shows.")
arguments.add_argument("source", help="the service's address, or a folder of evidence")
arguments.add_argument("--vkeys", type=Path, required=True, help="verifier keys that each party gave you itself")
asked = arguments.parse_args()

source = asked.source if asked.source.startswith(("http://", "https://")) else Path(asked.source)
try:
    verdict = client.verify_audit(source, asked.vkeys)
except client.EvidenceFaulty as error:
    for fault in error.faults:
        print(f"{fault.path}: {fault.kind}. {fault.reason}")
    raise SystemExit(error.detail) from None
except client.CheckinError as error:
    raise SystemExit(f"{error.code}: {error.detail}") from None

for service in dict.fromkeys(day.service for day in verdict.days):
    states = Counter(day.state for day in verdict.days if day.service == service)
    print(f"{service}: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
size = verdict.head.size if verdict.head else 0
print(f"Nothing is wrong in {size} entries of the log, as of {verdict.date or 'no day yet'}.")
