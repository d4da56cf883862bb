"""Proofs out of a log and cosignatures of its heads, good and bad, for `make.py`.

Ed25519 signs the same bytes the same way, so nothing here has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from checkin.protocol.encoding import b64_encode, u64be
from checkin.protocol.note import NoteSigner, Signature, sign_note, split_note, write_vkey
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import COSIGNATURE, Checkpoint, Cosigner
from checkin.tlog.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, subtrees
from checkin.tlog.proof import MAX_PROOF_BYTES, LogProof
from tests.vectors.material import loosened

SIZE = 11
ENTRIES = [f"entry {number}\n".encode() for number in range(SIZE + 1)]
TREE = subtrees([leaf_hash(entry) for entry in ENTRIES])
NAME = "retention.example/log"
SEEN = 1_795_300_000
MALFORMED, UNTRUSTED, INVALID = "note_malformed", "note_untrusted", "proof_invalid"
Case = dict[str, Any]


def _long_line(size: int) -> str:
    """A stranger's signature line of that many bytes of UTF-8, its name outside ASCII and the first plane."""
    name = "\U0001f600" * 60 + "\ud55c" * 100
    room = size - len(f"\u2014 {name} \n".encode())
    name += "y" * (room % 4)
    return f"\u2014 {name} {b64_encode(bytes(room // 4 * 3))}\n"


def head(size: int = SIZE, origin: str = NAME) -> str:
    """The text of the log's head at a size."""
    return Checkpoint(origin, size, TREE(0, size)).write()


class LogVectors:
    """A log of eleven entries, and two witnesses who pinned it; `seed` makes a key of a label."""

    def __init__(self, seed: Callable[[str], bytes]) -> None:
        def key(label: str) -> SigningKey:
            return SigningKey(seed(label))

        self.log = NoteSigner(NAME, key("log key"))
        self.other = NoteSigner(NAME, key("another log key"))
        self.elsewhere = NoteSigner("other.example/log", key("log key"))
        self.one = Cosigner("witness.example/w1", key("witness key"))
        self.two = Cosigner("witness.example/w2", key("second witness key"))
        self.three = Cosigner("witness.example/w3", key("third witness key"))
        self.alias = Cosigner("witness.example/alias", key("witness key"))
        self.stranger = Cosigner("witness.example/w1", key("stranger's witness key"))
        self.plain = NoteSigner("witness.example/w1", key("witness key"))
        self.text = head()
        self.signed = sign_note(self.text, self.log)
        self.seen = self.signed + self.one.cosign(self.text, SEEN)
        self.both = self.seen + self.two.cosign(self.text, SEEN + 1)

    def content(self) -> Case:
        """`logproof.json`."""
        proofs = [*self._good(), *self._other_keys(), *self._quorums(), *self._other_places(), *self._unreadable()]
        lines = [*self._good_lines(), *self._bad_lines()]
        return {"spec": "docs/spec/log.md", "cosignatures": lines, "proofs": proofs}

    def _line(self, value: bytes) -> str:
        """A line with the first witness's name and key id."""
        return Signature(self.one.name, self.one.verifier.key_id, value).line()

    def _lines(self, name: str, note: str, expected: str, times: dict[str, int] | None = None, **keys: Any) -> Case:
        vkeys = [self.one.verifier.vkey, self.two.verifier.vkey]
        # As text: not every number of 63 bits is one of JavaScript's.
        said = {who: str(when) for who, when in (times or {}).items()}
        return {"name": name, "note": note, "witnesses": vkeys, "expected": expected, "times": said} | keys

    def _good_lines(self) -> Iterator[Case]:
        text, one, last = self.text, self.one.name, 2**63 - 1
        yield self._lines("one witness", self.seen, "ok", {one: SEEN})
        yield self._lines("two witnesses", self.both, "ok", {one: SEEN, self.two.name: SEEN + 1})
        again = self.one.cosign(text, SEEN + 86400)
        yield self._lines("a newer line before", self.signed + again + self.seen[len(self.signed) :], "ok",
                          {one: SEEN + 86400})  # fmt: skip
        yield self._lines("no witness", self.signed, "ok")
        yield self._lines("a stranger's line under the same name",
                          self.signed + self.stranger.cosign(text, SEEN), "ok")  # fmt: skip
        yield self._lines("the witness's key, signing as for a note", self.signed + self.plain.sign(text), "ok")
        yield self._lines("the first second", self.signed + self.one.cosign(text, 0), "ok", {one: 0})
        yield self._lines("the last second", self.signed + self.one.cosign(text, last), "ok", {one: last})

    def _bad_lines(self) -> Iterator[Case]:
        text, bad = self.text, UNTRUSTED
        value = split_note(self.seen)[1][1].value
        yield self._lines("past the last second", self.signed + self.one.cosign(text, 2**63), bad)
        yield self._lines("another time than was signed", self.signed + self._line(u64be(SEEN + 1) + value[8:]), bad)
        yield self._lines("over another head", self.signed + self.one.cosign(head(SIZE - 1), SEEN), bad)
        yield self._lines("without its time", self.signed + self._line(value[8:]), bad)
        yield self._lines("a byte less", self.signed + self._line(value[:-1]), bad)
        yield self._lines("a byte more", self.signed + self._line(value + b"\x00"), bad)
        yield self._lines("a bad line after a good one", self.both + self._line(value[:-1] + b"\xff"), bad)
        yield self._lines("cut off", self.seen[:-1], MALFORMED)
        yield self._lines("the log's key for a witness's", self.seen, MALFORMED, witnesses=[self.log.verifier.vkey])
        broken = self.one.verifier.vkey.replace("+", "-", 1)
        yield self._lines("a broken verifier key", self.seen, MALFORMED, witnesses=[broken])
        other_kind = write_vkey(self.one.name, COSIGNATURE + 1, self.one.verifier.public)
        yield self._lines("a verifier key of another kind", self.seen, MALFORMED, witnesses=[other_kind])

    def _proof(self, index: int, note: str, size: int = SIZE) -> LogProof:
        return LogProof(index, tuple(inclusion_proof(index, size, TREE)), note)

    def _case(self, name: str, proof: LogProof | str, expected: str, number: int = 3, **other: Any) -> Case:
        """Judged for an entry, under the log's key and the first witness's, no quorum named, or as `other` says."""
        return {
            "name": name,
            "proof": proof.write() if isinstance(proof, LogProof) else proof,
            "entry": ENTRIES[number].hex(),
            "log": self.log.verifier.vkey,
            "witnesses": [self.one.verifier.vkey],
            "quorum": None,
            "expected": expected,
        } | other

    def _good(self) -> Iterator[Case]:
        for index in (0, 3, 7, SIZE - 1):
            yield self._case(f"entry {index}", self._proof(index, self.seen), "ok", index)
        alone = sign_note(head(1), self.log) + self.one.cosign(head(1), SEEN)
        yield self._case("the only entry", self._proof(0, alone, 1), "ok", 0)
        longer = self.text + "an extension\n"
        yield self._case("a head with one more line",
                         self._proof(3, sign_note(longer, self.log) + self.one.cosign(longer, SEEN)), "ok")  # fmt: skip
        stranger = self.seen + self.stranger.cosign(self.text, SEEN)
        yield self._case("a stranger cosigned too", self._proof(3, stranger), "ok")

        # More of its bytes than of its characters, and more UTF-16 units than code points: only bytes are counted.
        room = MAX_PROOF_BYTES - len(self._proof(3, self.seen).write().encode())
        yield self._case("256 KiB of UTF-8", self._proof(3, self.seen + _long_line(room)), "ok")
        yield self._case("a byte more than 256 KiB", self._proof(3, self.seen + _long_line(room + 1)), MALFORMED)
        extra = replace(self._proof(3, self.seen), extra=b"of the application")
        yield self._case("an extra line", extra, "ok")
        yield self._case("an empty extra line", replace(extra, extra=b""), "ok")
        large = "".join(_long_line(6_600) for _ in range(14))  # with the log's and a witness's line, sixteen
        yield self._case("fourteen lines as large as post-quantum signatures", self._proof(3, self.seen + large), "ok")
        loose = "\u2014 other.example AAAAAAB=\n"  # bits after the last byte, which its writer left as they were
        yield self._case("a stranger's loose base64", self._proof(3, self.seen + loose), "ok")

    def _other_keys(self) -> Iterator[Case]:
        good, bad = self._proof(3, self.seen), UNTRUSTED
        yield self._case("another log's key", good, bad, log=self.elsewhere.verifier.vkey)
        yield self._case("another key of the log's name", good, bad, log=self.other.verifier.vkey)
        forged = sign_note(self.text, self.other) + self.one.cosign(self.text, SEEN)
        yield self._case("signed by another key", self._proof(3, forged), bad)
        text = head(origin="other.example/log")
        other = sign_note(text, self.log) + self.one.cosign(text, SEEN)
        yield self._case("another log's head under the same key", self._proof(3, other), bad)
        yield self._case("no line of the log", self._proof(3, self.text + "\n" + self.one.cosign(self.text, SEEN)), bad)
        yield self._case("a newline before the head", self._proof(3, "\n" + self.seen), bad)
        yield self._case("a larger size than was signed",
                         self._proof(3, self.seen.replace("\n11\n", "\n12\n")), bad)  # fmt: skip
        root = b64_encode(TREE(0, SIZE))
        yield self._case("another root than was signed",
                         self._proof(3, self.seen.replace(root, b64_encode(EMPTY_ROOT))), bad)  # fmt: skip
        yield self._case("a witness's key for the log's", good, MALFORMED, log=self.one.verifier.vkey)

    def _quorums(self) -> Iterator[Case]:
        text, bad = self.text, UNTRUSTED
        signed, seen, both = (self._proof(3, note) for note in (self.signed, self.seen, self.both))
        pair = [self.one.verifier.vkey, self.two.verifier.vkey]
        yield self._case("no witness pinned", signed, "ok", witnesses=[])
        yield self._case("no witness needed", signed, "ok", quorum=0)
        yield self._case("two of two", both, "ok", quorum=2, witnesses=pair)
        yield self._case("one of two, nothing said", seen, "ok", witnesses=pair)
        three = [*pair, self.three.verifier.vkey]
        all_saw = self._proof(3, self.both + self.three.cosign(text, SEEN + 2))
        for count in range(1, 4):
            yield self._case(f"three cosigned, {count} pinned", all_saw, "ok", quorum=count, witnesses=three[:count])
        yield self._case("three cosigned, none pinned", all_saw, "ok", witnesses=[])
        yield self._case("three of three, two cosigned", both, bad, quorum=3, witnesses=three)
        yield self._case("no cosignature", signed, bad)
        yield self._case("one of two, both needed", seen, bad, quorum=2, witnesses=pair)
        yield self._case("one needed, none pinned", seen, bad, witnesses=[], quorum=1)
        over = head(SIZE - 1)
        yield self._case("a cosignature over another head",
                         self._proof(3, self.signed + self.one.cosign(over, SEEN)), bad)  # fmt: skip
        yield self._case("a stranger under the witness's name",
                         self._proof(3, self.signed + self.stranger.cosign(text, SEEN)), bad)  # fmt: skip
        yield self._case("the witness's key, signing as for a note",
                         self._proof(3, self.signed + self.plain.sign(text)), bad)  # fmt: skip
        twice = self.seen + self.one.cosign(text, SEEN + 1)
        yield self._case("one witness twice", self._proof(3, twice), bad, quorum=2, witnesses=pair)
        names = [self.one.verifier.vkey, self.alias.verifier.vkey]
        alias = self.seen + self.alias.cosign(text, SEEN)
        yield self._case("one witness under two names", self._proof(3, alias), bad, quorum=2, witnesses=names)
        spoiled = self.both + self.two.cosign(over, SEEN)
        yield self._case("a bad line beside enough good ones", self._proof(3, spoiled), bad, witnesses=pair)

    def _other_places(self) -> Iterator[Case]:
        good, bad = self._proof(3, self.seen), INVALID
        yield self._case("another entry", good, bad, 4)
        yield self._case("an entry without its last byte", good, bad, entry=ENTRIES[3][:-1].hex())
        for index in (2, 4, SIZE, 2**53 + 1, 2**63 - 1):
            yield self._case(f"the index {index}", replace(good, index=index), bad)
        hashes = good.hashes
        yield self._case("another hash", replace(good, hashes=(*hashes[:-1], EMPTY_ROOT)), bad)
        flipped = bytes([hashes[0][0] ^ 1]) + hashes[0][1:]
        yield self._case("another bit", replace(good, hashes=(flipped, *hashes[1:])), bad)
        yield self._case("a hash less", replace(good, hashes=hashes[:-1]), bad)
        yield self._case("a hash more", replace(good, hashes=(*hashes, EMPTY_ROOT)), bad)
        yield self._case("the hashes the other way round", replace(good, hashes=hashes[::-1]), bad)
        yield self._case("no hashes", replace(good, hashes=()), bad)
        later = head(SIZE + 1)
        grown = sign_note(later, self.log) + self.one.cosign(later, SEEN)
        yield self._case("under the head after the next entry", replace(good, checkpoint=grown), bad)
        unseen = self._proof(SIZE, grown, SIZE + 1)
        yield self._case("an entry that the head does not cover", replace(unseen, checkpoint=self.seen), bad, SIZE)

    def _unreadable(self) -> Iterator[Case]:
        good = self._proof(3, self.seen).write()
        top, _, rest = good.partition("\n\n")
        line, known = b64_encode(EMPTY_ROOT) + "\n", self.one.cosign(self.text, SEEN)
        texts = {
            "an empty text": "",
            "the checkpoint alone": self.seen,
            "another version": good.replace("@v1", "@v2"),
            "an extra line in another alphabet": good.replace("index 3\n", "extra _-_-\nindex 3\n"),
            "two extra lines": good.replace("index 3\n", "extra AAAA\nextra AAAA\nindex 3\n"),
            "an extra line after the index": good.replace("index 3\n", "index 3\nextra AAAA\n"),
            "a known key's loose base64": good.replace(known, loosened(known)),
            "no index": good.replace("index 3\n", ""),
            "an index written longer": good.replace("index 3", "index 03"),
            "an index below zero": good.replace("index 3", "index -1"),
            "an index of 2\u2076\u00b3": good.replace("index 3", f"index {2**63}"),
            "a hash of three bytes": good.replace("index 3\n", "index 3\nAAAA\n"),
            "a hash in another alphabet": good.replace("index 3\n", "index 3\n" + "_" * 43 + "=\n"),
            "sixty-five hashes": good.replace("index 3\n", "index 3\n" + line * 65),
            "carriage returns": good.replace("\n", "\r\n"),
            "no empty line": good.replace("\n\n", "\n", 1),
            "cut off before the checkpoint": top,
            "cut off after the empty line": top + "\n\n",
            "cut off in the checkpoint": top + "\n\n" + rest[: len(self.text) // 2],
            "cut off in a signature": good[:-9],
            "cut off by its last newline": good[:-1],
        }
        for name, text in texts.items():
            yield self._case(name, text, MALFORMED)
        heads = {
            "a size written longer": self.text.replace("\n11\n", "\n011\n"),
            "no root": self.text.replace(b64_encode(TREE(0, SIZE)) + "\n", ""),
            "an empty line in the head": self.text + "\nan extension\n",
        }
        for name, text in heads.items():
            note = sign_note(text, self.log) + self.one.cosign(text, SEEN)
            yield self._case(name, self._proof(3, note), MALFORMED)
