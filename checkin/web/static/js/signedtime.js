// The time, signed together with the asker's nonce, so that an old answer says nothing about now (checkin/protocol/signed_time.py).

import { Calendar } from "./calendar.js";
import { Refusal } from "./errors.js";
import { openNote } from "./note.js";
import { CLOCK, StatementType } from "./statement.js";

const TIME = new StatementType(
  "checkin/time/v1",
  { name: "service" },
  { name: "nonce" },
  { name: "time" },
  CLOCK,
);

// SPEC labels.md §3: "RFC 3339 with an offset, cut to the second"
const FORM = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Unix seconds, cut to the second; note_malformed, or note_untrusted for another signer or another question. */
export async function readSignedTime(note, verifier, nonce) {
  const { text } = await openNote(note ?? "", [verifier]);
  const values = TIME.read(text);
  const ours = values.get("nonce") === nonce && values.get("service") === verifier.name;
  if (!ours) throw new Refusal("note_untrusted");
  return secondsOf(values.get("time"));
}

function secondsOf(time) {
  try {
    Calendar.parseDate(FORM.exec(time)[1]); // Date.parse takes 31 November for 1 December
    return Date.parse(time) / 1000;
  } catch {
    throw new Refusal("note_untrusted");
  }
}
