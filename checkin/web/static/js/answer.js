// What a service answers: an answer is what the interface says, or it is none. A Wi-Fi's login page, a proxy's error
// and whatever else comes in between are not the service's words. The same rules as checkin/http/client.py, one
// file of vectors for both (tests/vectors/answers.json).

import { Refusal } from "./errors.js";

const PROBLEM = "urn:checkin:problem:";
const CODE = /^[a-z][a-z0-9_]{1,63}$/;
const WITH_CONTENT = [200, 201, 202];

// What a value must be, as functions that say whether it is. Members that a later version adds are let through.
export const text = (value) => typeof value === "string";
export const number = (value) => typeof value === "number";
export const flag = (value) => typeof value === "boolean";
export const oneOf = (...words) => (value) => words.includes(value);
export const optional = (fits) => (value) => value === undefined || value === null || fits(value);
export const listOf = (fits) => (value) => Array.isArray(value) && value.every(fits);
export const object =
  (members = {}) =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(members).every(([name, fits]) => fits(value[name]));
/** Of a request whose answer has no content: 204, and nothing else. */
export const nothing = () => false;

/**
 * The content of an answer that `fits`; null for `nothing`. Throws the Refusal that a problem document (RFC 9457) of
 * the service stands for, with its `status`; `unreachable` for everything else.
 * @param {number} status
 * @param {string|null} kind the Content-Type
 * @param {string} content
 * @param {(value: unknown) => boolean} fits
 */
export function readAnswer(status, kind, content, fits = object()) {
  if (fits === nothing && status === 204 && content === "") return null;
  const media = (kind ?? "").split(";")[0].trim().toLowerCase();
  const read = parse(content);
  if (WITH_CONTENT.includes(status) && media === "application/json" && fits !== nothing && fits(read)) return read;
  if (status >= 400 && media === "application/problem+json" && isProblem(read, status)) {
    const refusal = new Refusal(read.code, text(read.detail) ? read.detail : read.code);
    throw Object.assign(refusal, { status, sameVenue: read.same_venue === true });
  }
  throw new Refusal("unreachable");
}

/** The bytes of a file, whatever their type, but a page is none; throws as `readAnswer`. */
export function readFile(status, kind, bytes) {
  const media = (kind ?? "").split(";")[0].trim().toLowerCase();
  if (status === 200 && media !== "text/html") return bytes;
  return readAnswer(status, kind, new TextDecoder().decode(bytes), () => false);
}

function isProblem(read, status) {
  return object({ code: text })(read) && CODE.test(read.code) && read.type === PROBLEM + read.code && read.status === status;
}

function parse(content) {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
