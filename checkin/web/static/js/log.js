// A log read by its signed head and its static files (c2sp.org/tlog-checkpoint, c2sp.org/tlog-tiles); the same rules as
// checkin/tlog/checkpoint.py and tiles.py. Nothing out of a tile is believed before it led to the head's root.

import { base64Decode, decimalDecode, readUint, toHex } from "./encoding.js";
import { Refusal } from "./errors.js";
import {
  HASH_SIZE,
  completeRanges,
  consistencyRanges,
  inclusionRanges,
  leafHash,
  nodeHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "./merkle.js";
import { openNote } from "./note.js";
import { sameBytes } from "./primitives.js";

const WIDTH = 256;
const MAX_SIZE = 2n ** 48n; // sizes stay exact in a browser's numbers
const ENTRIES = "entries";

const invalid = (detail) => new Refusal("proof_invalid", detail);

/**
 * {size, root} of the head that `log`, the log's own key, signed and at least `quorum` different witnesses cosigned: one
 * when there are witnesses and nothing is said, none when there are none. note_malformed, note_untrusted.
 * @param {import("./note.js").Verifier} log
 * @param {import("./note.js").Verifier[]} witnesses
 */
export async function openCheckpoint(note, log, witnesses = [], quorum = null) {
  const { text } = await openNote(note, [log]);
  const { origin, ...head } = readCheckpoint(text);
  // A pinned log key signs for its own log only, or one log could pass for another.
  if (origin !== log.name) throw new Refusal("note_untrusted");
  const needed = quorum ?? Math.min(1, witnesses.length);
  if (needed > 0) await openNote(note, witnesses, needed);
  return head;
}

function readCheckpoint(text) {
  const [origin, ...lines] = text.slice(0, -1).split("\n");
  try {
    if (!origin || lines.length < 2 || lines.includes("")) throw new TypeError("not a checkpoint");
    return { origin, size: Number(decimalDecode(lines[0], MAX_SIZE)), root: base64Decode(lines[1], HASH_SIZE) };
  } catch {
    throw new Refusal("note_malformed");
  }
}

/** `tile/0/x001/067`, with `.p/<width>` when it is not full. */
export function tilePath(level, number, width = WIDTH) {
  const groups = [String(number % 1000).padStart(3, "0")];
  for (let rest = Math.floor(number / 1000); rest; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  }
  return `tile/${level}/${groups.join("/")}${width === WIDTH ? "" : `.p/${width}`}`;
}

/** 1 to 256 entries, each behind its length in two bytes; proof_invalid for a bundle that is cut off. */
export function readBundle(bytes) {
  const entries = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + readUint(bytes.subarray(at, at + 2));
    if (at + 2 > bytes.length || end > bytes.length) throw invalid("an entry bundle is cut off");
    entries.push(bytes.slice(at + 2, end));
    at = end;
  }
  return entries;
}

function splitTile(bytes) {
  if (bytes.length % HASH_SIZE) throw invalid("a tile is cut off");
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) => bytes.slice(i * HASH_SIZE, (i + 1) * HASH_SIZE));
}

/** The files of a log as they are under one head. */
export class Log {
  #files = new Map();

  /**
   * @param {{size: number, root: Uint8Array}} head opened by the caller
   * @param {(path: string) => Promise<Uint8Array|null>} read a file of the log; null where there is none
   */
  constructor(head, read) {
    this.size = head.size;
    this.root = head.root;
    this.read = read;
  }

  /** The root over all entries, computed from the tiles: 32 bytes, which the caller compares. */
  computeRoot() {
    return this.size ? this.subtree(0, this.size) : rootOf([]);
  }

  /** The bytes of an entry, which is at `index` under the head's root; proof_invalid otherwise. */
  async entry(index) {
    const ranges = inclusionRanges(index, this.size);
    const entry = (await this.#file(ENTRIES, 1, Math.floor(index / WIDTH), readBundle))[index % WIDTH];
    await verifyInclusion(await leafHash(entry), index, this.size, await this.#hashes(ranges), this.root);
    return entry;
  }

  /** proof_invalid unless the log begins with the `size` entries whose root is `root`. */
  async requireContinues({ size, root }) {
    if (size > this.size) throw invalid("a log does not shrink");
    const proof = size === this.size ? [] : await this.#hashes(consistencyRanges(size, this.size));
    await verifyConsistency(size, root, this.size, this.root, proof);
  }

  /** The hash over the entries [low, high), which must be a subtree of the log. */
  async subtree(low, high) {
    const hashes = [];
    for (const [at, count] of completeRanges(low, high)) hashes.push(await this.#complete(at, count));
    let top = hashes.pop();
    while (hashes.length) top = await nodeHash(hashes.pop(), top);
    return top;
  }

  async #hashes(ranges) {
    const hashes = [];
    for (const [low, high] of ranges) hashes.push(await this.subtree(low, high));
    return hashes;
  }

  /** A complete subtree: hashes of the highest level whose tiles are fine enough. */
  async #complete(at, count) {
    let [level, span] = [0, 1];
    while (span * WIDTH <= count) {
      level += 1;
      span *= WIDTH;
    }
    const position = at / span;
    const hashes = await this.#file(level, span, Math.floor(position / WIDTH), splitTile);
    return rootOf(hashes.slice(position % WIDTH, (position % WIDTH) + count / span));
  }

  /** The hashes or entries of a file, as many as this size has: cut from the full one if the partial one is gone. */
  async #file(level, span, number, split) {
    const width = Math.min(WIDTH, Math.floor(this.size / span) - number * WIDTH);
    const path = tilePath(level, number, width);
    if (!this.#files.has(path)) this.#files.set(path, this.#fetch(path, tilePath(level, number), width, split));
    return this.#files.get(path);
  }

  async #fetch(path, full, width, split) {
    const partial = await this.read(path);
    const parts = split(partial ?? (path === full ? null : await this.read(full)) ?? new Uint8Array());
    if (partial ? parts.length !== width : parts.length < width) throw invalid(`${path} is not what its name says`);
    return parts.slice(0, width);
  }
}

/** proof_invalid unless the root computed from the tiles is the head's; that root. */
export async function requireRoot(log) {
  const computed = await log.computeRoot();
  if (!sameBytes(computed, log.root)) throw invalid(`${toHex(computed)} ≠ ${toHex(log.root)}`);
  return computed;
}
