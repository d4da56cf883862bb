"""Privacy-preserving QR check-in: the protocol, and the parties that run no service.

The main flow, step → file:

1. An issuer makes a credential for one door on one day      credential.py, ledger.py
2. The wallet signs it: a presentation, good for 20 seconds  wallet.py, presentation.py
3. … drawn as a QR code                                      qr.py
4. A scanner checks it, submits or queues it, sealed         scanner.py, trust.py, intake.py
5. The registry keeps the visit in a day vault               visit.py, vault.py, commit.py, stores/
6. A day is closed, and its rows are fixed by a digest       closing.py
7. An order of the authority finds who shared a room         orders/, tracing/, authority.py
8. After 28 days its key, then its bytes are destroyed       purge.py, keyring.py, slots.py
9. … and stated in signed notes, kept in a log, audited      statements.py, note.py, log/, audit/

Under all of it: errors.py, encoding.py, primitives.py (the one door to cryptography, with primitives_x509.py for
others' certificates), clock.py (the one reader of time). The services stand on service/. Commands are in commands/, the
demonstration is in story/, a town that lives over time in town/, the pages' files are in web/. The order of the layers
is in pyproject.toml, where import-linter holds it.
"""
