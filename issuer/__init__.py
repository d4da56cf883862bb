"""The issuer: identities, batches of credentials, a ledger it cannot read, hosted wallets.

It knows who has an account and who asked for a day's batch; never where anybody was, and never when, finer than
the day. Main flow: registration → identity → batch → ledger; at night purge and rotation.
"""
