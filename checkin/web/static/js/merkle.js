// Merkle trees of RFC 6962: roots, inclusion and consistency, with the same answers as checkin/tlog/merkle.py.
//
// Hashes are 32 bytes of SHA-256. A subtree is named by its range of leaves [low, high); sizes are whole numbers below
// 2⁵³, so nothing here uses the bit operators, which know 32 bits only.

import { Refusal } from "./errors.js";
import { sameBytes, sha256 } from "./primitives.js";

export const HASH_SIZE = 32;
export const MAX_PROOF = 64;

const invalid = (detail) => new Refusal("proof_invalid", detail);

/** SHA-256(0x00 ‖ entry). */
export const leafHash = (entry) => sha256([0x00], entry);

/** SHA-256(0x01 ‖ left ‖ right). */
export const nodeHash = (left, right) => sha256([0x01], left, right);

/** The largest power of two that is at most `count` (1 or more). */
export function powerWithin(count) {
  let power = 1;
  while (power * 2 <= count) power *= 2;
  return power;
}

/** The largest power of two below `size` (2 or more): how many leaves the left half has. */
const splitSize = (size) => powerWithin(size - 1);

/** The root over these leaf hashes; SHA-256 of nothing when there are none. */
export async function rootOf(hashes) {
  if (!hashes.length) return sha256();
  if (hashes.length === 1) return hashes[0];
  const middle = splitSize(hashes.length);
  return nodeHash(await rootOf(hashes.slice(0, middle)), await rootOf(hashes.slice(middle)));
}

/** The complete subtrees that make up [low, high), largest first: [where each begins, how many leaves it has]. */
export function completeRanges(low, high) {
  const ranges = [];
  for (let at = low; at < high; ) {
    const count = powerWithin(high - at);
    ranges.push([at, count]);
    at += count;
  }
  return ranges;
}

/** The path from the whole tree down to where `done` says so; `goesLeft` chooses; siblings, the lowest first. */
function pathDown(size, goesLeft, done) {
  const path = [];
  let [low, high] = [0, size];
  while (!done(low, high)) {
    const middle = low + splitSize(high - low);
    if (goesLeft(middle)) {
      path.push([middle, high]);
      high = middle;
    } else {
      path.push([low, middle]);
      low = middle;
    }
  }
  return { path: path.reverse(), low, high };
}

/** The subtrees whose hashes are the inclusion proof, from the leaf's sibling up; proof_invalid outside the tree. */
export function inclusionRanges(index, size) {
  if (!(index >= 0 && index < size)) throw invalid("no such leaf");
  return pathDown(size, (middle) => index < middle, (low, high) => high - low === 1).path;
}

/** The subtrees whose hashes are the consistency proof; proof_invalid when `old` is larger. */
export function consistencyRanges(old, size) {
  if (!(old >= 0 && old <= size)) throw invalid("a log does not shrink");
  if (old === 0) return [];
  const { path, low, high } = pathDown(size, (middle) => old <= middle, (_, end) => end === old);
  return low ? [[low, high], ...path] : path;
}

function checkHashes(...hashes) {
  if (hashes.length > MAX_PROOF + 2 || hashes.some((hash) => hash.length !== HASH_SIZE)) throw invalid("not hashes");
}

/** proof_invalid unless the leaf with hash `leaf` is at `index` under the root `expected` of `size` leaves. */
export async function verifyInclusion(leaf, index, size, proof, expected) {
  checkHashes(leaf, expected, ...proof);
  const ranges = inclusionRanges(index, size);
  if (ranges.length !== proof.length) throw invalid("another number of hashes");
  let hash = leaf;
  for (const [i, [low]] of ranges.entries()) {
    hash = low < index ? await nodeHash(proof[i], hash) : await nodeHash(hash, proof[i]);
  }
  if (!sameBytes(hash, expected)) throw invalid("not in the log at this place");
}

/** proof_invalid unless the tree of `size` leaves with root `expected` begins with that of `old` leaves. */
export async function verifyConsistency(old, oldRoot, size, expected, proof) {
  checkHashes(oldRoot, expected, ...proof);
  const ranges = consistencyRanges(old, size);
  if (old === 0 || old === size) {
    const root = old ? expected : await sha256();
    if (proof.length || !sameBytes(oldRoot, root)) throw invalid("another root of the same size");
    return;
  }
  if (ranges.length !== proof.length) throw invalid("another number of hashes");
  const [before, after] = await replay(old, oldRoot, ranges, proof);
  if (!sameBytes(before, oldRoot) || !sameBytes(after, expected)) throw invalid("the log was rewritten");
}

/** The roots of the old and of the new tree that the proof leads to. */
async function replay(old, oldRoot, ranges, proof) {
  // Where the old tree is a complete subtree of the new one, the path starts at its root, which is not sent.
  const whole = powerWithin(old) === old;
  let [before, after] = whole ? [oldRoot, oldRoot] : [proof[0], proof[0]];
  for (let i = whole ? 0 : 1; i < proof.length; i += 1) {
    if (ranges[i][1] <= old) {
      before = await nodeHash(proof[i], before);
      after = await nodeHash(proof[i], after);
    } else {
      after = await nodeHash(after, proof[i]);
    }
  }
  return [before, after];
}
