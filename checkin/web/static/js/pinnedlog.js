// A log as somebody pins it: its key, and the witnesses of whom `quorum` must have cosigned a head that counts; the same
// rules as checkin/tlog/proof.py.

import { parseWitness } from "./cosignature.js";
import { utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { verifyProof } from "./logproof.js";
import { parseVkey } from "./note.js";

export class PinnedLog {
  /**
   * What keeps lists that are in no log out of a device, or null as long as no log was ever told: what was pinned before
   * stays, whatever is told now. note_malformed for keys that are none and for a quorum of more witnesses than there are.
   * @param {object|null|undefined} known `plain` of an earlier one, out of the device's storage
   * @param {object|null|undefined} told {vkey, witnesses, quorum} as a service tells which log it pins
   */
  static async of(known, told) {
    if (!known && !told) return null;
    const pinned = new PinnedLog();
    pinned.plain = checked(known ?? told);
    const { vkey, witnesses } = pinned.plain;
    pinned.verifier = await parseVkey(vkey);
    pinned.witnesses = await Promise.all(witnesses.map(parseWitness));
    return pinned;
  }

  /**
   * {size, root} of the head under which this very text is in the log; note_malformed, note_untrusted without the
   * cosignatures, proof_invalid without a proof, too.
   */
  async require(entry, proof) {
    // SPEC keys.md §5.2: "Who has pinned a log MUST refuse a list without a valid proof as a whole"
    if (typeof proof !== "string") throw new Refusal("proof_invalid");
    return verifyProof(proof, utf8(entry), this.verifier, this.witnesses, this.plain.quorum);
  }
}

function checked({ vkey, witnesses, quorum }) {
  const keys = Array.isArray(witnesses) && [vkey, ...witnesses].every((key) => typeof key === "string");
  if (!keys || !Number.isInteger(quorum) || quorum < 0 || quorum > witnesses.length) throw new Refusal("note_malformed");
  return { vkey, witnesses, quorum };
}
