"""The registry of visits: knows venues and scanners, takes check-ins, and never learns who anybody is.

settings.py    the settings file                       database.py   data/venue.db
venues.py      enrolment of venues, their operators    scanners.py   their scanners, who may check in
trust.py       issuers' key lists, the first is final  lists.py      what a scanner is told to trust
checkins.py    one check-in, the hot path              commits.py    many of them in one commit
batches.py     queued scans in sealed batches          visits.py     from a scan to a row
alarms.py      forged codes in queues                  metrics.py    counters by result
stats.py       an operator's numbers                   duties.py     purge and statements
described.py   what every route can answer             app.py        all of it, hung into a service's frame
"""
