// Requests to the service this page came from; problem documents (RFC 9457) become Refusals with their code.

import { Refusal } from "./errors.js";

const PATIENCE_MS = 10_000;

/**
 * The answer's JSON. Throws Refusal: the service's own code, or `unreachable` without an answer.
 * @param {string} token bearer token, or "" for none
 */
export async function request(method, path, { token = "", body = undefined, patience = PATIENCE_MS } = {}) {
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  let content;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
    content = await answer.text();
  } catch {
    throw new Refusal("unreachable");
  }
  const read = parse(content);
  if (answer.ok) return read;
  const problem = new Refusal(read?.code ?? "service_error", read?.detail);
  problem.status = answer.status;
  problem.sameVenue = read?.same_venue;
  throw problem;
}

function parse(content) {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}
