// A credential: what an issuer gives a wallet for one door on one day (docs/spec/credential.md).

import { Shape, concat, readUint, toHex, u32be, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { Label, sameBytes, sha256, verify } from "./primitives.js";

export const SCREEN = 0;
export const PAPER = 1;
export const STATUS_LAST = 3; // 0 none, 1 vaccinated, 2 recovered, 3 tested
const DAY_FIRST = 256; // below, CBOR would write the day in fewer bytes

// array(6): day u16, mode, visit_id 16, holder_key 32, sealed_subject 72, commitment 16
const PAYLOAD = new Shape([0x86, 0x19], 2, 1, [0x50], 16, [0x58, 0x20], 32, [0x58, 0x48], 72, [0x50], 16);
// array(4): protected {1: -19, 4: kid}, unprotected {}, payload, signature
const HEAD = [0x84, 0x49, 0xa2, 0x01, 0x32, 0x04, 0x44];
const MESSAGE = new Shape(HEAD, 4, [0xa0, 0x58, 0x93], PAYLOAD.size, [0x58, 0x40], 64);
export const CREDENTIAL_SIZE = MESSAGE.size;

/** The fields, unverified; token_malformed unless the bytes are exactly of the shape. */
export function readCredential(encoded) {
  const [kid, payload, signature] = MESSAGE.read(encoded);
  const [day, mode, visitId, holderKey, sealedSubject, commitment] = PAYLOAD.read(payload);
  if (readUint(day) < DAY_FIRST || mode[0] > PAPER) throw new Refusal("token_malformed");
  return {
    kid,
    day: readUint(day),
    mode: mode[0],
    visitId,
    holderKey,
    sealedSubject,
    commitment,
    payload,
    signature,
    encoded,
  };
}

/** The 4 bytes by which a credential names its issuer's key. */
export const kidOf = async (issuer, key) => (await sha256(Label.KID, u32be(issuer), key)).slice(0, 4);

/**
 * bad_signature unless the key signed exactly these bytes.
 * @param {{issuer: number, public: Uint8Array}} key
 */
export async function verifyCredential(credential, key) {
  const { kid, payload, signature } = credential;
  // RFC 9052 §4.4: the CBOR array ["Signature1", protected, external_aad, payload]
  const signed = concat(
    [0x84, 0x6a],
    utf8("Signature1"),
    HEAD.slice(1),
    kid,
    [0x52],
    Label.CREDENTIAL,
    u32be(key.issuer),
    [0x58, 0x93],
    payload,
  );
  await verify(key.public, signed, signature);
}

/**
 * Keys by their kid in hex. A kid is a hint: anybody can grind a key with another issuer's, so each has a list.
 * @param {Iterable<{kid: string, issuer: number, public: Uint8Array}>} keys
 */
export function byKid(keys) {
  const found = new Map();
  for (const key of keys) found.set(key.kid, [...(found.get(key.kid) ?? []), key]);
  return found;
}

/** The key that signed exactly these bytes, of those with their kid; unknown_issuer_key, bad_signature if none did. */
export async function signerOf(credential, keys) {
  // SPEC credential.md §2: "MUST try every listed key of the credential's day that has its kid"
  const candidates = keys.get(toHex(credential.kid));
  if (!candidates) throw new Refusal("unknown_issuer_key");
  for (const key of candidates) {
    try {
      await verifyCredential(credential, key);
      return key;
    } catch (error) {
      if (error.code !== "bad_signature") throw error;
    }
  }
  throw new Refusal("bad_signature");
}

/** 16 bytes that bind a status and tell nothing about it. */
export const commitmentOf = async ({ status, salt }) => (await sha256(Label.STATUS, salt, [status])).slice(0, 16);

/** bad_status unless the opening is the one that was committed to. */
export async function verifyOpening(credential, opening) {
  if (!sameBytes(await commitmentOf(opening), credential.commitment)) throw new Refusal("bad_status");
}
