// Requests to the service this page came from; problem documents (RFC 9457) become Refusals with their code.

import { object, readAnswer, readFile } from "./answer.js";
import { base64urlEncode, utf8 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { sha256 } from "./primitives.js";

const PATIENCE_MS = 10_000;

/**
 * The answer's JSON, which `answer` fits; null where that is `nothing` (both of answer.js). Throws Refusal: the service's
 * own code with its `status`, or `unreachable` for whatever is no answer of the service.
 * @param {string} token bearer token, or "" for none
 * @param {(value: unknown) => boolean} answer what the interface says of the content; by default any JSON object
 * @param {string} digest SHA-256 of the content, base64url; "" where any content will do
 */
export async function request(method, path, options = {}) {
  const { token = "", body, patience = PATIENCE_MS, answer = object(), digest = "" } = options;
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const sent = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const { status, kind, content } = await received(path, sent, patience, (response) => response.text());
  const other = digest && status < 300 && base64urlEncode(await sha256(utf8(content))) !== digest;
  if (other) throw new Refusal("unreachable");
  return readAnswer(status, kind, content, answer);
}

/** The bytes of a file of the service, never out of a cache; null where it has none. Throws as `request`. */
export async function file(path, { patience = PATIENCE_MS } = {}) {
  const { status, kind, content } = await received(path, {}, patience, (response) => response.arrayBuffer());
  try {
    return readFile(status, kind, new Uint8Array(content));
  } catch (error) {
    if (error.code === "not_found") return null;
    throw error;
  }
}

async function received(path, sent, patience, read) {
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(path, { ...sent, signal, credentials: "omit", cache: "no-store", redirect: "error" });
    return { status: response.status, kind: response.headers.get("content-type"), content: await read(response) };
  } catch {
    throw new Refusal("unreachable", path);
  }
}
