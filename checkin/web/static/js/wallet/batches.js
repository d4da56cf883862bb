// Batches of credentials: asked for, checked, kept; the next one in the background (docs/spec/credential.md §4).
//
// When a batch is asked for should tell the issuer nothing about when somebody goes out: tomorrow's is asked for at a
// random moment of today, another one of today at a random number of codes left.

import { listOf, number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { SCREEN, readCredential, verifyCredential, verifyOpening } from "../credential.js";
import { base64urlDecode, base64urlEncode, toHex } from "../encoding.js";
import { Refusal } from "../errors.js";
import { readIssuerList } from "../keylist.js";
import { openNote, parseVkey } from "../note.js";
import { PinnedLog } from "../pinnedlog.js";
import { newSigningKey, randomBelow, randomBytes, sameBytes } from "../primitives.js";

const SIZE = 10;
const BATCH = object({
  credentials: (value) => listOf(text)(value) && value.length === SIZE,
  status_openings: (value) => listOf(object({ status: number, salt: text }))(value) && value.length === SIZE,
  disclosures: optional(listOf(object())),
});
const KEYS = object({ list: text, proof: optional(text), log: optional(object()) });

/**
 * One more batch, kept in the account; its credentials. Refusal: what the issuer answers, or the first bad
 * credential's.
 */
export async function fetchBatch(account, day, mode = SCREEN) {
  const pairs = await Promise.all(Array.from({ length: SIZE }, newSigningKey));
  const listed = await listedKey(account, day);
  const body = { day, mode, holder_keys: pairs.map((pair) => base64urlEncode(pair.public)) };
  const answer = await request("POST", "/v1/credentials", { token: account.token, body, answer: BATCH });
  const batch = pairs.map((pair, i) => ({
    key: pair.key,
    public: pair.public,
    encoded: base64urlDecode(answer.credentials[i]),
    opening: {
      status: answer.status_openings[i].status,
      salt: base64urlDecode(answer.status_openings[i].salt, 16),
    },
  }));
  const checked = [];
  for (const item of batch) checked.push(await check(item, day, mode, listed));
  // What is printed is kept nowhere but on the paper.
  await account.take(mode === SCREEN ? checked : [], answer.disclosures ?? []);
  return checked;
}

/**
 * {issuer, public, kid} from the issuer's signed list, under the verifier key pinned at registration; once a log is
 * pinned, too, only a list that is in it. So the issuer cannot give this wallet a key of its own, to know it by.
 */
async function listedKey(account, day) {
  const { list, proof, log: told } = await request("GET", "/v1/keys", { answer: KEYS });
  const log = await PinnedLog.of(await account.get("log"), told);
  await log?.require(list, proof);
  const { text } = await openNote(list, [await parseVkey(await account.get("vkey"))]);
  const { issuer, keys } = await readIssuerList(text);
  if (log) await account.set("log", log.plain);
  if (!keys.has(day)) throw new Refusal("key_missing");
  return { issuer, ...keys.get(day) };
}

/** The issuer's signature, a key that is published, this wallet's own holder key, and the opening. */
async function check({ key, public: holder, encoded, opening }, day, mode, listed) {
  const credential = readCredential(encoded);
  if (toHex(credential.kid) !== listed.kid) throw new Refusal("unknown_issuer_key");
  await verifyCredential(credential, listed);
  await verifyOpening(credential, opening);
  if (credential.day !== day || credential.mode !== mode || !sameBytes(credential.holderKey, holder)) {
    throw new Refusal("service_error");
  }
  return { key, encoded, opening, day, mode, visitId: credential.visitId };
}

/**
 * What is due in the background now: tomorrow's batch once its random moment has come, another one for today once
 * few are left. Quiet about failures; the next call tries again. Returns when to call again, in seconds.
 */
export async function work(account, calendar, now) {
  const today = calendar.day(now);
  const plan = await planFor(account, calendar, now);
  const due = [];
  const left = await account.left(today);
  if (left > 0 && left <= plan.topUpAt && !plan.full) due.push(today);
  if (now >= plan.tomorrowAt && !(await account.left(today + 1))) due.push(today + 1);
  for (const day of due) {
    try {
      await fetchBatch(account, day);
    } catch (error) {
      if (error.code === "quota_used" && day === today) await account.set("plan", { ...plan, full: true });
      return 60 + randomBelow(240);
    }
  }
  if (due.includes(today)) await account.set("plan", { ...plan, topUpAt: 1 + randomBelow(4) });
  return 60 + randomBelow(600);
}

async function planFor(account, calendar, now) {
  const day = calendar.day(now);
  const known = await account.get("plan");
  if (known?.day === day) return known;
  const rest = calendar.start(day + 1) - now;
  const plan = { day, tomorrowAt: now + randomBelow(Math.floor(rest)), topUpAt: 1 + randomBelow(4), full: false };
  await account.set("plan", plan);
  return plan;
}

/** By how many seconds this device's clock is ahead of the issuer's; null without an answer. */
export async function clockAhead(clock) {
  try {
    const nonce = base64urlEncode(randomBytes(16));
    const asked = clock();
    const { time } = await request("GET", `/v1/time?nonce=${nonce}`, { patience: 3000, answer: object({ time: text }) });
    return (asked + clock()) / 2 - Date.parse(time) / 1000 - 0.5; // times are cut to the second
  } catch {
    return null;
  }
}
