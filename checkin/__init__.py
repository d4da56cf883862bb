"""Privacy-preserving QR check-in: the protocol, and the parties that run no service.

The main flow, step → file:

1. An issuer makes a credential for one door on one day      protocol/credential.py, vault/ledger.py
2. The wallet signs it: a presentation, good for 20 seconds  parties/wallet.py, protocol/presentation.py
3. … drawn as a QR code                                      protocol/qr.py
4. A scanner checks it, submits or queues it, sealed         parties/scanner.py, protocol/intake.py
5. The registry keeps the visit in a day vault               vault/
6. A day is closed, and its rows are fixed by a digest       vault/closing.py
7. An order of the authority finds who shared a room         orders/, tracing/, parties/authority.py
8. After 28 days its key, then its bytes are destroyed       purge/, keys/
9. … and stated in signed notes, kept in a log, audited      purge/statement_store.py, tlog/, audit/

Under all of it: errors.py, clock.py (the one reader of time) and protocol/primitives.py (the one door to cryptography,
with protocol/x509.py for others' certificates). The three services stand on service/. Commands are in cli/, the
demonstration is in demo/, a town that lives over time in simulation/, a deployment on one machine in deployment/, the
pages' files are in web/. The order of the layers is in pyproject.toml, where import-linter holds it.
"""

__version__ = "0.1.0"
