// Bytes ↔ text and fixed CBOR shapes; the same answers as checkin/protocol/encoding.py (docs/spec/encoding.md).
//
// Sources: RFC 9285 (base45), RFC 4648 (base64), RFC 8949 §4.2. Decoders accept only what the encoder makes.

import { Refusal } from "./errors.js";

const BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const BASE45_VALUE = new Map([...BASE45].map((char, value) => [char, value]));

/** @returns {Uint8Array} all parts joined */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const utf8 = (text) => new TextEncoder().encode(text);

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @throws {TypeError} for anything but pairs of lower-case digits */
export function fromHex(text) {
  if (text.length % 2 || /[^0-9a-f]/.test(text)) throw new TypeError("not hexadecimal");
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

export function u32be(value) {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

export const readUint = (bytes) => bytes.reduce((value, byte) => value * 256 + byte, 0);

/** RFC 9285: two bytes become three characters, a last single byte becomes two. */
export function base45Encode(bytes) {
  let text = "";
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    const n = bytes[i] * 256 + bytes[i + 1];
    text += BASE45[n % 45] + BASE45[Math.floor(n / 45) % 45] + BASE45[Math.floor(n / 2025)];
  }
  if (bytes.length % 2) {
    const last = bytes[bytes.length - 1];
    text += BASE45[last % 45] + BASE45[Math.floor(last / 45)];
  }
  return text;
}

/** Inverse of base45Encode; token_malformed for any text that it could not have made. */
export function base45Decode(text) {
  const digits = Array.from(text, (char) => BASE45_VALUE.get(char));
  if (digits.includes(undefined) || digits.length % 3 === 1) throw new Refusal("token_malformed");
  const out = [];
  for (let i = 0; i + 1 < digits.length; i += 3) {
    const whole = i + 2 < digits.length;
    const number = digits[i] + 45 * digits[i + 1] + (whole ? 2025 * digits[i + 2] : 0);
    if (number > (whole ? 0xffff : 0xff)) throw new Refusal("token_malformed");
    if (whole) out.push(number >> 8);
    out.push(number & 0xff);
  }
  return Uint8Array.from(out);
}

/** Standard base64 with padding, as in signed notes. */
export function base64Encode(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Inverse of base64Encode; TypeError for anything it could not have made, or another size. `loose`: but for bits after the
 * last byte, which some writers leave as they are.
 */
export function base64Decode(text, size = undefined, loose = false) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    throw new TypeError("not base64");
  }
  const strict = base64Encode(bytes);
  const same = loose ? strict.length === text.length && strict.slice(0, -3) === text.slice(0, -3) : strict === text;
  if (!same || (size !== undefined && bytes.length !== size)) throw new TypeError("not base64");
  return bytes;
}

/** base64url without padding, as all binary values in JSON. */
export const base64urlEncode = (bytes) =>
  base64Encode(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** Inverse of base64urlEncode; TypeError for padding, other alphabets, loose last bits or another size. */
export function base64urlDecode(text, size = undefined) {
  if (/[^A-Za-z0-9_-]/.test(text)) throw new TypeError("not base64url");
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return base64Decode(standard + "=".repeat((4 - (standard.length % 4)) % 4), size);
}

/** A non-negative decimal as the encoder writes it; a BigInt, because 2⁶³-1 is allowed. TypeError otherwise. */
export function decimalDecode(text, maximum = 2n ** 63n - 1n) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > BigInt(maximum)) throw new TypeError("not a decimal");
  return BigInt(text);
}

/** A fixed byte shape: literal bytes and holes of fixed size, the only CBOR this protocol reads. */
export class Shape {
  /** @param {...(number[]|number)} parts an array is literal bytes, a number a hole of that many bytes */
  constructor(...parts) {
    this.parts = parts;
    this.size = parts.reduce((size, part) => size + (typeof part === "number" ? part : part.length), 0);
  }

  /** The bytes with `values` in the holes, in order; TypeError where a value has another size. */
  fill(values) {
    const holes = this.parts.filter((part) => typeof part === "number");
    if (holes.length !== values.length || holes.some((size, i) => size !== values[i].length)) {
      throw new TypeError("a value does not fit its hole");
    }
    const rest = values[Symbol.iterator]();
    return concat(...this.parts.map((part) => (typeof part === "number" ? rest.next().value : part)));
  }

  /** The holes' bytes, in order; token_malformed unless length and every literal byte match. */
  read(bytes) {
    if (bytes.length !== this.size) throw new Refusal("token_malformed");
    const holes = [];
    let at = 0;
    for (const part of this.parts) {
      const end = at + (typeof part === "number" ? part : part.length);
      if (typeof part === "number") holes.push(bytes.slice(at, end));
      else if (part.some((byte, i) => bytes[at + i] !== byte)) throw new Refusal("token_malformed");
      at = end;
    }
    return holes;
  }
}
