// A presentation = the QR token: a credential signed by its holder a moment ago (docs/spec/presentation.md).
//
// The checks at the door, in the protocol's order: cheapest first, each failure with its own code, each final.

import { CREDENTIAL_SIZE, PAPER, STATUS_LAST, readCredential, signerOf, verifyOpening } from "./credential.js";
import { Shape, base45Decode, base45Encode, concat, readUint, u32be, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { Label, sign, verify } from "./primitives.js";

export const PREFIX = "CK1:";
export const RENEW_SECONDS = 15;
const MAX_SIZE = 512; // bytes of a token; nothing longer is looked at
const EARLY_SECONDS = 5;
const LIFE_SECONDS = 20;
const PAPER_GRACE_SECONDS = 65;
const IAT_FIRST = 0x10000; // below, CBOR would write iat in fewer bytes

const PROTECTED = [0xa1, 0x01, 0x32]; // {1: -19}
const PAYLOAD = new Shape([0x82, 0x1a], 4, [0x58, 0xe3], CREDENTIAL_SIZE);
const TAIL = [[0x58, 0xeb], PAYLOAD.size, [0x58, 0x40], 64];
const PLAIN = new Shape([0x84, 0x43, ...PROTECTED, 0xa0], ...TAIL);
// {-70001: [status, salt]}
const SHOWN_HEAD = [0x84, 0x43, ...PROTECTED, 0xa1, 0x3a, 0x00, 0x01, 0x11, 0x70, 0x82];
const SHOWN = new Shape(SHOWN_HEAD, 1, [0x50], 16, ...TAIL);

/**
 * A token of 309 bytes, or 333 with the status shown.
 * @param {Uint8Array} credential 227 bytes
 * @param {CryptoKey} holder its private key
 * @param {number} iat whole unix seconds; on paper the day's local start
 * @param {{status: number, salt: Uint8Array}|null} opening
 */
export async function present(credential, holder, iat, opening = null) {
  const payload = PAYLOAD.fill([u32be(iat), credential]);
  const signature = await sign(holder, toBeSigned(payload));
  if (opening === null) return PLAIN.fill([payload, signature]);
  return SHOWN.fill([Uint8Array.of(opening.status), opening.salt, payload, signature]);
}

/** The QR text, 468 characters of QR's alphanumeric set (504 with the status). */
export const toText = (token) => PREFIX + base45Encode(token);

/** The token's bytes; token_malformed for another prefix, over 512 bytes, or loose base45. */
export function fromText(text) {
  if (!text.startsWith(PREFIX) || text.length > PREFIX.length + (MAX_SIZE * 3) / 2) throw new Refusal("token_malformed");
  return base45Decode(text.slice(PREFIX.length));
}

/** The fields, unverified; token_malformed unless the bytes are exactly of one of the two shapes. */
export function readToken(token) {
  let [status, salt, payload, signature] = [null, null];
  if (token.length === SHOWN.size) [status, salt, payload, signature] = SHOWN.read(token);
  else [payload, signature] = PLAIN.read(token);
  const [iat, credential] = PAYLOAD.read(payload);
  if ((status && status[0] > STATUS_LAST) || readUint(iat) < IAT_FIRST) throw new Refusal("token_malformed");
  return {
    iat: readUint(iat),
    credential: readCredential(credential),
    opening: status && { status: status[0], salt },
    payload,
    signature,
    // without the status, as it may be queued and uploaded
    encoded: PLAIN.fill([payload, signature]),
  };
}

/** First and last unix second at which the token may be scanned; on paper, until its day ends and 65 s more. */
export function windowOf({ iat, credential }, calendar) {
  if (credential.mode !== PAPER) return [iat - EARLY_SECONDS, iat + LIFE_SECONDS];
  return [calendar.start(credential.day) - EARLY_SECONDS, calendar.start(credential.day + 1) + PAPER_GRACE_SECONDS];
}

function rejectOutsideWindow(read, now, calendar) {
  const [first, last] = windowOf(read, calendar);
  // SPEC presentation.md §3: "Both ends of a window belong to it."
  if (now < first) throw new Refusal("token_not_yet_valid");
  if (now > last) throw new Refusal("token_expired");
}

function rejectOtherDay({ iat, credential }, calendar) {
  const other = calendar.day(iat) !== credential.day;
  if (other || (credential.mode === PAPER && iat !== calendar.start(credential.day))) throw new Refusal("wrong_day");
}

async function rejectUnsigned({ credential, payload, signature }, keys) {
  await signerOf(credential, keys);
  await verify(credential.holderKey, toBeSigned(payload), signature);
}

// SPEC presentation.md §3: "a status that is shown opens the commitment"
async function rejectStatus({ credential, opening }, rule) {
  if (opening) await verifyOpening(credential, opening);
  if (rule.length && !(opening && rule.includes(opening.status))) throw new Refusal("status_required");
}

/**
 * Everything a door checks but a second use, in order; the verified fields, or the Refusal of the first check.
 * @param {(day: number) => Map<string, {issuer: number, public: Uint8Array}[]>} keysOfDay by kid in hex
 * @param {number[]} rule statuses of which one must be shown; none: no rule
 */
export async function verifyText(text, now, calendar, keysOfDay, rule = []) {
  // SPEC presentation.md §3: "the first that fails is the answer, and it is final"
  const read = readToken(fromText(text));
  rejectOutsideWindow(read, now, calendar);
  rejectOtherDay(read, calendar);
  await rejectUnsigned(read, await keysOfDay(read.credential.day));
  await rejectStatus(read, rule);
  return read;
}

/** RFC 9052 §4.4: the CBOR array ["Signature1", protected, external_aad, payload]. */
function toBeSigned(payload) {
  return concat(
    [0x84, 0x6a],
    utf8("Signature1"),
    [0x43, ...PROTECTED, 0x50],
    Label.PRESENTATION,
    [0x58, 0xeb],
    payload,
  );
}
