"""Privacy-preserving QR check-in: the protocol, and the parties that run no service.

docs/architecture.md leads through it, file by file: one check-in, one day, one key, one order. Under all of it:
errors.py, clock.py (the one reader of time) and protocol/primitives.py (the one door to cryptography, with
protocol/x509.py for others' certificates). The order of the layers is in pyproject.toml, where import-linter holds it.
"""

__version__ = "0.1.0"
