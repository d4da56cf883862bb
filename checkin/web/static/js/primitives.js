// The pages' one door to cryptography: WebCrypto's Ed25519, SHA-256 and randomness (docs/spec/encoding.md §4).

import { isCanonical, isReduced, isSmallOrder } from "./curve.js";
import { concat, fromHex, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";

const subtle = globalThis.crypto.subtle; // undefined on a page that came over plain HTTP
const ALGORITHM = { name: "Ed25519" };

/** Every context of the protocol that a page hashes, signs or seals in; all distinct (checkin/protocol/primitives.py). */
export const Label = Object.freeze({
  STATUS: utf8("ck1/status"),
  CREDENTIAL: utf8("ck1/credential"),
  PRESENTATION: utf8("ck1/presentation"),
  KID: utf8("ck1/kid"),
  INTAKE: utf8("ck1/intake"),
});

export const randomBytes = (size) => globalThis.crypto.getRandomValues(new Uint8Array(size));

/** A whole number from 0 to below `limit` (at most 2³²). */
export const randomBelow = (limit) => Math.floor((new DataView(randomBytes(4).buffer).getUint32(0) / 2 ** 32) * limit);

/** SHA-256 over the joined parts. */
export async function sha256(...parts) {
  return new Uint8Array(await subtle.digest("SHA-256", concat(...parts)));
}

export const sameBytes = (one, other) => one.length === other.length && one.every((byte, i) => byte === other[i]);

/**
 * An Ed25519 key pair whose private half cannot leave the browser: {key: CryptoKey, public: 32 bytes}. Tried again, because
 * one browser in use (WebKitGTK) fails to make about one key in a hundred.
 */
export async function newSigningKey(tries = 4) {
  try {
    const pair = await subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
    return { key: pair.privateKey, public: new Uint8Array(await subtle.exportKey("raw", pair.publicKey)) };
  } catch (error) {
    if (tries <= 1) throw error;
    return newSigningKey(tries - 1);
  }
}

/** The private key of a 32-byte seed; only vectors need it. RFC 8410 §7 is the wrapping that WebCrypto takes. */
export async function signingKeyOf(seed) {
  const pkcs8 = concat([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20], seed);
  return subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
}

/** 64 bytes, RFC 8032 §5.1.6. */
export const sign = async (key, message) => new Uint8Array(await subtle.sign(ALGORITHM, key, message));

/** Ed25519, cofactorless, S < L, no point of small order as key or as R; bad_signature otherwise. */
export async function verify(publicKey, message, signature) {
  const refused = new Refusal("bad_signature");
  if (publicKey.length !== 32 || signature.length !== 64) throw refused;
  if (isSmallOrder(publicKey) || isSmallOrder(signature.subarray(0, 32)) || !isCanonical(publicKey)) throw refused;
  // SPEC encoding.md §4: "S < L, read little-endian; otherwise `bad_signature`."
  if (!isReduced(signature.subarray(32))) throw refused; // WebKitGTK's libgcrypt takes S + L, too
  let genuine = false;
  try {
    const key = await subtle.importKey("raw", publicKey, ALGORITHM, false, ["verify"]);
    genuine = await subtle.verify(ALGORITHM, key, signature, message);
  } catch {
    throw refused;
  }
  if (!genuine) throw refused;
}

// RFC 8032 §7.1, test 1: over the empty message.
const KNOWN_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const KNOWN_SIGNATURE =
  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

/** Whether this browser verifies at all: one that cannot must not call anybody's signature wrong. */
export const canVerify = () =>
  verify(fromHex(KNOWN_KEY), new Uint8Array(), fromHex(KNOWN_SIGNATURE)).then(
    () => true,
    () => false,
  );
