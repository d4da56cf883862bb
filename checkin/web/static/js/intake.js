// A queued scan on its way to the registry: sealed to the intake key of its day (docs/spec/intake.md).
//
// entry = day u32be ‖ HPKE(scan time u32be ‖ scan_id 16 ‖ token 309), 381 bytes. HPKE: RFC 9180 base mode,
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "../vendor/hpke/core/mod.js";
import { concat, fromHex, readUint, u32be } from "./encoding.js";
import { Refusal } from "./errors.js";
import { Label } from "./primitives.js";

const TOKEN_SIZE = 309;
const SCAN_ID_SIZE = 16;
const PLAIN_SIZE = 4 + SCAN_ID_SIZE + TOKEN_SIZE;
export const ENTRY_SIZE = 4 + 48 + PLAIN_SIZE;
const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

const infoOf = ({ venue, scanner }, day) => concat(Label.INTAKE, venue, scanner, u32be(day)).buffer;

/**
 * 381 bytes that only the registry can open, and only until it closes the day; TypeError for other sizes.
 * @param {{scannedAt: number, scanId: Uint8Array, token: Uint8Array}} scan token without the status
 * @param {{venue: Uint8Array, scanner: Uint8Array}} place 8 bytes each
 * @param {Uint8Array} intakeKey X25519, 32 bytes
 */
export async function sealEntry(scan, day, place, intakeKey) {
  // SPEC intake.md §2: "plain = scan time u32be ‖ scan_id 16 ‖ token 309"
  const plain = concat(u32be(scan.scannedAt), scan.scanId, scan.token);
  if (plain.length !== PLAIN_SIZE || scan.scanId.length !== SCAN_ID_SIZE) throw new TypeError("not a scan");
  const recipientPublicKey = await suite.kem.deserializePublicKey(intakeKey.slice().buffer);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: infoOf(place, day) });
  const sealed = await sender.seal(plain.buffer);
  return concat(u32be(day), new Uint8Array(sender.enc), new Uint8Array(sealed));
}

const KNOWN_KEY = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"; // RFC 7748 §6.1, Alice's

/** Whether this browser seals at all, found out by doing it once. */
export const canSeal = () => {
  const scan = { scannedAt: 0, scanId: new Uint8Array(SCAN_ID_SIZE), token: new Uint8Array(TOKEN_SIZE) };
  const place = { venue: new Uint8Array(8), scanner: new Uint8Array(8) };
  return sealEntry(scan, 0, place, fromHex(KNOWN_KEY)).then(
    () => true,
    () => false,
  );
};

/** Inverse of sealEntry with the registry's private key, 32 bytes; entry_unreadable. Only tests have such a key. */
export async function openEntry(entry, place, intakePrivate) {
  if (entry.length !== ENTRY_SIZE) throw new Refusal("entry_unreadable");
  let plain;
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(intakePrivate.slice().buffer);
    const info = infoOf(place, readUint(entry.subarray(0, 4)));
    const recipient = await suite.createRecipientContext({ recipientKey, enc: entry.slice(4, 36).buffer, info });
    plain = new Uint8Array(await recipient.open(entry.slice(36).buffer));
  } catch {
    throw new Refusal("entry_unreadable");
  }
  return { scannedAt: readUint(plain.subarray(0, 4)), scanId: plain.slice(4, 20), token: plain.slice(20) };
}
