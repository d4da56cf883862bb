"""The registry of visits: knows venues and scanners, takes check-ins, and never learns a visitor's identity.

Main flow: an issuer's keys → a check-in, or queued scans → the day vault; at night closing and purge.
"""
