// Which 32 bytes are a key at all: points of edwards25519 and of curve25519 (RFC 8032 §5.1, RFC 7748 §5).
//
// Only public keys pass here, so nothing has to run in constant time. Signatures and key exchanges are WebCrypto's;
// it accepts points of small order and other spellings of a point, which the registry's libsodium refuses, so both
// implementations refuse them by name (docs/spec/encoding.md §4).

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const SIGN = 1n << 255n;
const mod = (value) => ((value % P) + P) % P;

function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base), bits = exponent; bits; bits >>= 1n, square = (square * square) % P) {
    if (bits & 1n) result = (result * square) % P;
  }
  return result;
}

const D = mod(-121665n * power(121666n, P - 2n));
const ROOT = power(2n, (P - 1n) / 4n); // a square root of -1
// y of the points of order 8, then 0, 1 and -1; with both signs of x, and as the other spellings of 0 and 1.
const ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL_Y = new Set([ORDER_8, P - ORDER_8, 0n, 1n, P - 1n, P, P + 1n]);
const SMALL_U = new Set([
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
]);

export const littleEndian = (bytes) => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** Whether 32 bytes spell an Ed25519 point of small order, canonically or not. */
export const isSmallOrder = (bytes) => SMALL_Y.has(littleEndian(bytes) & (SIGN - 1n));

/** Whether y is below p: the one spelling of an Ed25519 point. */
export const isCanonical = (bytes) => (littleEndian(bytes) & (SIGN - 1n)) < P;

/** Whether 32 bytes are a number below the order of the group, as S in a signature must be (RFC 8032 §5.1.7). */
export const isReduced = (bytes) => littleEndian(bytes) < L;

/** Whether 32 bytes are a canonical point of the prime-order group other than 0, as every key that is taken must be. */
export function isSigningKey(bytes) {
  if (bytes.length !== 32 || !isCanonical(bytes) || isSmallOrder(bytes)) return false;
  const point = decompress(littleEndian(bytes));
  return point !== null && isZero(multiply(point, L));
}

/** Whether 32 bytes are a canonical X25519 key (u < p) that is not of small order. */
export function isSealingKey(bytes) {
  const u = littleEndian(bytes);
  return bytes.length === 32 && u < P && !SMALL_U.has(u);
}

/** The point (X : Y : Z : T) of RFC 8032 §5.1.3, or null where there is none. */
function decompress(encoded) {
  const y = encoded & (SIGN - 1n);
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) === mod(-u)) x = mod(x * ROOT);
  if (mod(v * x * x) !== u) return null;
  const odd = encoded & SIGN ? 1n : 0n;
  if (x === 0n && odd) return null;
  if ((x & 1n) !== odd) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

/** RFC 8032 §5.1.4, complete for every pair of points. */
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * t2 * D);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function multiply(point, scalar) {
  let result = [0n, 1n, 1n, 0n];
  for (let double = point, bits = scalar; bits; bits >>= 1n, double = add(double, double)) {
    if (bits & 1n) result = add(result, double);
  }
  return result;
}

const isZero = ([x, y, z]) => x === 0n && y === z;
