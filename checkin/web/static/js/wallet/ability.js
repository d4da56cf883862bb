// Whether this browser can be a wallet, found out by doing all of it once, before anybody registers: make a key, keep it,
// read it back, sign and verify. Some browsers make keys and cannot keep them.

import { newSigningKey, randomBytes, sign, verify } from "../primitives.js";

const TRIAL = "trial";

/** "" when all of it works; else what does not: `insecure`, `keys` or `keeping`. */
export async function missing(account) {
  if (!globalThis.crypto?.subtle) return "insecure";
  let made;
  try {
    made = await newSigningKey();
  } catch {
    return "keys";
  }
  try {
    await account.set(TRIAL, made.key);
    const kept = await account.get(TRIAL);
    await account.delete(TRIAL);
    const message = randomBytes(32);
    await verify(made.public, message, await sign(kept, message));
    return "";
  } catch {
    return "keeping";
  }
}
