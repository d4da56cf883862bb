"""The issuer: identities, batches of credentials, a ledger it cannot read, hosted wallets.

It knows the holders of accounts and of a day's batches; never where a person was, and never when, finer than
the day. Main flow: registration → identity → batch → ledger; at night purge and rotation.
"""
