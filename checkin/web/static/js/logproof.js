// That an entry is in a log under a head that witnesses saw, verified without asking anybody (c2sp.org/tlog-proof); the
// same answers as checkin/tlog/proof.py.

import { base64Decode, decimalDecode, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { openCheckpoint } from "./log.js";
import { HASH_SIZE, MAX_PROOF, leafHash, verifyInclusion } from "./merkle.js";

const MAX_BYTES = 256 * 1024;
const FIRST = "c2sp.org/tlog-proof@v1";
const PLACE = "index ";
const EXTRA = "extra "; // of the application; nobody signed it, and nothing here looks at it

const malformed = () => new Refusal("note_malformed");

/** {index, hashes, checkpoint} of a proof's text, nothing of which is verified; note_malformed. */
export function readProof(text) {
  if (utf8(text).length > MAX_BYTES) throw malformed();
  const end = text.indexOf("\n\n");
  const [first, ...rest] = text.slice(0, Math.max(end, 0)).split("\n");
  const extra = rest[0]?.startsWith(EXTRA) ? rest.shift() : EXTRA;
  const [place = "", ...lines] = rest;
  if (first !== FIRST || !place.startsWith(PLACE) || lines.length > MAX_PROOF) throw malformed();
  try {
    base64Decode(extra.slice(EXTRA.length));
    const index = Number(decimalDecode(place.slice(PLACE.length))); // past 2⁵³ not exact, and past every log's end
    return { index, hashes: lines.map((line) => base64Decode(line, HASH_SIZE)), checkpoint: text.slice(end + 2) };
  } catch {
    throw malformed();
  }
}

/**
 * {size, root} of the head under which `entry`, bytes, is in the log; note_malformed, note_untrusted, proof_invalid.
 * The keys and the quorum are openCheckpoint's.
 */
export async function verifyProof(text, entry, log, witnesses = [], quorum = null) {
  const { index, hashes, checkpoint } = readProof(text);
  const head = await openCheckpoint(checkpoint, log, witnesses, quorum);
  await verifyInclusion(await leafHash(entry), index, head.size, hashes, head.root);
  return head;
}
