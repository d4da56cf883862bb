"""An order in a folder, as officers pass it on: texts to read, to which each adds a signature.

order.txt           the whole order; it stays with the authority
part-1-visits.txt   what each service is sent, one file a part
logged.txt          what goes into the public log
order.key           the order's private keys, sealed to the ring key
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from checkin.errors import NoteMalformed, RequestInvalid
from checkin.files.durable import create_file, private_folder, replace_file
from checkin.keys.officers import Officers
from checkin.orders.order import Order
from checkin.orders.part import Part
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.note import NoteSigner, add_signature, sign_note, split_note

ORDER_FILE: Final = "order.txt"
ENTRY_FILE: Final = "logged.txt"
KEY_FILE: Final = "order.key"


@dataclass(frozen=True)
class SignedPart:
    """A part and the note that its audience is sent."""

    part: Part
    note: str


@dataclass(frozen=True)
class SignedOrder:
    """An order that enough officers signed, in all its pieces."""

    order: Order
    parts: tuple[SignedPart, ...]
    entry: str
    sealed_keys: bytes


class OrderFolder:
    """One order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, folder: Path, order: Order, sealed_keys: bytes) -> Self:
        """Writes an order that nobody has signed yet; raises `RequestInvalid` for a folder that holds something."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RequestInvalid("The order's folder is not empty: choose a new one.")
        private_folder(folder)
        self = cls(folder)
        for name, text in _texts(order).items():
            create_file(folder / name, text.encode())
        create_file(folder / KEY_FILE, (b64_encode(sealed_keys) + "\n").encode())
        return self

    def order(self) -> Order:
        """What the officers read; raises `RequestInvalid`, `NoteMalformed`."""
        return Order.read(_text_of(self._read(ORDER_FILE)))

    def sign(self, signers: Sequence[NoteSigner]) -> int:
        """Adds these signatures to all of it; how many signatures there are now.

        Raises `NoteMalformed` when a piece is not what the order says: then nothing is signed.
        """
        notes = {name: self._read(name) for name in self._checked()}
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
        texts = self._checked()
        notes = {name: self._read(name) for name in texts}
        for note in notes.values():
            officers.open(note)
        parts = [SignedPart(Part.read(text), notes[name]) for name, text in texts.items() if name.startswith("part-")]
        try:
            sealed = b64_decode(self._read(KEY_FILE).removesuffix("\n"))
        except ValueError:
            raise NoteMalformed("The order's sealed keys are not base64.") from None
        return SignedOrder(Order.read(texts[ORDER_FILE]), tuple(parts), notes[ENTRY_FILE], sealed)

    def _checked(self) -> dict[str, str]:
        """Every piece by its file's name, as it follows from the order; raises `NoteMalformed` if one was changed."""
        texts = _texts(self.order())
        for name, text in texts.items():
            if _text_of(self._read(name)) != text:
                raise NoteMalformed(f"The file {name} is not what order.txt says: somebody changed one of them.")
        return texts

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            raise RequestInvalid(f"The order's folder has no readable {name}.") from None


def _texts(order: Order) -> dict[str, str]:
    """Contents by file name."""
    parts = {}
    for number, text in enumerate(order.part_texts(), start=1):
        parts[f"part-{number}-{Part.read(text).step}.txt"] = text
    return {ORDER_FILE: order.text, **parts, ENTRY_FILE: order.entry_text()}


def _is_signed(note: str) -> bool:
    return "\n\n" in note


def _text_of(note: str) -> str:
    return split_note(note)[0] if _is_signed(note) else note
