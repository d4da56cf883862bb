"""Vaccination proofs: a health certificate in, checked step by step; a status and how long it holds out.

    text ── registry.py            which kind of certificate is this?        (prefix)
         ── cose.py                COSE_Sign1 and its CWT claims, by cbor.py (cose)
         ── schema.py              the JSON schemas of the EU                (schema)
         ── trust_list.py          the signer, looked up by its key id       (signature)
         ── eu.py                  runs all steps; base45, zlib with a limit (base45, compression)
                                   which key may sign what, and when         (key_usage, expiry)
         ── vaccination_proof.py   what a genuine certificate proves         → status, valid_from, valid_until
                                   and the answer, with each step's outcome

Nothing here calls another server; callers keep the status and its two times, and nothing else of a certificate.
Specification: docs/spec/certificate.md.
"""
