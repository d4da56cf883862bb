// The log's last head that this browser verified. Without storage, every visit is the first.

import { fromHex, toHex } from "../encoding.js";

const NAME = "verified-log";

/** {vkey, size, root}, or null. */
export function read() {
  try {
    const { vkey, size, root } = JSON.parse(localStorage.getItem(NAME));
    return { vkey, size, root: fromHex(root) };
  } catch {
    return null;
  }
}

export function write({ vkey, size, root }) {
  try {
    localStorage.setItem(NAME, JSON.stringify({ vkey, size, root: toHex(root) }));
  } catch {
    // nothing is remembered then, which the next check says
  }
}

export function forget() {
  try {
    localStorage.removeItem(NAME);
  } catch {
    // there was nothing
  }
}
