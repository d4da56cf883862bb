"""The registry of visits: knows venues and scanners, takes check-ins, and never learns a visitor's identity.

settings.py    the settings file                       database.py   data/venue.db
venues.py      enrolment of venues, their operators    scanners.py   their scanners, by their tokens
issuer_trust.py  issuers' key lists, the first is final
lists.py       what scanners trust: those lists, intake keys
checkins.py    one check-in, the hot path              scan_batches.py  queued scans in sealed batches
gates.py       which gate people came through          stats.py      an operator's numbers
order_steps.py  the registry's part of an order        app.py        composition root: objects and routes
"""
