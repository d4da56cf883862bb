"""An order in a folder, as officers pass it on: texts to read, to which each adds a signature.

order.txt           the whole order; it stays with the authority
part-1-visits.txt   what each service is sent, one file a part
logged.txt          what goes into the public log
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from checkin.errors import NoteMalformed, RequestInvalid
from checkin.files.durable import create_file, private_folder, replace_file
from checkin.files.format import FILE, require_format
from checkin.keys.officers import Officers
from checkin.orders.order import ENTRY_FILE, ORDER_FILE, Order, Pieces, SignedOrder, SignedPart, texts_of
from checkin.orders.part import Part
from checkin.protocol.note import NoteSigner, add_signature, sign_note, split_note, unverified_text


class OrderFolder:
    """One order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, folder: Path, order: Order) -> Self:
        """Writes an order that nobody has signed yet; raises `RequestInvalid` for a folder that holds something."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RequestInvalid("The order's folder is not empty: choose a new one.")
        private_folder(folder)
        require_format(folder, "order")
        self = cls(folder)
        for name, text in texts_of(order).items():
            create_file(folder / name, text.encode())
        return self

    def order(self) -> Order:
        """What the officers read; raises `RequestInvalid`, `NoteMalformed`."""
        return Order.read(_text_of(self._read(ORDER_FILE)))

    def read(self) -> Pieces:
        """Everything that is signed, read once: who shows these and signs them signs what was shown.

        Raises `NoteMalformed` when a piece is not what the order says.
        """
        note = self._read(ORDER_FILE)
        order = Order.read(_text_of(note))
        texts = texts_of(order)
        notes = {name: note if name == ORDER_FILE else self._read(name) for name in texts}
        for name, text in texts.items():
            if _text_of(notes[name]) != text:
                raise NoteMalformed(f"The file {name} is not what order.txt says: somebody changed one of them.")
        return Pieces(order, notes)

    def sign(self, signers: Sequence[NoteSigner], pieces: Pieces | None = None) -> int:
        """Adds these signatures to all pieces, as they were read before or are now; how many the order has then."""
        notes = (pieces or self.read()).notes
        for name, note in notes.items():
            for signer in signers:
                note = add_signature(note, signer) if _is_signed(note) else sign_note(note, signer)  # noqa: PLW2901
            replace_file(self._folder / name, note.encode())
        return self.signatures()

    def signatures(self) -> int:
        """How many lines of signatures the order has; nobody's is verified here."""
        note = self._read(ORDER_FILE)
        return len(split_note(note)[1]) if _is_signed(note) else 0

    def open(self, officers: Officers) -> SignedOrder:
        """The order, signed by enough of these officers in every piece. Raises `NoteMalformed`, `NoteUntrusted`."""
        pieces = self.read()
        notes = pieces.notes
        for note in notes.values():
            officers.open(note)
        parts = [
            SignedPart(Part.read(_text_of(note)), note) for name, note in notes.items() if name.startswith("part-")
        ]
        return SignedOrder(pieces.order, tuple(parts), notes[ENTRY_FILE])

    def _read(self, name: str) -> str:
        if (self._folder / FILE).exists():
            require_format(self._folder, "order")
        try:
            return (self._folder / name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            raise RequestInvalid(f"The order's folder has no readable {name}.") from None


def _is_signed(note: str) -> bool:
    return "\n\n" in note


def _text_of(note: str) -> str:
    return unverified_text(note) if _is_signed(note) else note
