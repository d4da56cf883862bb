// Signed notes, read as strictly as checkin/protocol/note.py reads them (docs/spec/notes.md, c2sp.org/signed-note).

import { isSigningKey } from "./curve.js";
import { base64Decode, base64Encode, toHex, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { sameBytes, sha256, verify } from "./primitives.js";

export const MAX_NOTE = 2 ** 20;
const MAX_SIGNATURES = 64;
const MAX_NAME = 255;
const ED25519 = 0x01;
const CONTROL = /[\x00-\x09\x0b-\x1f]/;
const NO_NAME = /[\x00- +\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

const malformed = () => new Refusal("note_malformed");

function checkName(name) {
  if (!name || [...name].length > MAX_NAME || NO_NAME.test(name) || !name.isWellFormed()) throw malformed();
}

function decode64(text, size, loose = false) {
  try {
    return base64Decode(text, size, loose);
  } catch {
    throw malformed();
  }
}

/** {name, keyId, public} of `name+hash8+base64(kind ‖ key)`, a key that signs in this way only; note_malformed. */
export async function readVkey(vkey, kind) {
  const [name, hash, ...rest] = vkey.split("+");
  checkName(name);
  const material = decode64(rest.join("+"), 33);
  const keyId = (await sha256(utf8(name), [0x0a], material)).slice(0, 4);
  if (material[0] !== kind || toHex(keyId) !== hash || !isSigningKey(material.slice(1))) throw malformed();
  return { name, keyId, public: material.slice(1) };
}

/**
 * What openNote needs to know about a key that may be trusted, of its verifier key; note_malformed.
 * @typedef {{name: string, keyId: Uint8Array, public: Uint8Array,
 *   verify: (text: string, value: Uint8Array) => Promise<void>}} Verifier verify throws bad_signature
 * @returns {Promise<Verifier>}
 */
export async function parseVkey(vkey) {
  const key = await readVkey(vkey, ED25519);
  return { ...key, verify: (text, value) => verify(key.public, utf8(text), value) };
}

function checkText(text) {
  if (!text.endsWith("\n") || CONTROL.test(text) || !text.isWellFormed()) throw malformed();
  if (utf8(text).length > MAX_NOTE) throw malformed();
}

function readLine(line) {
  const [dash, name = "", ...rest] = line.split(" ");
  checkName(name);
  const data = decode64(rest.join(" "), undefined, true);
  if (dash !== "—" || data.length < 5) throw malformed();
  const canonical = base64Encode(data) === rest.join(" ");
  return { name, keyId: data.slice(0, 4), value: data.slice(4), canonical };
}

/** The text and the signature lines, nothing of which is verified; note_malformed. */
export function splitNote(note) {
  checkText(note);
  const at = note.slice(0, -1).lastIndexOf("\n\n");
  const lines = note.slice(at + 2, -1).split("\n");
  if (at < 0 || !lines[0] || lines.length > MAX_SIGNATURES) throw malformed();
  return { text: note.slice(0, at + 1), signatures: lines.map(readLine) };
}

/** The trusted key that signed a line; undefined for a stranger. */
export const signerOf = (signature, verifiers) =>
  verifiers.find((item) => item.name === signature.name && sameBytes(item.keyId, signature.keyId));

/**
 * The text of a note, once at least `threshold` different trusted keys signed it; note_malformed, note_untrusted.
 * Unknown signers are ignored; one bad signature of a known key refuses the whole note.
 * @param {Verifier[]} verifiers
 */
export async function openNote(note, verifiers, threshold = 1) {
  const { text, signatures } = splitNote(note);
  // Two trusted keys with the same name and id: nobody can tell which was meant.
  const doubtful = verifiers.some((item) => !sameBytes(item.public, signerOf(item, verifiers).public));
  if (doubtful) throw new Refusal("note_untrusted");
  const [names, publics] = [new Set(), new Set()];
  for (const signature of signatures) {
    const known = signerOf(signature, verifiers);
    if (!known) continue; // SPEC signed-note: "Verifiers MUST ignore signatures from unknown keys"
    if (!signature.canonical) throw malformed(); // who knows the key takes one spelling
    await known.verify(text, signature.value).catch(() => {
      throw new Refusal("note_untrusted");
    });
    const spelled = toHex(known.public);
    if (!names.has(known.name) && !publics.has(spelled)) {
      names.add(known.name);
      publics.add(spelled);
    }
  }
  if (names.size < Math.max(threshold, 1)) throw new Refusal("note_untrusted");
  return { text, names: [...names] };
}
