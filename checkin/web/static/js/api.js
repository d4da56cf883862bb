// Requests to the service this page came from; problem documents (RFC 9457) become Refusals with their code.

import { object, readAnswer } from "./answer.js";
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
  let response;
  let content;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
    content = await response.text();
  } catch {
    throw new Refusal("unreachable");
  }
  if (digest && response.ok && base64urlEncode(await sha256(utf8(content))) !== digest) throw new Refusal("unreachable");
  return readAnswer(response.status, response.headers.get("content-type"), content, answer);
}
