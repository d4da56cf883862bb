// Cosignatures of witnesses (c2sp.org/tlog-cosignature, type 0x04); the same answers as checkin/tlog/checkpoint.py.

import { concat, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { openNote, readVkey, signerOf, splitNote } from "./note.js";
import { verify } from "./primitives.js";

const COSIGNATURE = 0x04;
const SIZE = 8 + 64;

/** The unix time in a cosignature's 72 bytes, a BigInt, not verified here; bad_signature for another form. */
function cosignedAt(value) {
  const time = value.length === SIZE ? new DataView(value.slice().buffer).getBigUint64(0) : -1n;
  if (time < 0n || time >= 2n ** 63n) throw new Refusal("bad_signature");
  return time;
}

/**
 * A witness's verifier key, `name+hash8+base64(0x04 ‖ key)`, for openNote; note_malformed.
 * @returns {Promise<import("./note.js").Verifier>}
 */
export async function parseWitness(vkey) {
  const key = await readVkey(vkey, COSIGNATURE);
  const message = (text, time) => concat(utf8(`cosignature/v1\ntime ${time}\n`), utf8(text));
  return {
    ...key,
    verify: async (text, value) => verify(key.public, message(text, cosignedAt(value)), value.subarray(8)),
  };
}

/**
 * Map(name → unix time, a BigInt) of the trusted witnesses that cosigned, the newest of each, all of them verified; empty
 * when none did. note_malformed, or note_untrusted for a known witness's bad line.
 */
export async function cosignatures(note, witnesses) {
  const ours = splitNote(note).signatures.filter((line) => signerOf(line, witnesses));
  if (ours.length) await openNote(note, witnesses);
  const times = new Map();
  for (const { name, value } of ours) {
    const time = cosignedAt(value);
    if (time > (times.get(name) ?? -1n)) times.set(name, time);
  }
  return times;
}
