// Batches of credentials: asked for, checked, kept; the next one in the background (docs/spec/credential.md §4).
//
// When a batch is asked for should tell the issuer nothing about when somebody goes out: tomorrow's is asked for at a
// random moment of today, another one of today at a random number of codes left.

import { listOf, number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { SCREEN, STATUS_LAST, readCredential, verifyCredential, verifyOpening } from "../credential.js";
import { base64urlDecode, base64urlEncode, toHex } from "../encoding.js";
import { Refusal } from "../errors.js";
import { readIssuerList } from "../keylist.js";
import { openNote, parseVkey } from "../note.js";
import { PinnedLog } from "../pinnedlog.js";
import { newSigningKey, randomBelow, randomBytes, sameBytes } from "../primitives.js";
import { readSignedTime } from "../signedtime.js";

const SIZE = 10;
const STATUSES = Array.from({ length: STATUS_LAST + 1 }, (_, status) => status);
const BATCH = object({
  credentials: (value) => listOf(text)(value) && value.length === SIZE,
  status_openings: (value) => listOf(object({ status: number, salt: text }))(value) && value.length === SIZE,
  disclosures: optional(listOf(object())),
  time_note: optional(text),
});
const KEYS = object({ list: text, proof: optional(text), log: optional(object()) });
const TIME_PATIENCE_MS = 3000;
const OTHER_DAY = ["day_not_issued", "key_missing"]; // what a batch for a day far from today is refused with

/**
 * One more batch, kept in the account; its credentials. The clock is set by the signed time in the answer. Refusal: what the
 * issuer answers, the first bad credential's, or service_error for a batch that cannot be read.
 */
export async function fetchBatch(account, clock, calendar, day, mode = SCREEN) {
  const pairs = await Promise.all(Array.from({ length: SIZE }, () => newSigningKey()));
  const listed = await listedKey(account, day);
  const body = { day, mode, holder_keys: pairs.map((pair) => base64urlEncode(pair.public)) };
  const nonce = base64urlEncode(randomBytes(16));
  const asked = clock.ask();
  const path = `/v1/credentials?nonce=${nonce}`;
  const answer = await request("POST", path, { token: account.token, body, answer: BATCH });
  const time = answer.time_note ? await readSignedTime(answer.time_note, await issuerKey(account), nonce) : null;
  if (time !== null) await setClock(account, clock, time, asked);
  // SPEC wallet.md §4: "One bad credential refuses the batch."
  const checked = [];
  for (const item of readBatch(answer, pairs)) checked.push(await check(item, day, mode, listed));
  // What is printed is kept nowhere but on the paper.
  const past = time === null ? 0 : calendar.day(time);
  await account.take(mode === SCREEN ? checked : [], answer.disclosures ?? [], past);
  return checked;
}

/** Each holder key with what came for it; service_error for what is no base64url, or a status that there is not. */
function readBatch({ credentials, status_openings: openings }, pairs) {
  if (!openings.every(({ status }) => STATUSES.includes(status))) throw new Refusal("service_error");
  try {
    return pairs.map((pair, i) => ({
      key: pair.key,
      public: pair.public,
      encoded: base64urlDecode(credentials[i]),
      opening: { status: openings[i].status, salt: base64urlDecode(openings[i].salt, 16) },
    }));
  } catch {
    throw new Refusal("service_error");
  }
}

const issuerKey = async (account) => parseVkey(await account.get("vkey"));

async function setClock(account, clock, time, asked) {
  clock.measure(time, asked);
  await account.set("clock", clock.plain);
}

/**
 * A credential of today, marked as used; a batch is fetched first where none is left, for the day that it is by the issuer's
 * time. `fetching` is called before anything is asked for. Refusal as of fetchBatch; clock_wrong when this device's day is
 * none that the issuer issues for, and its time could not be learnt.
 */
export async function openToday(account, clock, calendar, fetching) {
  for (let asked = 0; ; asked += 1) {
    const day = calendar.day(clock.now());
    const item = await account.open(day);
    if (item) return item;
    if (asked > 1) throw new Refusal("clock_wrong"); // the day changed twice under our hands
    fetching();
    try {
      await fetchBatch(account, clock, calendar, day);
    } catch (error) {
      if (!OTHER_DAY.includes(error.code) || !(await askTime(account, clock, calendar, day))) throw error;
    }
  }
}

// SPEC issuer.md §8: "The wallet MUST NOT ask for the time on its own"
/** The one exception: a batch was refused because of it. Whether the day is another. */
async function askTime(account, clock, calendar, day) {
  const nonce = base64urlEncode(randomBytes(16));
  const asked = clock.ask();
  const answer = object({ note: text });
  const { note } = await request("GET", `/v1/time?nonce=${nonce}`, { patience: TIME_PATIENCE_MS, answer });
  await setClock(account, clock, await readSignedTime(note, await issuerKey(account), nonce), asked);
  return calendar.day(clock.now()) !== day;
}

/**
 * {issuer, public, kid} from the issuer's signed list, under the verifier key pinned at registration; once a log is
 * pinned, too, only a list that is in it. So the issuer cannot give this wallet a key of its own, to know it by.
 */
async function listedKey(account, day) {
  const { list, proof, log: told } = await request("GET", "/v1/keys", { answer: KEYS });
  const log = await PinnedLog.of(await account.get("log"), told);
  await log?.require(list, proof);
  const { text } = await openNote(list, [await issuerKey(account)]);
  const { issuer, keys } = await readIssuerList(text);
  if (log) await account.set("log", log.plain);
  if (!keys.has(day)) throw new Refusal("key_missing");
  return { issuer, ...keys.get(day) };
}

/** The issuer's signature, a key that is published, this wallet's own holder key, and the opening. */
export async function check({ key, public: holder, encoded, opening }, day, mode, listed) {
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
export async function work(account, clock, calendar) {
  const now = clock.now();
  const today = calendar.day(now);
  const plan = await planFor(account, calendar, now);
  const due = [];
  const left = await account.left(today);
  if (left > 0 && left <= plan.topUpAt && !plan.full) due.push(today);
  if (now >= plan.tomorrowAt && !(await account.left(today + 1))) due.push(today + 1);
  for (const day of due) {
    try {
      await fetchBatch(account, clock, calendar, day);
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
