"""The registry of visits: knows venues and scanners, takes check-ins, and never learns who anybody is.

settings.py    the settings file                       database.py   data/venue.db
venues.py      enrolment of venues, their operators    scanners.py   their scanners, who may check in
trust.py       issuers' key lists, the first is final  lists.py      what a scanner is told to trust, and intake keys
checkins.py    one check-in, the hot path              batches.py    queued scans in sealed batches
gates.py       which gate people came through          stats.py      an operator's numbers
described.py   what a check-in can answer              app.py        all of it, hung into a service's frame
order_steps.py  the registry's part of an order
"""
