"""Whether each key is where its statements say: in its slot, or overwritten, gone and stated (docs/spec/audit.md §5).

What a slot's absence alone shows is that it was unlinked. `KeyRing.destroy` overwrites first and leaves a mark; a
tombstone of a key that was once made, without a mark, is one of a key that was only unlinked.
"""

from __future__ import annotations

from collections.abc import Iterator

from checkin.errors import CheckinError
from checkin.keys.key_ring import KeyName
from checkin.keys.service_keys import ServiceKeys
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import one
from checkin.purge.statement_store import KEY_MADE, StatementStore, destroyed_name

_MADE = "key-made-"


def made_keys(book: StatementStore) -> dict[KeyName, str]:
    """The commitment of every key that was ever stated to be made."""
    made = {}
    for _, note in book.all(_MADE):
        values = KEY_MADE.read(unverified_text(note))
        made[KeyName.parse(one(values, "key"))] = one(values, "commitment")
    return made


def key_faults(ring: ServiceKeys, book: StatementStore) -> Iterator[str]:
    """What is wrong with the ring, a sentence each. Under the purger's lock, so that no key is half-way."""
    made, tombs, there = made_keys(book), ring.tombstones(), set(ring.names())
    for name in tombs:
        if away := ring.missing(name):
            yield f"{name} was due, and is not stated to be destroyed by {', '.join(away)}"
        elif name in there:
            yield f"{name} has a tombstone and is still there"
        elif name in made and not ring.overwritten(name):
            yield f"{name} was unlinked and not overwritten: its bytes may still be on the disk"
        if destroyed_name(name) not in book:
            yield f"{name} has a tombstone and its destruction was never stated"
    for name in sorted(made.keys() - set(tombs)):
        yield from _live(name, ring, made[name], there=name in there)
    unstated = there - made.keys()
    yield from (f"{name} is in the ring and was never stated" for name in sorted(unstated))


def _live(name: KeyName, ring: ServiceKeys, commitment: str, *, there: bool) -> Iterator[str]:
    if not there:
        yield f"{name} is gone without a tombstone"
        return
    try:
        standing = ring.commitment(name)
    except CheckinError as error:
        yield f"{name} does not open ({error.code})"
        return
    if standing != commitment:
        yield f"{name} is another key than the one that was stated"
