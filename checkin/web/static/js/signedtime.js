// The time, signed together with the asker's nonce, so that an old answer says nothing about now (checkin/protocol/signed_time.py).

import { Refusal } from "./errors.js";
import { openNote } from "./note.js";
import { StatementType } from "./statement.js";

const TIME = new StatementType(
  "checkin/time/v1",
  { name: "service" },
  { name: "nonce" },
  { name: "time" },
  { name: "clock", optional: true },
);

/** Unix seconds, cut to the second; note_malformed, or note_untrusted for another signer or another question. */
export async function readSignedTime(note, verifier, nonce) {
  const { text } = await openNote(note ?? "", [verifier]);
  const values = TIME.read(text);
  const time = Date.parse(values.get("time")) / 1000;
  const ours = values.get("nonce") === nonce && values.get("service") === verifier.name;
  if (!ours || Number.isNaN(time)) throw new Refusal("note_untrusted");
  return time;
}
