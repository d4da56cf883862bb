"""An order in a folder, as officers pass it on: texts to read, to which each adds a signature.

order.txt           the whole order; it stays with the authority
part-1-visits.txt   what each service is sent, one file a part
logged.txt          what goes into the public log
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from checkin.errors import NoteMalformed, RequestInvalid
from checkin.files.durable import create_file, private_folder, replace_file
from checkin.files.format import FILE, require_format
from checkin.keys.officers import Officers
from checkin.orders.order import ENTRY_FILE, ORDER_FILE, Order, SignedOrder, SignedPart, texts_of
from checkin.orders.part import Part
from checkin.protocol.note import NoteSigner, sign_also, split_note, text_of


class OrderFolder:
    """One order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, folder: Path, order: Order) -> Self:
        """Writes an order that is not signed yet; raises `RequestInvalid` for a folder that holds something."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RequestInvalid("The order's folder is not empty: choose a new one.")
        private_folder(folder)
        require_format(folder, "order")
        self = cls(folder)
        for name, text in texts_of(order).items():
            create_file(folder / name, text.encode())
        return self

    def read(self) -> tuple[Order, dict[str, str]]:
        """The order and, by the names of their files, the notes of all that is signed, or is to be; it follows from the
        order, so an officer that was shown that signs what was shown.

        Raises `RequestInvalid`, and `NoteMalformed` when a piece is not what the order says.
        """
        note = self._read(ORDER_FILE)
        order = Order.read(text_of(note))
        texts = texts_of(order)
        notes = {name: note if name == ORDER_FILE else self._read(name) for name in texts}
        for name, text in texts.items():
            if text_of(notes[name]) != text:
                raise NoteMalformed(f"The file {name} is not what order.txt says: somebody changed one of them.")
        return order, notes

    def sign(self, signers: Iterable[NoteSigner], shown: Order | None = None) -> int:
        """Adds these signatures to all pieces, beside those that others added meanwhile; how many the order has then.
        Raises `RequestInvalid` where it is no longer the one that was `shown`."""
        order, before = self.read()
        if shown not in (None, order):
            raise RequestInvalid("The order was exchanged while it was read, and nothing was signed: read it again.")
        signers = list(signers)
        notes = {name: sign_also(note, signers) for name, note in before.items()}
        for name, note in notes.items():
            replace_file(self._folder / name, note.encode())
        return len(split_note(notes[ORDER_FILE])[1])

    def open(self, officers: Officers) -> SignedOrder:
        """The order, signed by enough of these officers in every piece. Raises as `read`, and `NoteUntrusted`."""
        order, notes = self.read()
        texts = {name: officers.open(note).text for name, note in notes.items()}
        parts = [SignedPart(Part.read(text), notes[name]) for name, text in texts.items() if name.startswith("part-")]
        return SignedOrder(order, tuple(parts), notes[ENTRY_FILE])

    def _read(self, name: str) -> str:
        if (self._folder / FILE).exists():
            require_format(self._folder, "order")
        try:
            return (self._folder / name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            raise RequestInvalid(f"The order's folder has no readable {name}.") from None
